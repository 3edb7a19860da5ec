"""Runs as the view shows them: each with a letter, and the levels that they have in common."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from invariscope.report.leaderboard.overlays import Mark, marks
from invariscope.report.run.levels import level_names, levels_of
from invariscope.report.run.page import command_of
from invariscope.report.run.readings import Readings
from invariscope.results import Result
from invariscope.results.answers import no_answers

#: As many have marks that are told apart without a second look.
MOST = 8
_FLIPS = ["image", "transformation", "level"]


class ShownRun:
    """A run that was chosen.

    Args:
        key: By what requests name it.
        name: What its folder is called, from the folder of all runs.
        letter: What it is called beside others.
        result: What it measured.
    """

    def __init__(self, key: str, name: str, letter: str, result: Result):
        self.key, self.name, self.letter, self.result = key, name, letter, result
        self.readings = Readings(result)
        self._kept: dict[str, Any] = {}

    def called(self, letter: str) -> "ShownRun":
        """The same run with another letter; what was computed is kept."""
        other = copy.copy(self)
        other.letter = letter
        return other

    @property
    def model(self) -> str:
        """The model's spec."""
        return str(self.readings.settings.get("model", "the model"))

    @property
    def data(self) -> str:
        """The data's spec."""
        return str(self.readings.settings.get("data", ""))

    @property
    def command(self) -> str:
        """What makes the run and its figures again, as its report says it."""
        return command_of(self.readings)

    @property
    def has_answers(self) -> bool:
        """Says whether the run holds what a classifier answered."""
        return not no_answers(self.result)

    @property
    def flips(self) -> pd.DataFrame:
        """The first flip of each image under each transformation; empty without answers."""
        if "flips" not in self._kept:
            none = pd.DataFrame(columns=_FLIPS)
            self._kept["flips"] = self.result.flips() if self.has_answers else none
        return self._kept["flips"]


def lettered(runs: Sequence[ShownRun]) -> dict[str, Mark]:
    """The mark of each run, by its key."""
    return marks({run.key: run.letter for run in runs})


@dataclass(frozen=True)
class Step:
    """A stop of the slider.

    Attributes:
        label: What it is called, such as "±15°".
        distance: How far its magnitude is from that of level 0.
        levels: The level of each run that has it, by the run's key.
    """

    label: str
    distance: float
    levels: Mapping[str, int]


def steps_of(runs: Sequence[ShownRun], name: str) -> list[Step]:
    """The levels of a transformation; those of several runs are one where magnitudes are equal.

    A single run's come in its own order, those of several by their distance from the identity.
    """
    found: list[tuple[float, float, str, dict[str, int]]] = []
    for run in runs:
        levels, labels = levels_of(run.readings, name), level_names(run.readings, name)
        start = next((magnitude for level, magnitude, _ in levels if level == 0), 0.0)
        for level, magnitude, _ in levels:
            same = next((own for own in found if np.isclose(own[0], magnitude)), None)
            if same is None or run.key in same[3]:
                distance = abs(magnitude - start)
                found.append((magnitude, distance, labels[level], {run.key: level}))
            else:
                same[3][run.key] = level
    if len(runs) > 1:
        found.sort(key=lambda own: (own[1], own[0]))
    return [Step(label, distance, levels) for _, distance, label, levels in found]
