"""Holds a finished training: its network, accuracy and history; in memory or from a folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from invariscope.errors import InputError
from invariscope.files import read_json, read_parquet, undamaged, write_json, write_parquet
from invariscope.models import Preprocessing, Probe, load_model
from invariscope.models.trained import DESCRIPTION, WEIGHTS, save_trained
from invariscope.sealed import read_sealed, write_sealed
from invariscope.training.checkpoint import CHECKPOINT
from invariscope.training.recipe import Recipe

RECIPE, HISTORY, CORRECT, DONE = "recipe.json", "history.parquet", "correct.parquet", "train.json"
_REMEDY = "delete its folder and train again"


@dataclass(frozen=True)
class TrainedRun:
    """A finished training.

    Args:
        recipe: What was asked for.
        module: The network in eval mode, on the CPU; without Augerino, whose widths are in the
            history and in the facts.
        preprocessing: What its images need.
        class_names: Of its outputs.
        correct: One row per test image, with Augerino where it was trained: ``image``, ``class``,
            ``method`` (the augmentation), ``seed``, ``correct``; `effects.class_effects` takes it.
        history: One row per logged number: ``iteration``, ``epoch``, ``name``, ``value``.
        notes: What was left out, what is worth knowing.
        facts: Versions, device, seconds, images per second.
        folder: Where it is saved, or None.
    """

    recipe: Recipe
    module: nn.Module
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    correct: pd.DataFrame
    history: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def accuracy(self) -> float:
        """Share of the test images that the network is right about, 0 to 1."""
        return float(self.correct["correct"].mean())

    @property
    def probe(self) -> Probe:
        """The network as something to measure."""
        if self.folder is not None:
            return load_model(f"trained:{self.folder}")
        return Probe(self.module, self.preprocessing, f"trained:{self.recipe.key}")

    def values(self, name: str) -> pd.Series:
        """Returns one logged number, by iteration.

        Raises:
            InputError: Nothing of that name was logged.
        """
        rows = self.history[self.history["name"] == name]
        if rows.empty:
            known = ", ".join(sorted(self.history["name"].unique())) or "nothing"
            raise InputError(f"no {name!r} in the history of this training; logged: {known}")
        return rows.set_index("iteration")["value"]

    def save(self, folder: str | Path) -> "TrainedRun":
        """Writes the folder (see `training.checkpoint`) and removes its checkpoint.

        Returns:
            The same run, with the folder.
        """
        folder = Path(folder)
        save_trained(
            folder,
            self.module,
            architecture=self.recipe.architecture,
            num_classes=len(self.class_names),
            class_names=self.class_names,
            preprocessing=self.preprocessing,
            seed=self.recipe.seed,
        )
        head = {
            "recipe": self.recipe.as_dict(),
            "class_names": list(self.class_names),
            "notes": self.notes,
            "facts": dict(self.facts),
        }
        write_json(folder / RECIPE, head, allow_nan=True)
        write_parquet(folder / HISTORY, self.history)
        write_parquet(folder / CORRECT, self.correct)
        done = {"accuracy": self.accuracy, "num_test": len(self.correct)}
        write_sealed(folder / DONE, done, (DESCRIPTION, WEIGHTS, RECIPE, HISTORY, CORRECT))
        (folder / CHECKPOINT).unlink(missing_ok=True)
        return replace(self, folder=folder)


def is_done(folder: str | Path) -> bool:
    """Tells whether the folder holds a finished training."""
    return (Path(folder) / DONE).is_file()


def read_run(folder: str | Path) -> TrainedRun:
    """Reads a finished training from its folder.

    Raises:
        InputError: The folder holds none, or a file of it is not what the training wrote.
    """
    folder = Path(folder)
    if not is_done(folder):
        raise InputError(f"{folder} holds no finished training: it has no {DONE}")
    read_sealed(folder / DONE, _REMEDY)
    head = read_json(folder / RECIPE, _REMEDY)
    correct = read_parquet(folder / CORRECT, _REMEDY).to_pandas()
    history = read_parquet(folder / HISTORY, _REMEDY).to_pandas()
    probe = load_model(f"trained:{folder}")
    assert probe.module is not None
    with undamaged(folder / RECIPE, _REMEDY):
        return TrainedRun(
            recipe=Recipe.from_dict(head["recipe"]),
            module=probe.module,
            preprocessing=probe.preprocessing,
            class_names=tuple(head["class_names"]),
            correct=correct,
            history=history,
            notes=head["notes"],
            facts=head["facts"],
            folder=folder,
        )
