"""What the maps of some images say of one layer, cell and control, a few images at a time.

Values image by image by metric, and the sums over the data set with these images added. Sums are
replaced, never changed, so that a batch which runs out of memory half-way leaves no trace.
"""

import torch
from torch import Tensor

from invariscope.metrics.channel_correlation import ChannelCorrelation
from invariscope.metrics.channel_products import (
    ChannelMaps,
    ChannelScores,
    channel_scores,
    covariances,
    images_per_step,
    permuted_cosine,
)


class Compared:
    """What a batch says of one layer, cell and control, a few images at a time."""

    def __init__(self, sums: ChannelCorrelation | None):
        self.sums = sums
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
        """Compares the maps of more images with the moved maps of theirs.

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
            self._scored.append(torch.stack([scores.invariance, scores.equivariance]))
            for name, values in _by_metric(scores).items():
                self.put(name, values)
            if cosine and permutation is not None and len(permutation):
                cosines = permuted_cosine(products, transformed, acted, permutation)
                self._values["channel_eed"][-1] = -cosines.nanmean(1)
            elif cosine and permutation is not None:
                self._values["channel_eed"][-1] = torch.full_like(
                    scores.invariance[:, 0], torch.nan
                )
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
        self.sums, influences = self.sums.with_products(
            [each for each in waiting if each is not None],  # none of single positions
            ChannelMaps.joined(list(transformed)),
            ChannelMaps.joined(list(acted)),
        )
        self._influences.append(influences)
        self._waiting = []

    def put(self, name: str, values: Tensor) -> None:
        """Adds values [image] of a metric."""
        self._values.setdefault(name, []).append(values)

    @property
    def values(self) -> dict[str, Tensor]:
        """Values [image] by metric."""
        return {name: torch.cat(parts) for name, parts in self._values.items()}

    @property
    def scored(self) -> Tensor | None:
        """Invariance, equivariance [2, image, channel] of each image; None without positions."""
        return torch.cat(self._scored, 1) if self._scored else None

    @property
    def influences(self) -> Tensor | None:
        """Influences [2, image] on the values over the data set; None without sums."""
        return torch.cat(self._influences, 1) if self._influences else None


def _by_metric(scores: ChannelScores) -> dict[str, Tensor]:
    """The means over living channels [image], by metric."""
    values = {
        "channel_invariance": scores.invariance.nanmean(1),
        "channel_equivariance": scores.equivariance.nanmean(1),
        "dead_channels": scores.invariance.isnan().float().mean(1),
    }
    if scores.cosine_invariance is not None and scores.cosine_equivariance is not None:
        values["channel_invariance:cosine"] = scores.cosine_invariance.nanmean(1)
        values["channel_equivariance:cosine"] = scores.cosine_equivariance.nanmean(1)
        values["channel_eed"] = -scores.cosine_invariance.nanmean(1)
    return values
