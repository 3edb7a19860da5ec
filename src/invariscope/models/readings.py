"""Lists how a map's cells can lie in a tensor: a probe of the input decides among these.

The cells of a map stand in one or two axes of a layer's output, after each other: row by row,
column by column, window by window (NesT, Swin), or pixel of the window by pixel (grid attention,
MobileViTv2, Hiera's mask units, which nest several such steps). With class tokens before or after
them. A number that counts cells is then written in digits, such as (window row, window column, row
in the window, column in the window), and a reading says which digits make the row and which the
column: `Cells`. `plain_readings` and `other_readings` list those that fit an output and the size of
the picture.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from jaxtyping import Shaped
from torch import Tensor

# More tokens than this before or after the cells are not class or register tokens.
MAX_EXTRA_TOKENS = 8


@dataclass(frozen=True)
class Cells:
    """The positions of a map's cells in a tensor, and their order.

    Args:
        axes: The axes that count them; the image axis is 0. The other axes are channels.
        digits: The sizes of the digits of a cell's number.
        rows: Which digits make its row, the coarsest first.
        columns: Which digits make its column.
        prefix: How many places before the cells are none.
        suffix: How many after them.
    """

    axes: tuple[int, ...]
    digits: tuple[int, ...]
    rows: tuple[int, ...] = (0,)
    columns: tuple[int, ...] = (1,)
    prefix: int = 0
    suffix: int = 0

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the map.

        Example:
            >>> Cells((1,), (2, 3, 7, 7), (0, 2), (1, 3)).grid
            (14, 21)
        """
        height, width = (math.prod(self.digits[d] for d in ds) for ds in (self.rows, self.columns))
        return height, width

    def raster(self, tensor: Shaped[Tensor, "image ..."]) -> Shaped[Tensor, "image channel h w"]:
        """Returns the map: a view if the cells stand in raster order, else a copy.

        Example:
            >>> windows = torch.arange(16).view(1, 4, 4, 1)  # two by two windows of two by two
            >>> Cells((1, 2), (2, 2, 2, 2), (0, 2), (1, 3)).raster(windows)[0, 0].tolist()
            [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
        """
        first, last = min(self.axes), max(self.axes)
        cells = tensor.flatten(first, last)
        count = cells.shape[first]
        cells = cells.narrow(first, self.prefix, count - self.prefix - self.suffix)
        cells = cells.movedim(first, -1)
        cells = cells[:, None] if cells.ndim == 2 else cells.flatten(1, -2)
        cells = cells.unflatten(2, self.digits)
        order = [2 + digit for digit in (*self.rows, *self.columns)]
        return cells.permute(0, 1, *order).reshape(*cells.shape[:2], *self.grid)

    def places(self) -> tuple[Tensor, Tensor]:
        """Returns row and column of each cell, in the tensor's order; [cell], from 0."""
        return _places(self.digits, self.rows, self.columns)

    @property
    def plain(self) -> bool:
        """Says whether the cells stand row by row."""
        return (self.rows, self.columns) == ((0,), (1,))

    def describe(self) -> str:
        """Returns the order of the cells, in words.

        Example:
            >>> Cells((1, 2), (4, 4, 14, 14), (0, 2), (1, 3)).describe()
            'windows of 14×14 unrolled'
        """
        if len(self.digits) == 2:
            return "row by row" if self.plain else "rows and columns exchanged"
        if self.rows[0] == 0:
            height, width = (math.prod(self.digits[d] for d in r[1:]) for r in self._both)
            return f"windows of {height}×{width} unrolled"
        height, width = (math.prod(self.digits[d] for d in r[1:]) for r in self._both)
        return f"units of {height}×{width}, counted from within, unrolled"

    @property
    def _both(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.rows, self.columns


@lru_cache(maxsize=512)
def _places(
    digits: tuple[int, ...], rows: tuple[int, ...], columns: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    axes = []
    for chosen in (rows, columns):
        position = torch.zeros(digits)
        for digit in chosen:
            count = torch.arange(digits[digit], dtype=torch.float32)
            shape = [-1 if axis == digit else 1 for axis in range(len(digits))]
            position = position * digits[digit] + count.view(shape)
        axes.append(position.flatten())
    return axes[0], axes[1]


def axes_of(shape: Sequence[int], first: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yields the axes that may count cells, the likeliest first.

    Args:
        shape: Of an output, the image axis in front.
        first: The axes to begin with.

    Example:
        >>> list(axes_of((9, 32, 7, 7), (2, 3)))
        [(2, 3), (1, 2), (1,), (2,), (3,)]
    """
    pairs = [(axis, axis + 1) for axis in range(len(shape) - 2, 0, -1)]
    single = [(axis,) for axis in range(1, len(shape))]
    yield tuple(first)
    # Of three axes, two are rarely a map without channels.
    others = [*pairs, *single] if len(shape) > 3 else [*single, *pairs]
    yield from (axes for axes in others if axes != tuple(first))


def plain_readings(
    shape: Sequence[int], axes: tuple[int, ...], input_size: tuple[int, int]
) -> list[Cells]:
    """Returns the readings row by row: two axes, or one with tokens before or after a grid."""
    if len(axes) == 2:
        return [Cells(axes, (shape[axes[0]], shape[axes[1]]))]
    tokens = shape[axes[0]]
    extras = [(before, 0) for before in range(MAX_EXTRA_TOKENS + 1)]
    extras += [(0, after) for after in range(1, MAX_EXTRA_TOKENS + 1)]
    return [
        Cells(axes, grid, prefix=before, suffix=after)
        for before, after in extras
        for grid in grids_of(tokens - before - after, input_size)
    ]


def other_readings(
    shape: Sequence[int], axes: tuple[int, ...], input_size: tuple[int, int]
) -> list[Cells]:
    """Returns the readings in another order: exchanged rows and columns, windows, nested units.

    None where no axis is left for the channels: then tokens and channels could be taken for cells.
    """
    if len(axes) == len(shape) - 1:
        return []
    readings = [
        replace(plain, rows=(1,), columns=(0,)) for plain in plain_readings(shape, axes, input_size)
    ]
    if len(axes) == 2:
        outer, inner = shape[axes[0]], shape[axes[1]]
        for size in grids_of(outer * inner, input_size):
            readings += _windows(axes, size, outer, inner)
        return readings
    tokens = shape[axes[0]]
    for before in range(MAX_EXTRA_TOKENS + 1):
        for size in grids_of(tokens - before, input_size):
            readings += [replace(cells, prefix=before) for cells in _nested(axes, size)]
    return readings


def _windows(
    axes: tuple[int, ...], size: tuple[int, int], outer: int, inner: int
) -> Iterator[Cells]:
    """Two axes, of windows and of what is in them or the other way round."""
    height, width = size
    for rows in _divisors(height):
        if outer % rows == 0 and width % (columns := outer // rows) == 0:
            digits = (rows, columns, height // rows, width // columns)
            # Windows of one row, or of one column as high as the picture, are no windows.
            rows_alone, columns_alone = columns == digits[2] == 1, rows == digits[3] == 1
            if 1 < outer and 1 < inner and not rows_alone and not columns_alone:
                yield Cells(axes, digits, (0, 2), (1, 3))
                yield Cells(axes, digits, (2, 0), (3, 1))


def _nested(axes: tuple[int, ...], size: tuple[int, int]) -> Iterator[Cells]:
    """One axis: windows of every size, and halves of halves."""
    height, width = size
    common = math.gcd(height, width)
    for side in _divisors(common):
        if 1 < side and (height, width) != (side, side):
            outer = (height // side, width // side)
            yield Cells(axes, (*outer, side, side), (0, 2), (1, 3))
            yield Cells(axes, (side, side, *outer), (2, 0), (3, 1))
    halvings = 2
    while common % 2**halvings == 0:
        outer, halves = (height >> halvings, width >> halvings), (2, 2) * halvings
        first = tuple(range(0, 2 * halvings + 2, 2))
        digits = tuple(digit + 1 for digit in first)
        yield Cells(axes, (*outer, *halves), first, digits)
        yield Cells(axes, (*halves, *outer), first[::-1], digits[::-1])
        halvings += 1


def grids_of(cells: int, input_size: tuple[int, int]) -> list[tuple[int, int]]:
    """Heights and widths of that many cells, some whole number of pixels each.

    Both sides are the image's divided by one cell size, rounded up or down. Fewer than four cells
    are no grid: no order could be shown.

    Example:
        >>> grids_of(196, (224, 224)), grids_of(18, (100, 60)), grids_of(35, (224, 224))
        ([(14, 14)], [(6, 3)], [])
    """
    grids = []
    for height in _divisors(cells) if cells >= 4 else ():
        width = cells // height
        least = max(side / (n + 1) for side, n in zip(input_size, (height, width), strict=True))
        most = min(
            side / max(n - 1, 0.5) for side, n in zip(input_size, (height, width), strict=True)
        )
        if least < most:
            grids.append((height, width))
    return grids


def _divisors(number: int) -> list[int]:
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return small + [number // d for d in reversed(small) if d * d != number]
