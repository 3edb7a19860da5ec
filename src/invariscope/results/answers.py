"""Reads from the rows what the model answered to each image at each level.

Rows of the control "answer" at the logits hold, per image and cell, the index of the predicted
class (`PREDICTED`), its softmax probability (`SCORE`) and that of the class that was predicted for
the image as it is (`KEPT`). They are a record and no measurement: summaries and averages pass over
them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from invariscope.errors import InputError
from invariscope.results.cells import cell_in
from invariscope.results.estimated import IDENTITY
from invariscope.results.measured import Measured
from invariscope.results.row_table import ANSWER

PREDICTED, SCORE, KEPT = "predicted_class", "predicted_score", "kept_score"
_LOGITS = "logits"
_WANTED = [(name, ANSWER) for name in (PREDICTED, SCORE, KEPT)]


@dataclass(frozen=True)
class Level:
    """A level above 0 of a transformation, and its column in the answers.

    Attributes:
        level: Its number.
        magnitude: Its magnitude, in the unit.
        unit: The unit.
        distance: How far the magnitude is from that of level 0.
        column: The column.
    """

    level: int
    magnitude: float
    unit: str
    distance: float
    column: int


@dataclass(frozen=True)
class Answers:
    """What a model answered.

    Attributes:
        images: Ids in the run's order.
        labels: int [image]: class index in the data, -1 where there is none.
        identity: The column of the images as they are.
        levels: The levels of each transformation, from the nearest to the identity on; those that
            leave the image as it is are not there.
        predicted: int32 [image, cell]: index of the predicted class; -1: there is no answer.
        scores: float32 [image, cell]: its softmax probability, or NaN.
        kept: float32 [image, cell]: that of the class predicted for the image as it is, or NaN.
    """

    images: tuple[str, ...]
    labels: np.ndarray
    identity: int
    levels: Mapping[str, tuple[Level, ...]]
    predicted: np.ndarray
    scores: np.ndarray
    kept: np.ndarray

    def flipped(self, columns: Sequence[int]) -> np.ndarray:
        """Says whether the answer is another one: float [image, cell], NaN where one is missing."""
        before, after = self.predicted[:, [self.identity]], self.predicted[:, list(columns)]
        known = (before >= 0) & (after >= 0)
        return np.where(known, (before != after).astype(float), np.nan)


def no_answers(result: Measured) -> str:
    """Says in one line why a run has no answers to compare; "" where it has.

    Example:
        >>> import torch, invariscope
        >>> result = invariscope.measure(
        ...     lambda x: x.mean((2, 3)), torch.rand(4, 3, 8, 8), task="embedding",
        ...     transformations="rotate=90")
        >>> no_answers(result)
        'the model is no classifier of one class per image, so no answer can flip'
    """
    said = result.manifest["settings"].get("answers")
    if said:
        there = set(_WANTED) <= set(result.store.series(_LOGITS))
        return "" if there else "the run measured derivatives alone, which need no answers"
    if said is None:
        return "the run was measured before answers were recorded: measure again to see flips"
    return "the model is no classifier of one class per image, so no answer can flip"


def answers_of(result: Measured) -> Answers:
    """Reads the answers of a run.

    Raises:
        InputError: The run has none.
    """
    reason = no_answers(result)
    if reason:
        raise InputError(f"no answers: {reason}")
    series = {one.metric: one for one in result.store.dense(_LOGITS, only=_WANTED)}
    cells = series[PREDICTED].cells
    order = {name: [one.cells.index(cell) for cell in cells] for name, one in series.items()}
    values = {name: one.values[:, order[name]] for name, one in series.items()}
    predicted = np.nan_to_num(values[PREDICTED], nan=-1).astype(np.int32)
    return Answers(
        result.store.images, result.store.labels, cells.index(IDENTITY),
        _levels(result.manifest["settings"]["cells"], cells), predicted, values[SCORE],
        values[KEPT],
    )  # fmt: skip


def _levels(
    entries: Sequence[Mapping[str, Any]], cells: Sequence[str]
) -> dict[str, tuple[Level, ...]]:
    column = {cell: number for number, cell in enumerate(cells)}
    start = {e["transformation"]: e["magnitude"] for e in entries if e["level"] == 0}
    found: dict[str, list[Level]] = {}
    for entry in entries:
        cell = cell_in(entry, column)
        if cell is None or cell == IDENTITY:
            continue
        name, magnitude = entry["transformation"], float(entry["magnitude"])
        distance = abs(magnitude - start.get(name, 0.0))
        level = Level(entry["level"], magnitude, str(entry["unit"]), distance, column[cell])
        found.setdefault(name, []).append(level)
    return {
        name: tuple(sorted(own, key=lambda level: (level.distance, level.level)))
        for name, own in found.items()
    }


def output_name(manifest: Mapping[str, Any], index: int) -> str:
    """Names an output of the model: its class where that is known, else its number."""
    names = manifest.get("outputs")
    return str(names[index]) if names and 0 <= index < len(names) else str(index)


def label_name(manifest: Mapping[str, Any], index: int) -> str | None:
    """Names a class of the data; None for an image without a label."""
    names = manifest.get("classes")
    if index < 0:
        return None
    return str(names[index]) if names and index < len(names) else str(index)
