"""Channel maps as a sweep compares them: raw products and moments, without standardised copies.

Every channel measure is made of the same few sums over positions p: of values, of squares, and of
the products t_c(p)·a_c′(p) of each channel of the transformed image's maps with each channel of
the acted maps. With t̄, ā their means,

    covariance_cc′ = Σ (t_c − t̄_c)(a_c′ − ā_c′) = Σ t_c a_c′ − P t̄_c ā_c′

one batched matrix product an image. Arithmetic is float32, in which models compute. Where a mean is
so large against the variation that the difference would lose digits (mean² above 100 variances),
the maps are centred first; this is also how a constant channel, which is dead, is told from one
that varies little. Below it a correlation is off by about 5e-7·(1 + mean²/variance) at most. The
functions on tensors, such as `channel_equivariance`, compute in float64; tests hold the two
together.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from invariscope.metrics.dead import varies

#: Where mean² exceeds so many variances, float32 sums of raw squares have lost too many digits.
CENTRE_ABOVE = 100.0
#: Numbers in the products of a step: 32 MB in float32, so that 2048 channels take 2 images a step.
STEP = 2**23


@dataclass(frozen=True)
class ChannelMaps:
    """The maps of some images with their moments over positions.

    Args:
        values: [image, position, channel], float32, perhaps centred.
        offset: [image, channel], the mean of ``values``; next to 0 where they are centred.
        mean: [image, channel], the mean of the maps.
        squares: [image, channel], Σ (x − mean)².
        alive: [image, channel], whether the channel varies, so that it has a correlation.
    """

    values: Tensor
    offset: Tensor
    mean: Tensor
    squares: Tensor
    alive: Tensor

    @property
    def positions(self) -> int:
        """The number of positions."""
        return self.values.shape[1]

    @cached_property
    def power(self) -> Tensor:
        """[image, channel], Σ x²."""
        return self.squares + self.positions * self.mean.square()

    @property
    def points(self) -> Tensor:
        """[image, channel], whether the channel has a direction: it is finite and not zero."""
        return (self.power > 0) & self.power.isfinite()

    @cached_property
    def all_alive(self) -> bool:
        """Whether every channel of every image is."""
        return bool(self.alive.all())

    def __getitem__(self, images: slice | list[int] | Tensor) -> "ChannelMaps":
        return ChannelMaps(*(part[images] for part in self._parts()))

    def without_values(self) -> "ChannelMaps":
        """The moments alone; the number of positions stays."""
        return replace(self, values=self.values[:, :, :0])

    @staticmethod
    def joined(parts: "list[ChannelMaps]") -> "ChannelMaps":
        """The images of all parts."""
        if len(parts) == 1:
            return parts[0]
        return ChannelMaps(*map(torch.cat, zip(*(part._parts() for part in parts), strict=True)))

    def _parts(self) -> tuple[Tensor, ...]:
        return self.values, self.offset, self.mean, self.squares, self.alive


def channel_maps(
    maps: Tensor, inside: Tensor | None = None, mean: Tensor | None = None
) -> ChannelMaps:
    """Maps [image, channel, height, width] with their moments.

    Args:
        maps: Of any floating type; channels-last maps are read without a copy.
        inside: bool [height, width]: the positions that count; all by default.
        mean: [image, channel], the mean over all positions, if it is known already.
    """
    values = maps.float().permute(0, 2, 3, 1).flatten(1, 2)
    if inside is not None and not bool(inside.all()):
        values, mean = values[:, inside.to(values.device).flatten()], None
    positions = values.shape[1]
    mean = values.mean(1) if mean is None else mean
    power = (values * values).sum(1)
    squares = power.addcmul(mean, mean, value=-positions)
    offset = mean
    # positions · mean² > CENTRE_ABOVE · squares
    if bool((power > (1 + CENTRE_ABOVE) * squares).any()):
        values = values - mean[:, None]
        squares = (values * values).sum(1)
        offset = values.mean(1)  # what rounding has left; it meets means that are not centred
    return ChannelMaps(values, offset, mean, squares, varies(squares, power, torch.float32))


def covariances(transformed: ChannelMaps, acted: ChannelMaps) -> Tensor:
    """Σ (t_c − t̄_c)(a_c′ − ā_c′) over positions: [image, channel, channel]."""
    products = torch.bmm(transformed.values.transpose(1, 2), acted.values)
    outer = (transformed.offset[:, :, None], acted.offset[:, None, :])
    return products.baddbmm_(*outer, alpha=-float(transformed.positions))


def paired_correlation(transformed: ChannelMaps, acted: ChannelMaps) -> Tensor:
    """The correlation of each channel with the same channel: [image, channel], NaN where dead."""
    products = (transformed.values * acted.values).sum(1)
    products = products - transformed.positions * transformed.offset * acted.offset
    return _similar(products, transformed.squares, acted.squares, transformed.alive & acted.alive)


@dataclass(frozen=True)
class ChannelScores:
    """What channel measures say of some images, NaN where a channel is dead.

    Args:
        pearson: [2, image, channel], the correlation with the same channel of the acted maps, and
            the largest one with any of its living channels.
        cosine: The same for the cosine; None unless asked for.
        complete: Whether no channel is dead, so that no correlation is NaN.
    """

    pearson: Tensor
    cosine: Tensor | None
    complete: bool


def channel_scores(
    products: Tensor,
    transformed: ChannelMaps,
    acted: ChannelMaps,
    *,
    cosine: bool = False,
) -> ChannelScores:
    """The channel measures of some images from their covariances [image, channel, channel]."""
    complete = transformed.all_alive and acted.all_alive
    alive = None if complete else (transformed.alive, acted.alive)
    pearson = _best(products, transformed.squares, acted.squares, alive)
    if not cosine:
        return ChannelScores(pearson, None, complete)
    means = (transformed.mean[:, :, None], acted.mean[:, None, :])
    raw = torch.baddbmm(products, *means, alpha=float(transformed.positions))
    points = transformed.points, acted.points
    return ChannelScores(pearson, _best(raw, transformed.power, acted.power, points), complete)


def permuted_cosine(
    products: Tensor, transformed: ChannelMaps, acted: ChannelMaps, permutation: Tensor
) -> Tensor:
    """Cosine of each channel c with the acted channel ``permutation[c]``: [image, channel]."""
    channels = torch.arange(len(permutation), device=products.device)
    chosen = products[:, channels, permutation]
    raw = chosen + transformed.positions * transformed.mean * acted.mean[:, permutation]
    points = transformed.points & acted.points[:, permutation]
    return _similar(raw, transformed.power, acted.power[:, permutation], points)


def _best(
    products: Tensor, own: Tensor, theirs: Tensor, alive: tuple[Tensor, Tensor] | None
) -> Tensor:
    """[2, image, channel]: similarity with the same channel, and the largest with any living one.

    Args:
        products: [image, channel, channel].
        own: [image, channel], squared norms.
        theirs: Those of the other side.
        alive: Which channels of both are; None: all.
    """
    scaled = products * theirs.rsqrt()[:, None, :]
    same = scaled.diagonal(dim1=1, dim2=2)
    if alive is not None:
        same = torch.where(alive[1], same, torch.nan)
        scaled.masked_fill_(~alive[1][:, None, :], -torch.inf)
    found = (torch.stack([same, scaled.amax(2)]) * own.rsqrt()).clamp_(-1, 1)
    if alive is None:
        return found
    return found.masked_fill_(~(alive[0] & alive[1].any(1, keepdim=True)), torch.nan)


def _similar(products: Tensor, own: Tensor, theirs: Tensor, alive: Tensor) -> Tensor:
    values = (products * own.rsqrt() * theirs.rsqrt()).clamp(-1, 1)
    return torch.where(alive, values, torch.nan)


def images_per_step(channels: int) -> int:
    """How many images' products [channel, channel] are held at a time; at least one."""
    return max(1, STEP // (channels * channels))
