"""Represents a motion of a grid as a sparse matrix: each moved cell is a weighted sum of cells.

All layers of one size, all channels and all images share the motion, so coordinates, weights and
borders are worked out once, in float64, and moving a map is one product of that matrix with the
[cell, channel] matrix of the map. Cells from outside the frame have no taps and become 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from invariscope.transformations.geometry import Resampling, fold, inverse

#: Coordinates this near to a cell hit it.
_HIT = 1e-9


@dataclass(frozen=True)
class Taps:
    """The taps of one motion on a grid, moved cell after moved cell.

    Args:
        cells: int32 [tap], the cells that are read.
        weights: float64 [tap].
        starts: int32 [cell], where the taps of each moved cell begin.
    """

    cells: np.ndarray
    weights: np.ndarray
    starts: np.ndarray


def taps_of(forward: np.ndarray, height: int, width: int, resampling: Resampling) -> Taps:
    """Returns the taps of a forward matrix [2, 3], in cells from the centre of the grid.

    Example:
        >>> right = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])  # by half a cell
        >>> taps = taps_of(right, 1, 2, Resampling())
        >>> taps.cells.tolist(), taps.weights.tolist(), taps.starts.tolist()
        ([0, 0, 1], [0.5, 0.5, 0.5], [0, 1])
    """
    back = inverse(forward[None])[0]
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float64)
    x, y = x - (width - 1) / 2, y - (height - 1) / 2
    columns, along_x = _axis(back[0, 0] * x + back[0, 1] * y + back[0, 2], width, resampling)
    rows, along_y = _axis(back[1, 0] * x + back[1, 1] * y + back[1, 2], height, resampling)
    cells = rows[:, :, None] * width + columns[:, None, :]
    weights = along_y[:, :, None] * along_x[:, None, :]
    cells, weights = cells.reshape(len(x), -1), weights.reshape(len(x), -1)
    reads = weights != 0
    starts = np.cumsum(reads.sum(1)) - reads.sum(1)
    return Taps(cells[reads].astype(np.int32), weights[reads], starts.astype(np.int32))


def _axis(source: np.ndarray, size: int, how: Resampling) -> tuple[np.ndarray, np.ndarray]:
    """Along one axis: the cells read [cell, tap] and their weights, 0 outside the frame."""
    source = source + (size - 1) / 2
    hit = np.round(source)
    source = np.where(np.abs(source - hit) < _HIT, hit, source)
    if how.interpolation == "nearest":
        first, weights = np.rint(source), np.ones((len(source), 1))
    else:
        below = np.floor(source)
        part = (source - below)[:, None]
        if how.interpolation == "bilinear":
            first, weights = below, np.concatenate([1 - part, part], 1)
        else:
            first, weights = below - 1, _cubic(np.abs(part - np.arange(-1.0, 3.0)))
    index = first.astype(np.int64)[:, None] + np.arange(weights.shape[1])
    folded, inside = fold(index, size, how.border)
    return folded, np.where(inside, weights, 0.0)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' kernel with a = −0.75, that of ``grid_sample``."""
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


class Moves:
    """The motions of some images as one sparse matrix over all their cells.

    Args:
        taps: The distinct motions.
        motions: Of each image, which of ``taps``.
        sources: Of each image, which map is moved.
        grid: Height and width of the maps.
        maps: Those that are moved; only their dtype and device count.
    """

    def __init__(
        self,
        taps: Sequence[Taps],
        motions: Sequence[int],
        sources: Sequence[int],
        grid: tuple[int, int],
        maps: Tensor,
    ):
        self.motions, self.sources = np.array(motions), np.array(sources)
        self._taps, self._grid = list(taps), grid
        self._device, self._dtype = maps.device, maps.dtype

    @cached_property
    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The distinct motions' taps, one after the other.

        The cells that are read [tap], their weights in float32 [tap], and where the taps of each
        moved cell begin [motion, cell + 1].
        """
        ends = np.cumsum([0, *(len(moved.cells) for moved in self._taps)])
        starts = [
            np.append(moved.starts, len(moved.cells)) + end
            for moved, end in zip(self._taps, ends, strict=False)
        ]
        cells = np.concatenate([moved.cells for moved in self._taps])
        weights = np.concatenate([moved.weights for moved in self._taps])
        return cells, weights.astype(np.float32), np.stack(starts)

    @cached_property
    def _bags(self) -> tuple[Tensor, Tensor, list[np.ndarray], list[int]]:
        """The taps of each image, one image after the other: cells, weights, starts, ends."""
        chosen = [self._taps[motion] for motion in self.motions]
        ends = np.cumsum([0, *(len(moved.cells) for moved in chosen)]).tolist()
        first = self.sources * (self._grid[0] * self._grid[1])
        cells = [moved.cells + source for moved, source in zip(chosen, first, strict=True)]
        weights = torch.from_numpy(np.concatenate([moved.weights for moved in chosen]))
        weights = weights.to(self._dtype).to(self._device)
        return _joined(cells, self._device), weights, [moved.starts for moved in chosen], ends

    def __call__(
        self, maps: Float[Tensor, "image channel height width"], first: int, last: int
    ) -> Float[Tensor, "moved channel height width"]:
        """Returns the moved maps from the first up to the last, which is left out."""
        cells, weights, starts, ends = self._bags
        begin, end = ends[first], ends[last]
        table = maps.permute(0, 2, 3, 1).flatten(0, 2)
        moved = functional.embedding_bag(
            cells[begin:end],
            table,
            _joined([starts[k] + (ends[k] - begin) for k in range(first, last)], maps.device),
            mode="sum",
            per_sample_weights=weights[begin:end],
        )
        return moved.unflatten(0, (last - first, *self._grid)).permute(0, 3, 1, 2)


def _joined(arrays: Sequence[np.ndarray], device: torch.device) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays).astype(np.int32, copy=False)).to(device)
