"""Channel invariance and equivariance over a data set: one correlation over images and positions.

    r_cc′ = correlation of f(T_g x)_c(p) with (T_g f(x))_c′(p) over all images x and positions p

- invariance of channel c: r_cc; equivariance: max over c′ of r_cc′. Range [−1, 1]; 1: the channel
  (or some one channel) answers every moved image with its own answer, moved.

A maximum taken image by image (`channel_equivariance`) is biased upwards, since each image may
choose another channel c′, one that is alike by chance. Here one channel has to match on all images.
What bias is left shows in the same number for shuffled images. The two forms differ also where
channels have no positions: on vectors (1 × 1 maps, after pooling) a correlation exists only over
images. And the mean response of an image counts here: a channel that answers some images strongly
and others weakly, wherever they are, is invariant to that extent.

Degenerate: a channel that is constant over the whole data set in either form is dead: NaN. Images
with activations that are not finite are left out and counted.

Standard errors are by the infinitesimal jackknife over images (Efron 1982): how much each image
moves the value, to first order, with the matching channel held fixed.
Source: paper 002, eq. 4 and 7, which correlates image by image; reading over the data set is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import rank, same_shape
from invariscope.metrics.channel_products import (
    ChannelMaps,
    channel_maps,
    covariances,
    images_per_step,
)
from invariscope.metrics.dead import varies


@dataclass(frozen=True)
class PooledChannels:
    """Channel measures over a data set, [channel]; NaN where a channel is dead.

    Args:
        invariance: Correlation with the same channel.
        equivariance: The largest correlation with any living channel.
        match: Which channel that is; −1 for dead channels.
        invariance_error: Standard error over images.
        equivariance_error: Standard error over images, the matching channel held fixed.
        images: How many images count.
    """

    invariance: Float[Tensor, " channel"]
    equivariance: Float[Tensor, " channel"]
    match: Int64[Tensor, " channel"]
    invariance_error: Float[Tensor, " channel"]
    equivariance_error: Float[Tensor, " channel"]
    images: int


@dataclass(frozen=True)
class ChannelCorrelation:
    """The sums behind `PooledChannels`: what is added makes a new one, `merge` joins two.

    Memory is one matrix [channel, channel] in float32, however many images.

    Args:
        images: How many images count.
        excluded: How many were left out since they are not finite.
        positions: Positions of a map.
        means: [2, channel] in float64, of the transformed images' maps and of the acted maps.
        squares: [2, channel] in float64, sums of squared deviations from these means.
        power: [2, channel] in float64, sums of squares.
        products: [channel, channel] in float32, sums of products of deviations.
        influences: [2, channel] in float64, sums of squared influences of images on each value.

    Example:
        >>> maps = torch.randn(6, 4, 5, 5, generator=torch.Generator().manual_seed(0))
        >>> sums = ChannelCorrelation.empty(4)
        >>> for some in maps.split(2):
        ...     sums = sums.add(some, some.roll(1, dims=1))
        >>> sums.compute().match.tolist()
        [3, 0, 1, 2]
    """

    images: int
    excluded: int
    positions: int
    means: Tensor
    squares: Tensor
    power: Tensor
    products: Tensor
    influences: Tensor

    @classmethod
    def empty(cls, channels: int, device: torch.device | str = "cpu") -> "ChannelCorrelation":
        """Sums over no image."""
        wide = torch.float32 if torch.device(device).type == "mps" else torch.float64
        pairs = torch.zeros(2, channels, dtype=wide, device=device)
        square = torch.zeros(channels, channels, device=device)
        return cls(0, 0, 1, pairs, pairs, pairs, square, pairs)  # never changed in place

    def add(
        self, acted: Float[Tensor, "..."], transformed: Float[Tensor, "..."]
    ) -> "ChannelCorrelation":
        """With the maps [B, C, H, W] of more images; arguments as for `channel_equivariance`."""
        rank("B C H W", acted=acted, transformed=transformed)
        same_shape(acted=acted, transformed=transformed)
        if acted.shape[1] != self.products.shape[0]:
            raise InputError(
                f"acted has {acted.shape[1]} channels, but these sums are over "
                f"{self.products.shape[0]}"
            )
        sums = self
        for some in torch.arange(len(acted)).split(images_per_step(acted.shape[1])):
            maps, own = channel_maps(transformed[some]), channel_maps(acted[some])
            sums = sums.with_products([covariances(maps, own)], maps, own)[0]
        return sums

    def with_products(
        self, products: Sequence[Tensor], transformed: ChannelMaps, acted: ChannelMaps
    ) -> tuple["ChannelCorrelation", Tensor]:
        """With images whose `covariances` are known already (none: maps of a single position).

        Returns:
            The new sums, and the influences [2, image] of these images on the means over living
            channels of invariance and equivariance: what an image adds to n times the value. 0
            where no channel is alive; NaN for images left out.
        """
        usable = (transformed.power + acted.power).isfinite().all(1)
        count = len(usable)
        if not bool(usable.all()):
            products = [torch.cat(list(products))[usable]] if products else []
            transformed, acted = transformed[usable], acted[usable]
        merged = self.merge(_sums_of(products, transformed, acted, self.means.dtype))
        merged = replace(merged, excluded=self.excluded + count - len(transformed.mean))
        influences = self.means.new_full((2, count), torch.nan)
        if len(transformed.mean) == 0:
            return merged, influences
        each = merged._influences(products, transformed, acted)
        influences[:, usable] = each.nanmean(2).nan_to_num(0)
        return replace(merged, influences=merged.influences + each.square().nansum(1)), influences

    def merge(self, other: "ChannelCorrelation") -> "ChannelCorrelation":
        """With what other sums are over; the order changes nothing but rounding."""
        images = self.images + other.images
        if self.images == 0 or other.images == 0:
            most = self if other.images == 0 else other
            return replace(
                most,
                excluded=self.excluded + other.excluded,
                influences=self.influences + other.influences,
            )
        moved = other.means - self.means
        weight = other.positions * self.images * other.images / images
        products = torch.addr(other.products, *moved.float(), alpha=weight)
        return ChannelCorrelation(
            images,
            self.excluded + other.excluded,
            other.positions,
            self.means + moved * (other.images / images),
            self.squares + other.squares + weight * moved.square(),
            self.power + other.power,
            products.add_(self.products),
            self.influences + other.influences,
        )

    def compute(self) -> PooledChannels:
        """The values over all images that were added."""
        invariance, equivariance, match = self._correlations()
        n = max(self.images, 1)
        scale = n * (n - 1) if n > 1 else torch.nan
        errors = (self.influences / scale).sqrt()
        dead = invariance.isnan(), equivariance.isnan()
        return PooledChannels(
            invariance,
            equivariance,
            match,
            errors[0].masked_fill(dead[0], torch.nan),
            errors[1].masked_fill(dead[1], torch.nan),
            self.images,
        )

    def _alive(self) -> Tensor:
        return varies(self.squares, self.power, torch.float32)

    def _correlations(self) -> tuple[Tensor, Tensor, Tensor]:
        alive = self._alive()
        scale = self.squares.rsqrt()
        own = self.products.diagonal().to(scale.dtype) * scale[0] * scale[1]
        same = torch.where(alive[0] & alive[1], own.clamp(-1, 1), torch.nan)
        scaled = self.products * scale[1].float()
        if not bool(alive[1].all()):
            scaled.masked_fill_(~alive[1][None, :], -torch.inf)
        match = scaled.argmax(1)
        chosen = self.products.gather(1, match[:, None])[:, 0].to(scale.dtype)
        largest = (chosen * scale[0] * scale[1][match]).clamp(-1, 1)
        known = alive[0] & bool(alive[1].any())
        return same, torch.where(known, largest, torch.nan), torch.where(known, match, -1)

    def _influences(
        self, products: Sequence[Tensor], transformed: ChannelMaps, acted: ChannelMaps
    ) -> Tensor:
        """[2, image, channel]: of each image on the two correlations of each channel."""
        same, largest, match = self._correlations()
        match = match.clamp_min(0)
        values = torch.stack([same, largest])[:, None]
        spread, their_spread = (self.squares / self.images)[:, None]
        off, own = self._deviations(transformed, 0)
        their_off, theirs = self._deviations(acted, 1)
        both = torch.stack([their_off, their_off[:, match]])
        cross = self.positions * off * both
        if products:
            pairs = [
                torch.stack([each.diagonal(dim1=1, dim2=2), _chosen(each, match)])
                for each in products
            ]
            cross += torch.cat(pairs, 1)
        shares = torch.stack([theirs / their_spread, (theirs / their_spread)[:, match]])
        scale = torch.stack([their_spread, their_spread[:, match]]) * spread
        return cross / scale.sqrt() - values / 2 * (own / spread + shares)

    def _deviations(self, maps: ChannelMaps, side: int) -> tuple[Tensor, Tensor]:
        """[image, channel]: each image's mean less that over all; its squares about the latter."""
        off = maps.mean.to(self.means.dtype) - self.means[side]
        return off, maps.squares.to(off.dtype) + self.positions * off.square()


