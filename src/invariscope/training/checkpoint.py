"""Keeps a training on the disk: what it needs to go on, and what it left when it was done.

| file of the folder | content |
|---|---|
| checkpoint.pt | while it runs: recipe, iteration, weights, optimiser, history |
| recipe.json | the recipe, versions, device, time, notes |
| model.json, weights.pt | the network: `trained:FOLDER` loads it |
| history.parquet | iteration, epoch, name, value |
| correct.parquet | image, class, method, seed, correct: one row per test image |
| train.json | accuracy and number of test images; written last: a folder with it is done |

All files are written whole or not at all.
"""

import io
from pathlib import Path
from typing import Any

import torch

from invariscope.errors import InputError
from invariscope.files import undamaged, write_file
from invariscope.training.recipe import Recipe

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replaces the folder's checkpoint by a new one.

    Raises:
        RunError: It cannot be written; the one before is still there.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    kept = "the last checkpoint is kept" if (folder / CHECKPOINT).exists() else ""
    write_file(folder / CHECKPOINT, buffer.getvalue(), kept=kept)


def load_checkpoint(folder: Path, recipe: Recipe) -> dict[str, Any] | None:
    """Loads the folder's checkpoint on the CPU; None without one.

    Raises:
        InputError: It is of another recipe, or it cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    with undamaged(path, "delete it to train from the start"):
        state = torch.load(path, map_location="cpu", weights_only=True)
        check_same_recipe(folder, Recipe.from_dict(state["recipe"]), recipe)
    return state


def check_same_recipe(folder: Path, kept: Recipe, wanted: Recipe) -> None:
    """Refuses to go on with another training's folder.

    Raises:
        InputError: Names the values that differ.
    """
    old, new = kept.as_dict(), wanted.as_dict()
    differ = [
        f"{name} {old[name]!r} there, {new[name]!r} now" for name in new if old[name] != new[name]
    ]
    if differ:
        raise InputError(
            f"{folder} holds another training ({'; '.join(differ)}): give another --output"
        )
