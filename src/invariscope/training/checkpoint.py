"""Keeps a training on the disk: what it needs to go on, and what it left when it was done.

| file of the folder | content |
|---|---|
| checkpoint.pt | while it runs: recipe, iteration, weights, optimiser, history |
| recipe.json | the recipe, versions, device, time, notes |
| model.json, weights.pt | the network: `trained:FOLDER` loads it |
| history.parquet | iteration, epoch, name, value |
| correct.parquet | image, class, method, seed, correct: one row per test image |
| train.json | accuracy, test images, the files' digests; written last: a folder with it is done |

All files are written whole or not at all.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from invariscope.errors import InputError
from invariscope.files import undamaged, versions, write_file
from invariscope.sealed import with_digest, without_digest
from invariscope.training.recipe import Recipe

if TYPE_CHECKING:
    from invariscope.training.prepare import Training

CHECKPOINT = "checkpoint.pt"
_PACKAGES = ("invariscope", "torch")


def save_checkpoint(folder: Path, training: "Training") -> None:
    """Replaces the folder's checkpoint by a new one.

    Raises:
        RunError: It cannot be written; the one before is still there.
    """
    buffer = io.BytesIO()
    torch.save({**training.state(), "versions": versions(*_PACKAGES)}, buffer)
    kept = "the last checkpoint is kept" if (folder / CHECKPOINT).exists() else ""
    write_file(folder / CHECKPOINT, with_digest(buffer.getvalue()), kept=kept)


def take_up(folder: Path, training: "Training") -> None:
    """Goes on from the folder's checkpoint, where it has one.

    Raises:
        InputError: It is of another recipe or of other versions, or it cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return
    with undamaged(path, "delete it to train from the start"):
        content = io.BytesIO(without_digest(path.read_bytes()))
        state = torch.load(content, map_location="cpu", weights_only=True)
        check_same_recipe(path, Recipe.from_dict(state["recipe"]), training.recipe)
        there, here = state["versions"], versions(*_PACKAGES)
        for package in _PACKAGES:
            if there[package] != here[package]:
                raise InputError(
                    f"{path} is of {package} {there[package]}, this is {here[package]}: go on "
                    "with that version, or delete it to train from the start"
                )
        training.restore(state)


def check_same_recipe(file: Path, kept: Recipe, wanted: Recipe) -> None:
    """Refuses to go on with another training's folder, by the file that says what it holds.

    Raises:
        InputError: Names the values that differ.
    """
    old, new = kept.as_dict(), wanted.as_dict()
    differ = [
        f"{name} {old.get(name)!r} there, {new.get(name)!r} now"
        for name in old | new
        if old.get(name) != new.get(name)
    ]
    if differ:
        raise InputError(
            f"{file.parent} holds another training, by its {file.name} ({'; '.join(differ)}): give "
            "another `output`"
        )
