"""Arranges the rows of a class as squares: every image against every image and level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invariscope.search.closing import Distances, Gains
from invariscope.search.families import UNCHANGED, Axis
from invariscope.search.rows import ELSEWHERE, OWN, STEP, ClassRows, Pairs

_BETWEEN = (0.25, 0.5, 0.75)
_NEVER = -2.0  # a gain that no level is chosen for: the embedding is not defined


@dataclass(frozen=True)
class Square:
    """The similarities of a class.

    Attributes:
        before: [anchor, moved] of the class and of other classes.
        change: The same for every computed operation [operation, anchor, moved].
        step: cos(f(S(x)), f(T(x))) [operation, moved], T being the operation, S its neighbour.
    """

    before: tuple[np.ndarray, np.ndarray]
    change: tuple[np.ndarray, np.ndarray]
    step: np.ndarray

    @property
    def distances(self) -> Distances:
        """The distances before anything is done."""
        own, elsewhere = (np.maximum(1 - before, 0).astype(np.float32) for before in self.before)
        return Distances(own, elsewhere)

    def gains(self, axis: Axis) -> Gains:
        """The gains of the levels of an axis."""
        columns = [level.column for level in axis.levels]
        own, elsewhere = (
            np.nan_to_num(change[columns], nan=_NEVER).astype(np.float32) for change in self.change
        )
        return Gains(own, elsewhere)

    def finer(self, axis: Axis) -> Gains:
        """The gains of its levels and of three points between neighbours, evenly on the chord."""
        made = self.gains(axis)
        steps = [level for level in axis.levels if level.neighbour is not None]
        for level in steps:
            made = made.joined(Gains(*(self._points(level, side) for side in (0, 1))))
        return made

    def _points(self, level, side: int) -> np.ndarray:
        before, change = self.before[side], self.change[side]
        far = change[level.column]
        near = np.zeros_like(far) if level.neighbour == UNCHANGED else change[level.neighbour]
        cosine = self.step[level.column][None]
        points = []
        for t in _BETWEEN:
            length = np.sqrt(np.maximum((1 - t) ** 2 + t**2 + 2 * t * (1 - t) * cosine, 1e-12))
            points.append((before + (1 - t) * near + t * far) / length - before)
        return np.nan_to_num(np.stack(points), nan=_NEVER).astype(np.float32)

    def lost(self, axis: Axis, family: str) -> tuple[int, int]:
        """Counts the images whose nearest image is of the class, and those that lose it.

        Of the levels of the family the mildest counts: the one that loses the fewest.
        """
        own, elsewhere = (np.nan_to_num(before, nan=-np.inf) for before in self.before)
        own = np.where(np.eye(len(own), dtype=bool), -np.inf, own)
        at_home = own.max(0) > elsewhere.max(0)
        columns = [level.column for level in axis.levels if level.family == family]
        fewest = int(at_home.sum())
        for column in columns:
            moved = (own + self.change[0][column]).max(0)
            away = (elsewhere + self.change[1][column]).max(0)
            fewest = min(fewest, int((at_home & ~(moved > away)).sum()))
        return fewest, int(at_home.sum())


def square(rows: ClassRows) -> Square | None:
    """Arranges the rows of a class; None where it has no row of its own or none of others.

    Of a large class only some images meet each other, see `prepare.MEETING`; the others are moved
    for the pairs of eq. 2 and have no place in a square.
    """
    steps, own, elsewhere = (rows.of_role(role) for role in (STEP, OWN, ELSEWHERE))
    if not len(own.before) or not len(elsewhere.before):
        return None
    meeting = set(own.first)
    moved = [
        image
        for image, defined in zip(steps.second, np.isfinite(steps.before), strict=True)
        if defined and image in meeting
    ]
    strangers = list(dict.fromkeys(elsewhere.first))
    sides = (_filled(own, moved, moved), _filled(elsewhere, strangers, moved))
    known = np.isfinite(sides[1][0]).any(1)
    row = {image: place for place, image in enumerate(steps.second)}
    return Square(
        (_diagonal(sides[0][0]), sides[1][0][known]),
        (_diagonal(sides[0][1]), sides[1][1][:, known]),
        steps.change[[row[image] for image in moved]].T,
    )


def _filled(
    pairs: Pairs, anchors: Sequence[str], moved: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Fills [anchor, moved] and [operation, anchor, moved]; NaN where there is no row."""
    place = {image: number for number, image in enumerate(anchors)}
    other = {image: number for number, image in enumerate(moved)}
    kept = [
        (place[a], other[b], number)
        for number, (a, b) in enumerate(zip(pairs.first, pairs.second, strict=True))
        if a in place and b in other
    ]
    row, column, number = np.array(kept, dtype=np.int64).reshape(-1, 3).T
    before = np.full((len(anchors), len(moved)), np.nan)
    change = np.full((pairs.change.shape[1], len(anchors), len(moved)), np.nan)
    before[row, column] = pairs.before[number]
    change[:, row, column] = pairs.change[number].T
    return before, change


def _diagonal(square: np.ndarray) -> np.ndarray:
    """Puts 0 where an image meets itself; such pairs count nowhere."""
    places = np.arange(square.shape[-1])
    square[..., places, places] = 0.0
    return square
