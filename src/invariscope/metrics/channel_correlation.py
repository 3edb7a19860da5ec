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

Standard errors are by the jackknife over images: how much the value changes without each of them,
with the matching channel held fixed.
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
from invariscope.metrics.kinds import EQUIVARIANT, MapMetric, register


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
    """The sums behind `PooledChannels`: adding images makes new sums, `merge` joins two.

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
        """Adds the maps [B, C, H, W] of more images; arguments as for `channel_equivariance`."""
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
        """Adds images whose `covariances` are known already (none: maps of a single position).

        Returns:
            The new sums, and the influences [2, image] of these images on the means over living
            channels of invariance and equivariance: what an image adds to n times the value. 0
            where no channel is alive; NaN for images left out.
        """
        (sums,), influences = add_to_each([self], products, transformed, acted)
        return sums, influences[0]

    def _without_unusable(
        self, products: Sequence[Tensor], transformed: ChannelMaps, acted: ChannelMaps
    ) -> tuple["ChannelCorrelation", Tensor]:
        """Does as `with_products` where some images are not finite."""
        usable = (transformed.squares + acted.squares).isfinite().all(1)
        sums = replace(self, excluded=self.excluded + int((~usable).sum()))
        influences = self.means.new_full((2, len(usable)), torch.nan)
        if bool(usable.any()):
            products = [torch.cat(list(products))[usable]] if products else []
            (sums,), own = _added([sums], products, transformed[usable], acted[usable])
            influences[:, usable] = own[0]
        return sums, influences

    def merge(self, other: "ChannelCorrelation") -> "ChannelCorrelation":
        """Joins these sums with other ones; the order changes nothing but rounding."""
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
        matched = _matched(
            self.means[None],
            self.squares[None],
            self.products[None],
            self.images * self.positions,
        )
        values, pairs = matched.values[0], matched.pairs[0]
        match = torch.where(values[1].isfinite(), pairs[1], -1)
        n = max(self.images, 1)
        scale = n * (n - 1) if n > 1 else torch.nan
        errors = (self.influences / scale).sqrt().masked_fill(values.isnan(), torch.nan)
        return PooledChannels(values[0], values[1], match, errors[0], errors[1], self.images)


def add_to_each(
    sums: Sequence[ChannelCorrelation],
    products: Sequence[Tensor],
    transformed: ChannelMaps,
    acted: ChannelMaps,
    totals: Sequence[Tensor] = (),
) -> tuple[list[ChannelCorrelation], Tensor]:
    """Adds equally many images to each of several sums over the same layer, all at once.

    Args:
        sums: One or more.
        products: `covariances` of the images, in parts [image, channel, channel] if there is one
            sum only; none for maps of a single position.
        transformed: The images of the first sum, then those of the next one.
        acted: What they are compared with.
        totals: The products summed over the images of each sum, [sum, channel, channel] of each
            part, where that is known.

    Returns:
        The new sums, and influences [sum, 2, image], as of `ChannelCorrelation.with_products`.
    """
    finite = (transformed.all_alive and acted.all_alive) or bool(
        (transformed.squares + acted.squares).isfinite().all()
    )
    if finite and len({own.images for own in sums}) == 1:
        return _added(sums, products, transformed, acted, totals)
    if len(sums) == 1:
        added, influences = sums[0]._without_unusable(products, transformed, acted)
        return [added], influences[None]
    count = len(transformed.mean) // len(sums)
    results = []
    for number, own_sums in enumerate(sums):
        some = slice(number * count, (number + 1) * count)
        own = [part[some] for part in products]
        results.append(own_sums.with_products(own, transformed[some], acted[some]))
    return [added for added, _ in results], torch.stack([influences for _, influences in results])


def _added(
    sums: Sequence[ChannelCorrelation],
    products: Sequence[Tensor],
    transformed: ChannelMaps,
    acted: ChannelMaps,
    totals: Sequence[Tensor] = (),
) -> tuple[list[ChannelCorrelation], Tensor]:
    """Does as `add_to_each` for images that are all finite and sums over equally many images.

    Sums of squares and products about a mean move with it (Chan, Golub and LeVeque 1983). With P
    positions, n images before, the new ones i of means μ_i, the old mean μ and the new one μ′,

        Σ (x − μ′)² = old squares + P n (μ − μ′)² + Σ_i [squares within i + P (μ_i − μ′)²]

    and likewise for the products of a channel t of the moved maps with a channel a of the acted
    ones. What stands in brackets is the share of image i, `squares`.

    A correlation is r = S_ta / √(S_tt S_aa). Without image i it is (Quenouille 1956)

        r_i = (S_ta − s_ta) / √((S_tt − s_tt) (S_aa − s_aa))

    s being the image's shares of the sums, where what its means are off by weighs n / (n − 1),
    since the mean of the rest moves away from it. The jackknife's influence is (n − 1) (r − r_i).
    The match of a channel is held fixed.
    """
    several, before = len(sums), sums[0].images
    positions = transformed.positions
    old = _stacked([own.means for own in sums])
    means, within = (
        torch.stack(pair, 1).to(old.dtype).unflatten(0, (several, -1))
        for pair in ((transformed.mean, acted.mean), (transformed.squares, acted.squares))
    )  # [sum, image, side, channel]
    images = before + means.shape[1]
    off = means - old[:, None]
    shift = off.sum(1, keepdim=True) / images  # μ′ − μ: the images before lie 0 off, n of them
    off -= shift  # μ_i − μ′
    squares = within.addcmul_(off, off, value=positions)  # s_tt, s_aa
    # The images before are one more row, √n (μ − μ′) but for the sign, which cancels in products:
    # so one matrix product adds P Σ_i (t_i − t′)(a_i − a′) + P n (t − t′)(a − a′).
    moved = math.sqrt(before) * shift
    both = torch.cat([off, moved], 1).float()
    matrices = torch.baddbmm(
        _stacked([own.products for own in sums]), both[:, :, 0].mT, both[:, :, 1], alpha=positions
    )
    parts = [own.unflatten(0, (several, -1)) for own in products]
    for total in totals or [part.sum(1) for part in parts]:
        matrices += total  # within the images, over positions
    of_means = old + shift[:, 0]
    of_squares = _stacked([own.squares for own in sums]) + squares.sum(1)
    of_squares.addcmul_(moved[:, 0], moved[:, 0], value=positions)
    matched = _matched(of_means, of_squares, matrices, images * positions)
    # Influences [sum, image, form, channel]: with the same channel and with the match.
    rest = max(images - 1, 1)
    left = 1 - squares.addcmul_(off, off, value=positions / rest) / of_squares[:, None]
    cross = positions * images / rest * off[:, :, :1] * _of_pairs(off[:, :, 1], matched.pairs)
    if parts:
        columns = matched.pairs.mT[:, None]
        chosen = [p.gather(3, columns.expand(-1, p.shape[1], -1, -1)).mT for p in parts]
        cross += torch.cat(chosen, 1)  # s_ta: means off by, and what is within the image
    norm = (left[:, :, :1] * _of_pairs(left[:, :, 1], matched.pairs)).clamp_min_(0).sqrt_()
    value = matched.values[:, None]
    # Where nearly all of the variation is one image's, rounding leaves any number.
    without = ((value - cross * matched.scale[:, None]) / norm).clamp_(-1, 1)
    own = (rest * (value - without)).nan_to_num_(0, 0, 0)  # a dead channel has none
    living = matched.values.isfinite().sum(2).clamp_min(1)
    influences = _stacked([old_sums.influences for old_sums in sums]) + own.square().sum(1)
    new = [
        ChannelCorrelation(images, old_sums.excluded, positions, *rest)
        for old_sums, *rest in zip(sums, of_means, of_squares, matrices, influences, strict=True)
    ]
    return new, (own.sum(3) / living[:, None]).mT


@dataclass(frozen=True)
class _Matches:
    """Correlations of each channel with itself and with its match, [sum, 2, channel].

    Args:
        values: The correlations, NaN where dead.
        pairs: The channels: itself and the match.
        scale: What a covariance is multiplied by to be a correlation.
    """

    values: Tensor
    pairs: Tensor
    scale: Tensor


def _matched(means: Tensor, squares: Tensor, products: Tensor, count: int) -> _Matches:
    """Finds the matches of some sums over ``count`` images and positions each."""
    # Σ x² = Σ (x − m)² + count m²: deviations are compared with it, to be told from rounding.
    power = torch.addcmul(squares, means, means, value=count)
    alive = varies(squares, power, torch.float32)
    norm = torch.where(alive, squares.rsqrt(), torch.nan)
    # Which channel matches best does not depend on the norm of the one that looks for it.
    match = _largest(products, norm[:, 1].float(), alive[:, 1])
    itself = torch.arange(match.shape[1], device=match.device).expand_as(match)
    pairs = torch.stack([itself, match], 1)
    scale = norm[:, :1] * norm[:, 1:].expand(-1, 2, -1).gather(2, pairs)
    values = (products.gather(2, pairs.mT).mT * scale).clamp(-1, 1)
    return _Matches(values, pairs, scale)


def _largest(products: Tensor, scale: Tensor, alive: Tensor) -> Tensor:
    """Finds the living column with the largest scaled product of each row, [sum, channel]."""
    if products.device.type == "cpu":
        from invariscope.metrics import fused

        return fused.largest(products, scale, alive)
    scaled = (products * scale[:, None]).masked_fill_(~alive[:, None], -torch.inf)
    return scaled.max(2).indices  # faster than argmax


def _of_pairs(values: Tensor, pairs: Tensor) -> Tensor:
    """Takes values [sum, image, channel] at pairs [sum, 2, channel]: [sum, image, 2, channel]."""
    count = values.shape[1]
    return (
        values[:, :, None].expand(-1, -1, 2, -1).gather(3, pairs[:, None].expand(-1, count, -1, -1))
    )


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """``torch.stack`` without a copy of a single one."""
    return parts[0][None] if len(parts) == 1 else torch.stack(list(parts))


CHANNEL_INVARIANCE_POOLED = register(
    MapMetric(
        name="channel_invariance:pooled",
        label="Channel invariance over the data set",
        paragraph="Does a channel show the same map, moved as the image is? The correlation of"
        " f(T_g x)_c with T_g f(x)_c over all images and positions, mean over living channels. At"
        " layers without positions, over images only.",
        source="paper 002, eq. 4, read over the data set",
        low=-1.0,
        ends=("unrelated", "the same"),
        null="near 0",
        over_data="invariance",
    )
)
CHANNEL_EQUIVARIANCE_POOLED = register(
    replace(
        CHANNEL_INVARIANCE_POOLED,
        name="channel_equivariance:pooled",
        label="Channel equivariance over the data set",
        paragraph="Is there any channel whose moved map it becomes? The largest such correlation"
        " with any channel of the layer. A maximum over many channels is above 0 by chance, the"
        " more so the fewer images and positions there are: read it beside its null.",
        source="paper 002, eq. 7, read over the data set",
        direction=EQUIVARIANT,
        null="above 0",
        over_data="equivariance",
    )
)
