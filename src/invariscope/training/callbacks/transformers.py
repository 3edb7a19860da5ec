"""A callback for the Trainer of Hugging Face that measures every k steps, or at each evaluation.

Which weights? During training those that the optimiser moves, as they are at that step. After it,
with ``load_best_model_at_end``, the Trainer's model should be the best checkpoint, and for
transformers of images (ViT, DeiT, BEiT, DINOv2, Swin) it is not: the Trainer reads the file by
names of another release and leaves most tensors as the last step had them. So an evaluation after
the training is measured only if the model is its best checkpoint, tensor by tensor; otherwise a
warning says how much of it is not, and nothing is measured. `best_model` loads the checkpoint
rightly.

>>> from invariscope.training.callbacks.transformers import MeasureInvariance
>>> # trainer.add_callback(MeasureInvariance(trainer, "samples", every=100))
"""

import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.training.callbacks.watched import Network, Watched

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback
else:
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise ImportError(
            "invariscope.training.callbacks.transformers needs its package: "
            "pip install 'invariscope[transformers]'"
        ) from error

EVALUATION = "evaluation"


class MeasureInvariance(TrainerCallback):
    """Measures at the start and every k steps, or at each evaluation.

    Values go through ``trainer.log``: to ``state.log_history`` and to every tracker of the Trainer.
    Those of an evaluation are also in its metrics, as "eval_relative_invariance/rotate/embedding",
    which may be the ``metric_for_best_model``. The training itself is that of a Trainer without
    this callback, to the last bit.

    Args:
        trainer: The Trainer that it is added to.
        images: What `invariscope.measure` takes; opened once.
        every: Steps of the optimiser, or "evaluation".
        network: Which network of the model: an attribute, a function; None: the model.
        settings: What `invariscope.measure` takes besides: transformations, groups, metrics,
            layers, num_images (64), preprocessing ….

    Raises:
        InputError: No Trainer, a value that cannot be, or weights that are spread over devices.
    """

    def __init__(
        self,
        trainer: "Trainer",
        images: Any,
        *,
        every: int | str,
        network: Network = None,
        **settings: Any,
    ):
        if not hasattr(trainer, "is_deepspeed_enabled"):
            raise InputError(f"`trainer` is a {type(trainer).__name__}: give the Trainer itself")
        if getattr(trainer, "is_fsdp_enabled", False) or trainer.is_deepspeed_enabled:
            raise InputError(
                "this Trainer spreads the weights over devices, and a part of them cannot be "
                "measured: measure checkpoints instead"
            )
        self._trainer = trainer
        self._at_evaluation = every == EVALUATION
        steps: Any = 1 if self._at_evaluation else every
        self._watched = Watched(images, steps, network, settings)
        self._last, self._ended = -1, False

    @property
    def history(self) -> pd.DataFrame:
        """All that was measured: step, name, value."""
        return self._watched.frame()

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Measures before the first step."""
        self._ended = False
        self._last = state.global_step
        if state.global_step == 0 and not self._at_evaluation:
            self._log(self._values(more["model"], state), control)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Measures after every k-th step, and after the last."""
        if self._at_evaluation:
            return
        at_end = state.global_step >= state.max_steps or control.should_training_stop
        if self._watched.due(state.global_step, self._last) or at_end:
            self._log(self._values(more["model"], state), control)

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """From now on the model may be another."""
        self._ended = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Measures at an evaluation, and adds what it finds to the metrics."""
        if not self._at_evaluation or (self._ended and self._is_mixed(more["model"])):
            return
        values = self._values(more["model"], state)
        values = {f"eval_{name}": value for name, value in values.items()}
        more.get("metrics", {}).update(values)
        self._log(values, control)

    def _values(self, model: nn.Module, state: Any) -> dict[str, float]:
        """Measures in the first process, and tells the others."""
        self._last = state.global_step
        values: list[Any] = [None]
        if state.is_world_process_zero:
            values = [self._watched.values(_bare(model), state.global_step)]
        if self._trainer.args.world_size > 1:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(values)
        return values[0]

    def _log(self, values: dict[str, float], control: Any) -> None:
        """Logs, and leaves it to the Trainer whether its own numbers of this step are still due."""
        due = control.should_log
        self._trainer.log(dict(values))
        control.should_log = self._trainer.control.should_log = due

    def _is_mixed(self, model: nn.Module) -> bool:
        if not self._trainer.args.load_best_model_at_end:
            return False
        if self._trainer.state.best_model_checkpoint is None:
            return False
        others, count = _other_tensors(_bare(model), best_model(self._trainer))
        if others:
            warnings.warn(
                f"{others} of {count} tensors of the Trainer's model are not those of its best "
                f"checkpoint {self._trainer.state.best_model_checkpoint}: nothing was measured; "
                "measure invariscope.training.callbacks.transformers.best_model(trainer)",
                stacklevel=2,
            )
        return bool(others)


def best_model(trainer: "Trainer") -> nn.Module:
    """Loads the best checkpoint of a finished training, all of it, in eval mode on the CPU.

    Args:
        trainer: With ``load_best_model_at_end``, or another ``metric_for_best_model``.

    Raises:
        InputError: There is no best checkpoint, or the model does not load it.
    """
    path = trainer.state.best_model_checkpoint
    if path is None:
        raise InputError(
            "this Trainer has no best checkpoint: train with `load_best_model_at_end`, or measure "
            "transformers:FOLDER of another one"
        )
    kind: Any = type(_bare(trainer.model))
    load = getattr(kind, "from_pretrained", None)
    if load is None:
        raise InputError(
            f"{kind.__name__} has no from_pretrained, so what {path} holds cannot be told: measure "
            "checkpoint:PATH@ARCH"
        )
    model, said = load(path, output_loading_info=True)
    lost = sorted({*said["missing_keys"], *said.get("mismatched_keys", ())}, key=str)
    if lost:
        raise InputError(
            f"{path} lacks {len(lost)} tensors of {kind.__name__}, the first: {lost[0]}: it was "
            "saved by another class; measure transformers:FOLDER"
        )
    return model.eval()


def _bare(model: Any) -> nn.Module:
    """The model without what parallel training and compilation put around it."""
    for wrapper in ("module", "_orig_mod"):
        inner = getattr(model, wrapper, None)
        if isinstance(inner, nn.Module) and not hasattr(type(model), "from_pretrained"):
            return _bare(inner)
    return model


def _other_tensors(model: nn.Module, other: nn.Module) -> tuple[int, int]:
    """How many of a model's tensors another has not, or not so; and how many there are."""
    own, theirs = model.state_dict(), other.state_dict()
    same = [
        name in theirs and torch.equal(value.cpu(), theirs[name].cpu().to(value.dtype))
        for name, value in own.items()
    ]
    return same.count(False), len(same)
