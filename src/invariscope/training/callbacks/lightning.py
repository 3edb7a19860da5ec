"""A callback for Lightning (`lightning` or `pytorch_lightning`) that measures every k steps.

Which weights? Callbacks that average weights change those of the module between hooks: within
validation the averaged ones are in the module, at the end of training they stay there. So:

- ``weights="training"``, the default: those that the optimiser moves. They are measured at the end
  of a training batch, where no callback of Lightning has other weights in the module.
- ``weights="averaged"``: those of `WeightAveraging` or `EMAWeightAveraging`, read from that
  callback and never from the module. This callback must come after it in the list, as the average
  would otherwise lack the last step; the other order is refused, and so is a trainer without one.

`StochasticWeightAveraging` puts its average into the module for a last epoch, for batch norms, and
its optimiser makes one more step there: nothing is measured in that epoch. Weights that a strategy
spreads over devices (FSDP, DeepSpeed, model parallel) are refused.

>>> from invariscope.training.callbacks.lightning import MeasureInvariance
>>> callback = MeasureInvariance("samples", every=100, transformations="rotate", network="net")
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pandas as pd

from invariscope.errors import InputError
from invariscope.training.callbacks.watched import Network, Watched

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    for _package in ("lightning.pytorch", "pytorch_lightning"):
        try:
            Callback = import_module(_package).Callback
            break
        except ImportError:
            continue
    else:
        raise ImportError(
            "invariscope.training.callbacks.lightning needs Lightning: "
            "pip install 'invariscope[lightning]'"
        )

WEIGHTS = ("training", "averaged")
_SPREAD = ("FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy")


class MeasureInvariance(Callback):
    """Measures at the start, every k steps of the optimiser, and after the last one.

    Values go to the trainer's loggers, at the step, and to ``trainer.callback_metrics``, where
    `ModelCheckpoint` and `EarlyStopping` find them: "relative_invariance/rotate/embedding".
    The training itself is that of a trainer without this callback, to the last bit.

    Args:
        images: What `invariscope.measure` takes; opened once.
        every: Steps of the optimiser.
        weights: "training" or "averaged".
        network: Which network of the module: an attribute ("net"), a function of the module; None:
            the module itself, whose ``forward`` then takes normalised images.
        settings: What `invariscope.measure` takes besides: transformations, groups, metrics,
            layers, num_images (64), preprocessing ….

    Raises:
        InputError: A value that cannot be; at the start of `fit`, a trainer that does not fit.
    """

    def __init__(
        self,
        images: Any,
        *,
        every: int,
        weights: str = "training",
        network: Network = None,
        **settings: Any,
    ):
        if weights not in WEIGHTS:
            raise InputError(f"`weights` is {weights!r}: give one of {', '.join(WEIGHTS)}")
        self.weights = weights
        self._watched = Watched(images, every, network, settings)
        self._last = -1

    @property
    def history(self) -> pd.DataFrame:
        """All that was measured: step, name, value."""
        return self._watched.frame()

    def setup(self, trainer: "Trainer", pl_module: "LightningModule", stage: str) -> None:
        """Refuses trainers whose weights cannot be measured."""
        if stage != "fit":
            return
        strategy = type(trainer.strategy).__name__
        if strategy in _SPREAD:
            raise InputError(
                f"{strategy} spreads the weights over devices, and a part of them cannot be "
                "measured: measure checkpoints instead, or train with ddp"
            )
        if self.weights == "averaged":
            callbacks = _callbacks(trainer)
            places = [k for k, one in enumerate(callbacks) if _averages(one)]
            if not places:
                raise InputError(
                    "`weights` is 'averaged', but no callback of this trainer averages weights: "
                    "add EMAWeightAveraging() before, or measure weights='training'"
                )
            if callbacks.index(self) < places[-1]:
                name = type(callbacks[places[-1]]).__name__
                raise InputError(
                    f"MeasureInvariance stands before {name}, whose average would lack the last "
                    "step: put it after in `callbacks`"
                )

    def on_train_start(self, trainer: "Trainer", pl_module: "LightningModule") -> None:
        """Measures before the first step; a training that goes on was measured already."""
        if trainer.global_step == 0:
            self._measure(trainer, pl_module)
        else:
            self._last = max(self._last, trainer.global_step)

    def on_train_batch_end(
        self, trainer: "Trainer", pl_module: "LightningModule", *batch: Any, **more: Any
    ) -> None:
        """Measures after every k-th step; a batch whose gradients are only added up is no step."""
        if self._watched.due(trainer.global_step, self._last) and not _is_swapped(trainer):
            values = self._measure(trainer, pl_module)
            pl_module.log_dict(values, logger=False, on_step=True, on_epoch=False)

    def on_train_epoch_end(self, trainer: "Trainer", pl_module: "LightningModule") -> None:
        """Measures after the last step, where that is no multiple."""
        last = _is_last(trainer) and not _is_swapped(trainer)
        if last and trainer.global_step > self._last:
            values = self._measure(trainer, pl_module)
            pl_module.log_dict(values, logger=False, on_step=False, on_epoch=True)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"last": self._last, "history": [list(row) for row in self._watched.history]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up what a checkpoint kept."""
        self._last = state_dict["last"]
        self._watched.history = [
            (int(step), str(name), float(value)) for step, name, value in state_dict["history"]
        ]

    def _measure(self, trainer: "Trainer", pl_module: "LightningModule") -> Mapping[str, float]:
        """Measures in the first process, and tells the others."""
        step = self._last = trainer.global_step
        module = self._averaged(trainer) if self.weights == "averaged" else pl_module
        own = self._watched.values(module, step) if trainer.is_global_zero else {}
        values = trainer.strategy.broadcast(own)
        axis = trainer.fit_loop.epoch_loop._batches_that_stepped  # of all that Lightning logs
        for logger in trainer.loggers:
            logger.log_metrics(dict(values), step=axis)
        return values

    def _averaged(self, trainer: "Trainer") -> Any:
        (*_, callback) = [one for one in _callbacks(trainer) if _averages(one)]
        return callback._average_model.module


def _callbacks(trainer: Any) -> list[Any]:  # no type of Lightning's says that it has them
    return trainer.callbacks


def _averages(callback: Any) -> bool:
    return _has_base(callback, "WeightAveraging")


def _has_base(callback: Any, name: str) -> bool:
    return any(base.__name__ == name for base in type(callback).__mro__)


def _swa_ends(trainer: "Trainer") -> list[int]:
    """The last epochs of training, by callbacks that add one to it."""
    swa = [one for one in _callbacks(trainer) if _has_base(one, "StochasticWeightAveraging")]
    return [one.swa_end for one in swa if one.swa_end >= 0 and trainer.max_epochs != -1]


def _is_swapped(trainer: "Trainer") -> bool:
    """Says whether this is the epoch after the last, which has averaged weights in the module."""
    return any(trainer.current_epoch > end for end in _swa_ends(trainer))


def _is_last(trainer: "Trainer") -> bool:
    """Says at the end of an epoch whether no step of the training follows."""
    epochs, steps = trainer.max_epochs, trainer.max_steps
    at_end = epochs not in (None, -1) and trainer.current_epoch + 1 >= epochs
    at_end = at_end or trainer.current_epoch in _swa_ends(trainer)
    return at_end or trainer.should_stop or (steps != -1 and trainer.global_step >= steps)
