"""What the maps of some images say of one layer and control, for some cells at a time.

Values image by image by metric, and the sums over the data set with these images added. Sums are
replaced, never changed, so that a batch which runs out of memory half-way leaves no trace.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from invariscope.metrics.channel_correlation import ChannelCorrelation, add_to_each
from invariscope.metrics.channel_products import (
    ChannelMaps,
    channel_scores,
    covariances,
    images_per_step,
    permuted_cosine,
)


class Compared:
    """What a batch says of one layer and control, for some cells with the same images each.

    The images of all cells are compared at once, cell after cell, or those of a single cell a few
    at a time.

    Attributes:
        cells: The cells' keys.
        sums: The sums over the data set of each; None for a layer that is too wide to have any.
        complete: Whether no channel has been dead so far.
    """

    def __init__(self, cells: Sequence[str], sums: Sequence[ChannelCorrelation] | None):
        self.cells = cells
        self.sums = sums
        self.complete = True
        self._values: dict[str, list[Tensor]] = {}
        self._scored: list[Tensor] = []
        self._influences: list[Tensor] = []
        self._waiting: list[tuple[Tensor | None, ChannelMaps, ChannelMaps]] = []

    def add(
        self,
        transformed: ChannelMaps,
        acted: ChannelMaps,
        *,
        cosine: bool,
        permutation: Tensor | None = None,
    ) -> None:
        """Compares the maps of images with the moved maps of theirs.

        Args:
            transformed: Of the moved images.
            acted: Of the images, moved.
            cosine: Whether cosines are wanted beside correlations.
            permutation: Where the group takes channels from, for channelwise G-EED; empty: not
                known, so that there is none.
        """
        products = None
        if transformed.positions > 1:
            products = covariances(transformed, acted)
            scores = channel_scores(products, transformed, acted, cosine=cosine)
            self._scored.append(scores.pearson)
            self.complete &= scores.complete
            if scores.cosine is not None:
                self.put("channel_invariance:cosine", scores.cosine[0].nanmean(1))
                self.put("channel_equivariance:cosine", scores.cosine[1].nanmean(1))
                kept = scores.cosine[0]
                if permutation is not None and len(permutation):
                    kept = permuted_cosine(products, transformed, acted, permutation)
                elif permutation is not None:
                    kept = torch.full_like(kept, torch.nan)
                self.put("channel_eed", -kept.nanmean(1))
        if self.sums is None:
            return
        self._waiting.append((products, transformed.without_values(), acted.without_values()))
        waiting = sum(len(maps.mean) for _, maps, _ in self._waiting)
        if waiting >= images_per_step(transformed.mean.shape[1]):
            self.flush()

    def flush(self) -> None:
        """Brings the sums up to date."""
        if self.sums is None or not self._waiting:
            return
        waiting, transformed, acted = zip(*self._waiting, strict=True)
        self.sums, influences = add_to_each(
            self.sums,
            [each for each in waiting if each is not None],  # none of single positions
            ChannelMaps.joined(list(transformed)),
            ChannelMaps.joined(list(acted)),
        )
        self._influences.append(influences)
        self._waiting = []

    def put(self, name: str, values: Tensor) -> None:
        """Adds values [image] of a metric, of as many images as were compared."""
        self._values.setdefault(name, []).append(values)

    @property
    def values(self) -> dict[str, Tensor]:
        """Values [cell, image] by metric: means over the channels that are alive."""
        found = {
            name: torch.cat(parts).unflatten(0, (len(self.cells), -1))
            for name, parts in self._values.items()
        }
        scored = self.scored
        if scored is not None:
            means = scored.mean(3) if self.complete else scored.nanmean(3)
            found["channel_invariance"], found["channel_equivariance"] = means
            found["dead_channels"] = scored[0].isnan().float().mean(2)
        return found

    @property
    def scored(self) -> Tensor | None:
        """Invariance, equivariance [2, cell, image, channel]; None without positions."""
        found = _joined(self._scored, 1)
        return None if found is None else found.unflatten(1, (len(self.cells), -1))

    @property
    def influences(self) -> Tensor | None:
        """Influences [cell, 2, image] on the values over the data set; None without sums."""
        return _joined(self._influences, 2)


def _joined(parts: list[Tensor], dimension: int) -> Tensor | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return torch.cat(parts, dimension)
