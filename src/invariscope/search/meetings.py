"""Compares the moved images of a block with their anchors, one operation after the other."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from invariscope.metrics.distances import all_pairs, between
from invariscope.search.families import UNCHANGED, Axis
from invariscope.search.rows import DRAWN, ELSEWHERE, OWN, STEP, Pairs


class Anchors:
    """Images that others are compared with.

    Args:
        positions: Their positions in the source.
        ids: Their ids.
        vectors: Their embeddings [image, feature], of unit length.
    """

    def __init__(self, positions: Sequence[int], ids: Sequence[str], vectors: Tensor):
        self.positions = np.array(positions, dtype=np.int64)
        self.ids = list(ids)
        self.vectors = vectors


class Meetings:
    """The similarities of moved images to their anchors, before and after each operation.

    Args:
        moved: The moved images as they are.
        drawn: Anchors of the pairs of eq. 2.
        pairs: int64 [pair, 3]: number in the draw, places among ``drawn`` and ``moved``.
        own: Images of the class that every moved image meets.
        elsewhere: Images of other classes that it meets.
        axes: The families; a level of none of them meets in the pairs of eq. 2 only.
        operations: How many operations are computed.
    """

    def __init__(
        self, moved: Anchors, drawn: Anchors, pairs: np.ndarray, own: Anchors, elsewhere: Anchors,
        axes: Sequence[Axis], operations: int,
    ):  # fmt: skip
        self._moved, self._drawn, self._pairs = moved, drawn, pairs
        self._sides = {OWN: own, ELSEWHERE: elsewhere}
        self._axis_of = {level.column: axis for axis in axes for level in axis.levels}
        self._waiting: dict[int, Tensor] = {}
        count = len(moved.ids)
        self._before = {role: self._met(side, moved.vectors) for role, side in self._sides.items()}
        self._before[DRAWN] = self._paired(moved.vectors)
        self._change = {
            role: np.full((operations, *before.shape), np.nan, np.float32)
            for role, before in self._before.items()
        }
        self._step = np.full((operations, count), np.nan, np.float32)

    def after(self, column: int, vectors: Tensor) -> None:
        """Takes the embeddings of the moved images after an operation, by its column."""
        self._change[DRAWN][column] = self._paired(vectors) - self._before[DRAWN]
        axis = self._axis_of.get(column)
        if axis is None:
            return
        for role, side in self._sides.items():
            self._change[role][column] = self._met(side, vectors) - self._before[role]
        # Neighbours come in any order; their embeddings wait for the last level of the axis.
        self._waiting[column] = vectors
        columns = [level.column for level in axis.levels]
        if all(level in self._waiting for level in columns):
            for level in axis.levels:
                if level.neighbour is not None:
                    self._step[level.column] = self._similarity(level.column, level.neighbour)
            for level in columns:
                del self._waiting[level]

    def rows(self) -> list[Pairs]:
        """The rows of the block."""
        plain = between(self._moved.vectors, self._moved.vectors, "cosine")
        steps = Pairs(
            STEP, self._moved.ids, self._moved.ids, 1 - plain.double().cpu().numpy(), self._step.T
        )
        number, first, second = self._pairs.T
        drawn = Pairs(
            DRAWN, [self._drawn.ids[k] for k in first.tolist()],
            [self._moved.ids[k] for k in second.tolist()], self._before[DRAWN],
            self._change[DRAWN].T, number,
        )  # fmt: skip
        return [drawn, self._everyone(OWN), self._everyone(ELSEWHERE), steps]

    def _everyone(self, role: int) -> Pairs:
        """Every anchor with every moved image but itself."""
        side = self._sides[role]
        first, second = np.nonzero(side.positions[:, None] != self._moved.positions[None])
        return Pairs(
            role, [side.ids[k] for k in first.tolist()],
            [self._moved.ids[k] for k in second.tolist()], self._before[role][first, second],
            self._change[role][:, first, second].T,
        )  # fmt: skip

    def _met(self, side: Anchors, vectors: Tensor) -> np.ndarray:
        return (1 - all_pairs(side.vectors, vectors, "cosine")).double().cpu().numpy()

    def _paired(self, vectors: Tensor) -> np.ndarray:
        _, first, second = torch.from_numpy(self._pairs.T).to(vectors.device)
        similarity = 1 - between(self._drawn.vectors[first], vectors[second], "cosine")
        return similarity.double().cpu().numpy()

    def _similarity(self, column: int, neighbour: int) -> np.ndarray:
        near = self._moved.vectors if neighbour == UNCHANGED else self._waiting[neighbour]
        return (1 - between(near, self._waiting[column], "cosine")).double().cpu().numpy()