def _chosen(products: Tensor, match: Tensor) -> Tensor:
    """[image, channel], of each channel the product with its match."""
    where = match[:, None].expand(len(products), -1, 1)
    return products.gather(2, where)[:, :, 0]


def _sums_of(
    products: Sequence[Tensor], transformed: ChannelMaps, acted: ChannelMaps, dtype: torch.dtype
) -> ChannelCorrelation:
    """The sums over some images alone."""
    n, channels = transformed.mean.shape
    device = transformed.mean.device
    if n == 0:
        return ChannelCorrelation.empty(channels, device)
    both = (transformed, acted)
    means = torch.stack([maps.mean.to(dtype) for maps in both])
    centre = means.mean(1)
    off = means - centre[:, None]
    positions = transformed.positions
    within = torch.stack([maps.squares.to(dtype).sum(0) for maps in both])
    within_images = sum((each.sum(0) for each in products), torch.zeros((), device=device))
    # Products of the images' means, added to those within images.
    sums = torch.addmm(
        within_images.expand(channels, channels), off[0].float().T, off[1].float(), alpha=positions
    )
    return ChannelCorrelation(
        n,
        0,
        positions,
        centre,
        within + positions * off.square().sum(1),
        torch.stack([maps.power.to(dtype).sum(0) for maps in both]),
        sums,
        torch.zeros(2, channels, dtype=dtype, device=device),
    )
