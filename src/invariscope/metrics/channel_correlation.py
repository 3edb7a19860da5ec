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

import math
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
    products: Tensor
    influences: Tensor

    @classmethod
    def empty(cls, channels: int, device: torch.device | str = "cpu") -> "ChannelCorrelation":
        """Sums over no image."""
        wide = torch.float32 if torch.device(device).type == "mps" else torch.float64
        pairs = torch.zeros(2, channels, dtype=wide, device=device)
        square = torch.zeros(channels, channels, device=device)
        return cls(0, 0, 1, pairs, pairs, square, pairs)  # never changed in place

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
        count = len(transformed.mean)
        if transformed.all_alive and acted.all_alive:  # and so all are finite
            return self._with(products, transformed, acted)
        usable = (transformed.squares + acted.squares).isfinite().all(1)
        if bool(usable.all()):
            return self._with(products, transformed, acted)
        sums = replace(self, excluded=self.excluded + count - int(usable.sum()))
        influences = self.means.new_full((2, count), torch.nan)
        if bool(usable.any()):
            products = [torch.cat(list(products))[usable]] if products else []
            sums, found = sums._with(products, transformed[usable], acted[usable])
            influences[:, usable] = found
        return sums, influences

    def _with(
        self, products: Sequence[Tensor], transformed: ChannelMaps, acted: ChannelMaps
    ) -> tuple["ChannelCorrelation", Tensor]:
        """With images that are all finite, one or more: the new sums, and their influences."""
        count, positions = len(transformed.mean), transformed.positions
        images = self.images + count
        means = torch.stack([transformed.mean, acted.mean]).to(self.means.dtype)
        within = torch.stack([transformed.squares, acted.squares]).to(self.means.dtype)
        off = means - self.means[:, None]
        shift = off.sum(1, keepdim=True) / images
        off -= shift  # from the new means, as the sums below
        squares = within.addcmul_(off, off, value=positions)
        moved = math.sqrt(self.images) * shift  # what the images before count for
        both = torch.cat([off, moved], 1).float()
        matrix = torch.addmm(self.products, both[0].T, both[1], alpha=positions)
        for each in products:
            matrix += each.sum(0)
        sums = ChannelCorrelation(
            images,
            self.excluded,
            positions,
            self.means + shift[:, 0],
            torch.addcmul(self.squares, moved[:, 0], moved[:, 0], value=positions).add_(
                squares.sum(1)
            ),
            matrix,
            self.influences,
        )
        return sums._influenced(products, off, squares)

    def _influenced(
        self, products: Sequence[Tensor], off: Tensor, squares: Tensor
    ) -> tuple["ChannelCorrelation", Tensor]:
        """With the influences of images that are in the sums already, and their means [2, image].

        Args:
            products: Their covariances; none for maps of a single position.
            off: [2, image, channel], their means less those over all images.
            squares: [2, image, channel], their squares about the latter.
        """
        values, pairs, scale = self._matched()
        shares = squares / self.squares[:, None]
        # [image, form, channel]: with the same channel and with the match
        cross = self.positions * off[0][:, None] * off[1][:, pairs]
        if products:
            chosen = [each.gather(2, pairs.T.expand(len(each), -1, -1)) for each in products]
            cross += torch.cat(chosen).mT
        each = cross * scale - values / 2 * (shares[0][:, None] + shares[1][:, pairs])
        each = (self.images * each).nan_to_num_(0)  # a dead channel has none
        living = values.isfinite().sum(1).clamp_min(1)
        found = replace(self, influences=self.influences + each.square().sum(0))
        return found, each.sum(2).T / living[:, None]

    def merge(self, other: "ChannelCorrelation") -> "ChannelCorrelation":
        """With what other sums are over; the order changes nothing but rounding."""
        images = self.images + other.images
        if self.images == 0 or other.images == 0:
            most = self if other.images == 0 else other
            return replace(most, excluded=self.excluded + other.excluded)
        moved = other.means - self.means
        weight = other.positions * self.images * other.images / images
        products = torch.addr(other.products, *moved.float(), alpha=weight)
        return ChannelCorrelation(
            images,
            self.excluded + other.excluded,
            other.positions,
            self.means + moved * (other.images / images),
            self.squares + other.squares + weight * moved.square(),
            products.add_(self.products),
            self.influences + other.influences,
        )

    def compute(self) -> PooledChannels:
        """The values over all images that were added."""
        values, pairs, _ = self._matched()
        match = torch.where(values[1].isfinite(), pairs[1], -1)
        n = max(self.images, 1)
        scale = n * (n - 1) if n > 1 else torch.nan
        errors = (self.influences / scale).sqrt().masked_fill(values.isnan(), torch.nan)
        return PooledChannels(values[0], values[1], match, errors[0], errors[1], self.images)

    def _matched(self) -> tuple[Tensor, Tensor, Tensor]:
        """The correlations of each channel with itself and with its match.

        Returns:
            [2, channel] each: values, NaN where dead; which channels these are, itself and the
            match; and what a covariance is multiplied by to be a correlation.
        """
        count = self.images * self.positions
        power = torch.addcmul(self.squares, self.means, self.means, value=count)
        alive = varies(self.squares, power, torch.float32)
        norm = torch.where(alive, self.squares.rsqrt(), torch.nan)
        scaled = self.products * norm[1].float()
        if not bool(alive.all()):
            scaled.masked_fill_(~alive[1], -torch.inf)
        match = scaled.max(1).indices  # faster than argmax
        pairs = torch.stack([torch.arange(len(match), device=match.device), match])
        scale = norm[0] * norm[1][pairs]
        values = (self.products.gather(1, pairs.T).T * scale).clamp(-1, 1)
        return values, pairs, scale
