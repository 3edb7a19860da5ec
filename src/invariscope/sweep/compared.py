"""Compares the maps of some images at one layer and control, for some cells at a time.

It holds each metric's value per image, and the sums over the data set with these images. Sums are
replaced, never changed, so that a batch which runs out of memory half-way leaves no trace.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from invariscope.metrics import MapMetric, MapStep
from invariscope.metrics.channel_correlation import ChannelCorrelation, add_to_each
from invariscope.metrics.channel_products import ChannelMaps, images_per_step


class Compared:
    """The comparisons of a batch at one layer and control, for cells with the same images each.

    The images of all cells are compared at once, cell after cell, or those of a single cell a few
    at a time.

    Attributes:
        cells: The cells' keys.
        sums: Each cell's sums over the data set; None for a layer that is too wide to have any.
        metrics: What is measured of each step.
        complete: Whether no channel has been dead so far.
    """

    def __init__(
        self,
        cells: Sequence[str],
        sums: Sequence[ChannelCorrelation] | None,
        metrics: Sequence[MapMetric],
    ):
        self.cells = cells
        self.sums = sums
        self.metrics = metrics
        self.complete = True
        self._values: dict[str, list[Tensor]] = {}
        self._scored: list[Tensor] = []
        self._influences: list[Tensor] = []
        self._waiting: list[tuple[ChannelMaps, ChannelMaps]] = []
        self._products: list[tuple[Tensor, Tensor]] = []

    def add(self, step: MapStep) -> None:
        """Compares the maps of images with the moved maps of theirs."""
        if step.transformed.positions > 1:
            if self.sums is not None:
                self._products.append((step.products, step.product_sums))
            self._scored.append(step.pearson)
            self.complete &= step.complete
            for metric in self.metrics:
                if metric.evaluate is not None:
                    self._values.setdefault(metric.name, []).append(metric.evaluate(step))
        if self.sums is None:
            return
        self._waiting.append((step.transformed.without_values(), step.acted.without_values()))
        waiting = sum(len(maps.mean) for maps, _ in self._waiting)
        if waiting >= images_per_step(step.transformed.mean.shape[1]):
            self.flush()

    def flush(self) -> None:
        """Adds the waiting images to the sums."""
        if self.sums is None or not self._waiting:
            return
        transformed, acted = map(list, zip(*self._waiting, strict=True))
        self.sums, influences = add_to_each(
            self.sums,
            [products for products, _ in self._products],  # none of single positions
            ChannelMaps.joined(transformed),
            ChannelMaps.joined(acted),
            [totals for _, totals in self._products],
        )
        self._influences.append(influences)
        self._waiting, self._products = [], []

    @property
    def values(self) -> dict[str, Tensor]:
        """The values [cell, image] by metric."""
        return {
            name: torch.cat(parts).unflatten(0, (len(self.cells), -1))
            for name, parts in self._values.items()
        }

    @property
    def scored(self) -> Tensor | None:
        """Invariance, equivariance [2, cell, image, channel]; None without positions."""
        joined = _joined(self._scored, 1)
        return None if joined is None else joined.unflatten(1, (len(self.cells), -1))

    @property
    def influences(self) -> Tensor | None:
        """Influences [cell, 2, image] on the values over the data set; None without sums."""
        return _joined(self._influences, 2)


def _joined(parts: list[Tensor], dimension: int) -> Tensor | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return torch.cat(parts, dimension)
