"""Prepares a training before its first step, and holds all that it keeps between steps."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.nn import functional

from invariscope.data.labels import distinct_names
from invariscope.devices import choose_device
from invariscope.errors import InputError
from invariscope.files import versions
from invariscope.models import Preprocessing, Probe, build_architecture
from invariscope.runs.bands import matched
from invariscope.seeding import generator
from invariscope.training.augerino import Augerino, AugerinoSettings
from invariscope.training.augmentations import (
    CutMix,
    augmentation,
    evaluation_resize,
    mixing,
)
from invariscope.training.evaluation import TestImages
from invariscope.training.images import Step, TrainingImages
from invariscope.training.recipe import Recipe
from invariscope.training.schedules import Factor, schedule
from invariscope.training.splits import Split, open_splits

_PRECISIONS = ("no", "bf16", "fp16")


@dataclass
class Training:
    """A training under way.

    Args:
        recipe: What was asked for.
        accelerator: Devices and precision.
        model: The network as `accelerate` wraps it.
        optimizer: Likewise; each group knows its ``initial_lr``.
        preprocessing: What the network's images need.
        classes: Their names.
        images: To train on.
        mixing: What acts on whole batches, or None.
        schedule: Factor on the learning rate.
        test: To test on; None where the steps are all that is done.
        iteration: Steps done.
        history: (iteration, name, value).
        losses: Of the steps since the last log, on the device.
        seconds: Spent training before this process took over.
    """

    recipe: Recipe
    accelerator: Accelerator
    model: nn.Module
    optimizer: Any
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    images: TrainingImages
    mixing: CutMix | None
    schedule: Factor
    test: TestImages | None = None
    iteration: int = 0
    history: list[tuple[int, str, float]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch; what does not fill a batch waits for the next epoch's order."""
        return max(1, len(self.images) // self.recipe.batch_size)

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return max(1, round(self.recipe.epochs * self.per_epoch))

    @property
    def module(self) -> nn.Module:
        """The trained module, without what `accelerate` put around it."""
        return self.accelerator.unwrap_model(self.model)

    @property
    def augerino(self) -> Augerino | None:
        """The motions in front of the network, where the recipe asks for them."""
        module = self.module
        return module if isinstance(module, Augerino) else None

    @property
    def network(self) -> nn.Module:
        """The network itself, without Augerino."""
        return self.module if self.augerino is None else self.augerino.model

    def steps(self) -> list[Step]:
        """Returns the steps that are left, with this process's share of each batch."""
        steps: list[Step] = []
        share, shares = self.accelerator.process_index, self.accelerator.num_processes
        size = min(self.recipe.batch_size, len(self.images))
        order, epoch = np.empty(0, dtype=np.int64), -1
        for iteration in range(self.iteration, self.total):
            if iteration // self.per_epoch != epoch:
                epoch = iteration // self.per_epoch
                draw = generator(self.recipe.seed, f"order {epoch}")
                order = draw.permutation(len(self.images))
            start = (iteration % self.per_epoch) * size
            steps.append(Step(epoch, order[start : start + size][share::shares]))
        return steps

    def probe(self) -> Probe:
        """Returns the network as it is now, to be measured; this puts it into eval mode."""
        return Probe(self.network, self.preprocessing, f"training:{self.recipe.key}")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Computes the cross-entropy; Augerino adds its reward for width."""
        if self.augerino is not None:
            return self.augerino.loss(outputs, targets)
        return functional.cross_entropy(outputs, targets)

    def accuracy_without_augerino(self) -> float | None:
        """Tests the network alone; None where there is no Augerino."""
        if self.augerino is None:
            return None
        self.augerino.enabled = False
        try:
            return self.test_accuracy()
        finally:
            self.augerino.enabled = True

    def test_accuracy(self) -> float:
        """Returns the share of the test images that the network is right about now."""
        return float(self.correct()["correct"].mean())

    def correct(self) -> pd.DataFrame:
        """Tests which images the network is right about now."""
        assert self.test is not None
        table = self.test.correct(self.model, self.accelerator.device)
        method = self.recipe.augment + ("" if self.augerino is None else " + Augerino")
        table.insert(2, "method", method)
        table.insert(3, "seed", self.recipe.seed)
        return table

    def state(self) -> dict[str, Any]:
        """Returns everything that `restore` needs, as tensors, numbers and text."""
        scaler = self.accelerator.scaler
        return {
            "recipe": self.recipe.as_dict(),
            "iteration": self.iteration,
            "model": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "history": list(self.history),
            "losses": [loss.cpu() for loss in self.losses],
            "seconds": self.elapsed(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up where a checkpoint left off."""
        self.iteration, self.seconds = state["iteration"], state["seconds"]
        self.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.history = [tuple(row) for row in state["history"]]
        self.losses = [loss.to(self.accelerator.device) for loss in state["losses"]]

    def elapsed(self) -> float:
        """Returns the seconds that all processes spent on this training in turn."""
        return self.seconds + time.monotonic() - self.started

    def facts(self) -> dict[str, Any]:
        """Returns facts about the run: device, time, versions."""
        packages = ("invariscope", "torch", "torchvision", "timm", "accelerate")
        return {
            "device": str(self.accelerator.device),
            "processes": self.accelerator.num_processes,
            "mixed_precision": self.accelerator.mixed_precision,
            "threads": torch.get_num_threads(),
            "seconds": round(self.elapsed(), 3),
            "iterations": self.iteration,
            "images": len(self.images),
            "augerino": None if self.augerino is None else self.augerino.numbers(),
            "versions": versions(*packages),
        }


def check_recipe(recipe: Recipe) -> None:
    """Raises an `InputError` where the data, the network or the augmentation cannot be had."""
    _, preprocessing = build_architecture(recipe.architecture, num_classes=2, seed=recipe.seed)
    size = _side(recipe, preprocessing)
    evaluation_resize(recipe.augment, size)
    _, _, classes = open_splits(recipe)
    augmentation(recipe.augment, size, class_names=distinct_names(classes))


def _side(recipe: Recipe, preprocessing: Preprocessing) -> int:
    size = recipe.size or (preprocessing.size or (0, 0))[0]
    if not size:
        raise InputError(f"model {recipe.model} does not say its input's side: give `size`")
    return size


def prepare(recipe: Recipe, accelerator: Accelerator, workers: int | None = None) -> Training:
    """Opens the images, builds the network, its optimiser and its augmentation.

    Raises:
        InputError: A part of the recipe does not work.
    """
    train, test, classes = open_splits(recipe)
    module, preprocessing = build_architecture(
        recipe.architecture, num_classes=len(classes), seed=recipe.seed
    )
    train, test = (
        Split(matched(part.source, preprocessing), part.indices, part.note)
        for part in (train, test)
    )
    size = _side(recipe, preprocessing)
    resize = evaluation_resize(recipe.augment, size)
    preprocessing = preprocessing.override({"size": size, "resize": resize})
    if recipe.augerino is not None:
        module = AugerinoSettings.parse(recipe.augerino).wrap(module)
    module = module.to(accelerator.device).to(memory_format=torch.channels_last)
    optimizer = _optimizer(recipe, module)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    model, optimizer = accelerator.prepare(module, optimizer)
    model.train()
    images = TrainingImages(
        train,
        augmentation(recipe.augment, size, class_names=distinct_names(classes)),
        seed=recipe.seed,
        device=accelerator.device,
        workers=workers,
    )
    return Training(
        recipe=recipe,
        accelerator=accelerator,
        model=model,
        optimizer=optimizer,
        preprocessing=preprocessing,
        classes=classes,
        images=images,
        test=TestImages(test, preprocessing, workers=workers),
        mixing=mixing(recipe.augment),
        schedule=schedule(recipe.schedule),
    )


def accelerator_on(device: str, mixed_precision: str) -> Accelerator:
    """Makes an accelerator on a device; under ``accelerate launch``, on that command's devices.

    Raises:
        InputError: There is no such device or precision.
    """
    if mixed_precision not in _PRECISIONS:
        raise InputError(
            f"mixed precision {mixed_precision!r} is unknown: {', '.join(_PRECISIONS)} work"
        )
    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if launched:
        return Accelerator(mixed_precision=mixed_precision)
    chosen = choose_device(device)
    # accelerate keeps the first choice of a process for ever; here each training has its own.
    AcceleratorState._reset_state(reset_partial_state=True)
    if chosen.type == "cuda" and chosen.index is not None:
        torch.cuda.set_device(chosen)
    try:
        return Accelerator(cpu=chosen.type == "cpu", mixed_precision=mixed_precision)
    except ValueError as error:
        raise InputError(
            f"mixed precision {mixed_precision} cannot be had here ({error}); no works everywhere"
        ) from error


def _optimizer(recipe: Recipe, module: nn.Module) -> torch.optim.Optimizer:
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if isinstance(module, Augerino):
        groups = module.parameter_groups(rate, decay)
    else:
        groups = [{"params": list(module.parameters()), "lr": rate, "weight_decay": decay}]
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups)
    return torch.optim.SGD(groups, momentum=recipe.momentum)
