"""Tunes a network for a few epochs: the loop, the checkpoints and the randomness of `training`.

Every step is one of `training.loop`: Adam with a cosine to 0, cross-entropy on the labels of
augmented images, each drawn from (seed, epoch, image). Where an ImageNet class has several right
outputs, their probabilities count together. The loop's own checkpoint lies in the folder while it
goes on, so that a tuning that was killed ends with the same bits.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from invariscope.errors import InputError, RunError
from invariscope.improving.parts import Part, Parts
from invariscope.improving.policy import Ingredient, policy_of
from invariscope.models import Probe
from invariscope.models.trainable import Trainable
from invariscope.training.checkpoint import CHECKPOINT, take_up
from invariscope.training.images import TrainingImages
from invariscope.training.loop import do_steps, held
from invariscope.training.prepare import Training, accelerator_on
from invariscope.training.recipe import Recipe
from invariscope.training.schedules import schedule
from invariscope.training.splits import Split

_SECONDS = 20.0
_LOOKED_AT = 64
Step = Callable[[int, int, Mapping[str, float]], None]


@dataclass(kw_only=True)
class FineTuning(Training):
    """A training of a network that has been trained before.

    Args:
        right: bool [class, output], the right answers for each class.
    """

    right: Tensor

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Computes the cross-entropy; several right outputs count together."""
        chosen = self.right.to(outputs.device)[targets]
        return -functional.log_softmax(outputs, dim=1).where(chosen, -torch.inf).logsumexp(1).mean()


@dataclass(frozen=True)
class Tuned:
    """What a tuning gave.

    Attributes:
        state: The weights.
        history: One row per logged number: ``iteration``, ``epoch``, ``name``, ``value``.
        notes: What was left out.
        seconds: What it took.
        iterations: How many steps there were.
    """

    state: Mapping[str, Tensor]
    history: pd.DataFrame
    notes: Sequence[str]
    seconds: float
    iterations: int


def recipe_of(
    probe: Probe,
    parts: Parts,
    made: Sequence[Ingredient],
    *,
    epochs: float,
    learning_rate: float,
    batch_size: int,
    seed: int,
) -> Recipe:
    """Writes down all that the tuned weights depend on, so that none else is gone on with."""
    told = json.dumps([one.as_dict() for one in made], sort_keys=True)
    images = hashlib.sha256("\n".join(parts.tuning.ids).encode()).hexdigest()[:16]
    return Recipe(
        f"{parts.tuning.name}, images {images}",
        f"{probe.spec}, weights {probe.weights_hash[:16]}",
        told,
        epochs=epochs,
        batch_size=batch_size,
        optimizer="adam",
        learning_rate=learning_rate,
        weight_decay=0.0,
        schedule="cosine",
        seed=seed,
    )


def tune(
    probe: Probe,
    example: Tensor,
    parts: Parts,
    made: Sequence[Ingredient],
    right: np.ndarray,
    recipe: Recipe,
    *,
    folder: Path | None,
    device: str,
    workers: int | None,
    progress: Step | None,
    stop: Callable[[], bool] | None,
) -> Tuned:
    """Tunes a copy of the network.

    Raises:
        InputError: It cannot be trained, or the folder holds the checkpoint of another tuning.
        RunError: The loss is no number any more, memory ran out, the disk is full, or `stop`.
    """
    accelerator = accelerator_on(device, "no")
    drawn_on = [accelerator.device] if accelerator.device.type == "cuda" else []
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.random.fork_rng(devices=drawn_on),
        held(folder),
    ):
        module = Trainable(probe, example).to(accelerator.device)
        _check_sizes(probe, parts.tuning)
        changing = [parameter for parameter in module.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam([{"params": changing, "lr": recipe.learning_rate}])
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        model, optimizer = accelerator.prepare(module, optimizer)
        model.train()
        framed = parts.tuning.framed(probe.preprocessing)
        images = TrainingImages(
            Split(framed, list(range(len(framed)))), policy_of(made), seed=recipe.seed,
            device=accelerator.device, workers=workers,
        )  # fmt: skip
        training = FineTuning(
            recipe=recipe, accelerator=accelerator, model=model, optimizer=optimizer,
            preprocessing=probe.preprocessing, classes=tuple(parts.tuning.class_names or ()),
            images=images, mixing=None, schedule=schedule(recipe.schedule),
            right=torch.from_numpy(right),
        )  # fmt: skip
        if folder is not None:
            take_up(folder, training)
        try:
            do_steps(training, folder, progress=progress, checkpoint_seconds=_SECONDS, stop=stop)
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"the device ran out of memory at batches of {recipe.batch_size} images: give a "
                "smaller `batch_size`"
            ) from error
    rows = [(i, i / training.per_epoch, name, value) for i, name, value in training.history]
    trained = training.module
    assert isinstance(trained, Trainable)
    return Tuned(
        trained.weights(),
        pd.DataFrame(rows, columns=["iteration", "epoch", "name", "value"]),
        images.notes,
        round(training.elapsed(), 1),
        training.iteration,
    )


def forget_checkpoint(folder: Path) -> None:
    """Deletes what the loop has kept, once the weights are safe."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _check_sizes(probe: Probe, part: Part) -> None:
    """Refuses pictures of several sizes for a model that states none: no batch holds them."""
    if probe.preprocessing.size is not None:
        return
    sizes = {
        tuple(probe.preprocessing.geometry(part.load(k)).shape) for k in range(min(len(part), 64))
    }
    if len(sizes) > 1:
        raise InputError(
            "the images have different sizes and the model states no input size: give one, such "
            "as `preprocessing={'size': 224}`"
        )
