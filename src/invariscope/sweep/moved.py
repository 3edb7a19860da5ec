"""Moves the images of a block, under one cell or several that share a forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from invariscope.cache import Shown
from invariscope.sweep.plan import Cell


@dataclass(frozen=True)
class Moved:
    """Images under some cells, moved once they are wanted.

    Args:
        shown: The images of the block.
        pixels: Those of a part, float [image, band, height, width].
        ids: Their ids.
        cells: The cells.
    """

    shown: Shown
    pixels: Tensor
    ids: Sequence[str]
    cells: Sequence[Cell]

    @cached_property
    def each(self) -> list[Tensor]:
        """The images under each cell."""
        return [cell(self.pixels, self.shown.seed, self.ids) for cell in self.cells]

    @cached_property
    def batch(self) -> Tensor:
        """All of them, cell by cell."""
        return self.each[0] if len(self.cells) == 1 else torch.cat(self.each)

    def of(self, positions: Sequence[int]) -> "Moved":
        """Those under some of the cells, by their positions; what is moved already is shared."""
        if len(positions) == len(self.cells):
            return self
        fewer = replace(self, cells=[self.cells[position] for position in positions])
        if "each" in vars(self):
            vars(fewer)["each"] = [self.each[position] for position in positions]
        return fewer

    def let_go(self) -> None:
        """Forgets the moved images; they are made again where they are wanted."""
        vars(self).pop("each", None)
        vars(self).pop("batch", None)
