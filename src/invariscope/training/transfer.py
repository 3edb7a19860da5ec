"""Measures transfer: what are a network's features worth for another task?

The network stays as it is up to its penultimate layer, the input of the last linear map. A new last
layer is fitted on the features of the task's training images and tested on those of its test
images (paper 004, §3.1 and App. B). The features are computed once, in eval mode; nothing is
augmented. How the layer is fitted says `probes`: ``lbfgs`` (to convergence, the default) or
``adam`` (25 epochs, the paper's).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from invariscope.devices import as_float, choose_device
from invariscope.errors import InputError
from invariscope.files import read_parquet, undamaged, write_parquet
from invariscope.models import EMBEDDING, Probe, load_model
from invariscope.registry import unknown_name
from invariscope.sealed import read_sealed, write_sealed
from invariscope.training.evaluation import TestImages
from invariscope.training.probes import (
    BATCH_SIZE,
    EPOCHS,
    LEARNING_RATE,
    fit_adam,
    fit_logistic,
)
from invariscope.training.recipe import Recipe
from invariscope.training.splits import Split, open_splits

METHODS = ("lbfgs", "adam")
_CORRECT, _FACTS = "correct.parquet", "transfer.json"


@dataclass(frozen=True)
class Features:
    """The features of the images of a split.

    Args:
        values: Input of the last linear map, of the images that can be read.
        labels: Class of each.
        ids: Id of each.
        notes: What was left out.
    """

    values: Float[Tensor, "image feature"]
    labels: Int64[Tensor, " image"]
    ids: list[str]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Transfer:
    """The success of a new last layer on a task.

    Args:
        correct: One row per test image: ``image``, ``class``, ``correct``.
        facts: ``method``, ``iterations``, ``converged``, ``num_train``, ``features`` (how many),
            ``accuracy on training images``.
        notes: What was left out.
    """

    correct: pd.DataFrame
    facts: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Share of the test images that it is right about, 0 to 1."""
        return float(self.correct["correct"].mean())

    def save(self, folder: str | Path) -> None:
        """Writes `correct.parquet` and `transfer.json`, each whole or not at all."""
        folder = Path(folder)
        write_parquet(folder / _CORRECT, self.correct)
        head = {"accuracy": self.accuracy, **self.facts, "notes": self.notes}
        write_sealed(folder / _FACTS, head, [_CORRECT])

    @classmethod
    def load(cls, folder: str | Path) -> "Transfer":
        """Loads what `save` wrote."""
        path, remedy = Path(folder) / _FACTS, "measure the transfer again"
        facts = read_sealed(path, remedy)
        with undamaged(path, remedy):
            del facts["accuracy"]
            notes = facts.pop("notes")
        correct = read_parquet(Path(folder) / _CORRECT, remedy)
        return cls(correct.to_pandas(), facts, notes)


def penultimate(probe: Probe, split: Split, *, workers: int | None = None) -> Features:
    """Computes the features of the images of a split, on the probe's device.

    Args:
        probe: The network, with the size of its input.
        split: The images.
        workers: Decoding, as for `invariscope.measure`; it changes no number.

    Raises:
        InputError: The network does not say its input's side, or no image can be read.
    """
    preprocessing = probe.preprocessing
    if preprocessing.size is None:
        raise InputError(
            f"model {probe.spec} does not say its input's side: give `preprocessing={{'size': …}}`"
        )
    images = TestImages(split, preprocessing, workers=workers)
    places: list[int] = []
    values: list[Tensor] = []
    for chosen, pixels in images.batches():
        batch = as_float(pixels.to(probe.device))
        values.append(probe.forward(batch, [EMBEDDING]).vectors[EMBEDDING])
        places += chosen
    if not values:
        raise InputError(f"{split.source.name}: none of the images can be read")
    ids, labels = split.ids, split.labels
    return Features(
        torch.cat(values),
        torch.from_numpy(labels[places]).to(probe.device),
        [ids[position] for position in places],
        list(images.notes),
    )


def transfer(
    model: str | Probe,
    train: str,
    test: str | None = None,
    *,
    method: str = "lbfgs",
    num_train: int | None = None,
    num_test: int | None = None,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
) -> Transfer:
    """Fits a new last layer on one task's training images and tests it on its test images.

    Args:
        model: The network, or its spec.
        train: Spec of the labelled images to fit on.
        test: Spec of those to test on; None takes the other split, as a training does.
        method: ``lbfgs`` or ``adam``.
        num_train: How many images to fit on, by class in proportion; None takes all.
        num_test: How many to test on.
        epochs: Of Adam.
        batch_size: Of Adam.
        learning_rate: Of Adam.
        seed: Of Adam.
        device: ``auto``, ``cpu``, ``cuda``, …; a given probe stays where it is.
        workers: Decoding, as for `invariscope.measure`; it changes no number.

    Raises:
        InputError: No such method, or a spec that does not work.

    Example:
        >>> data = "torchvision:FakeData?size=60&image_size=3,16,16&num_classes=2"
        >>> found = transfer("small:cnn7?width=0.2&size=16", data)
        >>> len(found.correct), 0 <= found.accuracy <= 1, found.facts["converged"]
        (12, True, True)
    """
    if method not in METHODS:
        raise unknown_name("method of transfer", method, METHODS)
    probe = load_model(model).to(choose_device(device)) if isinstance(model, str) else model
    recipe = Recipe(train, probe.spec, test=test, num_train=num_train, num_test=num_test)
    to_fit, to_test, classes = open_splits(recipe)
    fitted_on = penultimate(probe, to_fit, workers=workers)
    tested_on = penultimate(probe, to_test, workers=workers)
    if method == "lbfgs":
        head = fit_logistic(fitted_on.values, fitted_on.labels, num_classes=len(classes))
    else:
        head = fit_adam(
            fitted_on.values,
            fitted_on.labels,
            num_classes=len(classes),
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
        )
    right = (head.predict(tested_on.values) == tested_on.labels).cpu().numpy()
    own = (head.predict(fitted_on.values) == fitted_on.labels).double().mean()
    correct = pd.DataFrame(
        {
            "image": tested_on.ids,
            "class": [classes[label] for label in tested_on.labels.tolist()],
            "correct": right.astype(np.int8),
        }
    )
    facts = {
        "method": method,
        "iterations": head.iterations,
        "converged": head.converged,
        "num_train": len(fitted_on.ids),
        "features": fitted_on.values.shape[1],
        "accuracy on training images": float(own),
    }
    return Transfer(correct, facts, [*fitted_on.notes, *tested_on.notes])
