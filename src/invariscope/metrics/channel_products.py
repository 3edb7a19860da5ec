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

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from invariscope.metrics.dead import varies

#: Compared with the same channel, and with the channel that matches best.
Form = Literal["invariance", "equivariance"]
FORMS: tuple[Form, Form] = ("invariance", "equivariance")
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

    @property
    def positioned(self) -> Tensor:
        """The maps as they came, [image, channel, position], without positions masked out."""
        return (self.values + (self.mean - self.offset)[:, None]).mT

    @cached_property
    def power(self) -> Tensor:
        """[image, channel], Σ x²."""
        return self.squares + self.positions * self.mean.square()

    @property
    def points(self) -> Tensor:
        """Says of each channel whether it has a direction: it is finite and not zero."""
        return (self.power > 0) & self.power.isfinite()

    @cached_property
    def all_alive(self) -> bool:
        """Says whether every channel of every image is alive."""
        return bool(self.alive.all())

    def __getitem__(self, images: slice | list[int] | Tensor) -> "ChannelMaps":
        return ChannelMaps(*(part[images] for part in self._parts()))

    def without_values(self) -> "ChannelMaps":
        """Keeps the moments alone, and the number of positions."""
        return replace(self, values=self.values[:, :, :0])

    @staticmethod
    def joined(parts: "list[ChannelMaps]") -> "ChannelMaps":
        """Joins the images of all parts."""
        if len(parts) == 1:
            return parts[0]
        return ChannelMaps(*map(torch.cat, zip(*(part._parts() for part in parts), strict=True)))

    def _parts(self) -> tuple[Tensor, ...]:
        return self.values, self.offset, self.mean, self.squares, self.alive


def channel_maps(
    maps: Tensor, inside: Tensor | None = None, mean: Tensor | None = None
) -> ChannelMaps:
    """Computes the moments of maps [image, channel, height, width].

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
class MapStep:
    """Some images of one layer, as a metric of maps takes them.

    What several metrics are made of, products and similarities, is computed once, when the first
    of them asks for it.

    Args:
        transformed: f(T_g x), of the moved images.
        acted: T_g f(x), the maps of the images, moved.
        still: Gives f(x), the maps of the images as they are; by default `acted`.
        permutation: Where the group takes channels from, in a layer with declared fields; empty
            where that is not known, None where channels stay.

    Example:
        >>> maps = channel_maps(torch.rand(2, 3, 4, 4))
        >>> step = MapStep(maps, maps)
        >>> step.pearson.shape, step.transformed.positioned.shape
        (torch.Size([2, 2, 3]), torch.Size([2, 3, 16]))
    """

    transformed: ChannelMaps
    acted: ChannelMaps
    still: Callable[[], ChannelMaps] | None = None
    permutation: Tensor | None = None

    @property
    def untouched(self) -> ChannelMaps:
        """f(x), the maps of the images as they are."""
        return self.acted if self.still is None else self.still()

    @cached_property
    def products(self) -> Tensor:
        """The `covariances`, [image, channel, channel]."""
        return covariances(self.transformed, self.acted)

    @property
    def complete(self) -> bool:
        """Says whether no channel is dead, so that no correlation is NaN."""
        return self.transformed.all_alive and self.acted.all_alive

    @cached_property
    def pearson(self) -> Tensor:
        """The correlation of each channel with the same one, and with its match, of the acted maps.

        [2, image, channel], NaN where a channel is dead. The match is the living channel with
        which the correlation is largest.
        """
        alive = None if self.complete else (self.transformed.alive, self.acted.alive)
        return _best(self.products, self.transformed.squares, self.acted.squares, alive)

    @cached_property
    def cosine(self) -> Tensor:
        """The same with the cosine."""
        means = (self.transformed.mean[:, :, None], self.acted.mean[:, None, :])
        raw = torch.baddbmm(self.products, *means, alpha=float(self.transformed.positions))
        points = self.transformed.points, self.acted.points
        return _best(raw, self.transformed.power, self.acted.power, points)

    def mean_pearson(self, form: Form) -> Tensor:
        """The mean correlation over living channels, [image]."""
        values = self.pearson[FORMS.index(form)]
        return values.mean(1) if self.complete else values.nanmean(1)

    def mean_cosine(self, form: Form) -> Tensor:
        """The mean cosine over channels that have one, [image]."""
        return self.cosine[FORMS.index(form)].nanmean(1)


def permuted_cosine(step: MapStep) -> Tensor:
    """Cosine of each channel c with the acted channel ``permutation[c]``: [image, channel]."""
    transformed, acted, permutation = step.transformed, step.acted, step.permutation
    assert permutation is not None
    channels = torch.arange(len(permutation), device=acted.mean.device)
    chosen = step.products[:, channels, permutation]
    raw = chosen + transformed.positions * transformed.mean * acted.mean[:, permutation]
    points = transformed.points & acted.points[:, permutation]
    return _similar(raw, transformed.power, acted.power[:, permutation], points)


def _best(
    products: Tensor, own: Tensor, theirs: Tensor, alive: tuple[Tensor, Tensor] | None
) -> Tensor:
    """Finds similarities [2, image, channel]: with the same channel, and the largest with any.

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
    similarities = (torch.stack([same, scaled.amax(2)]) * own.rsqrt()).clamp_(-1, 1)
    if alive is None:
        return similarities
    return similarities.masked_fill_(~(alive[0] & alive[1].any(1, keepdim=True)), torch.nan)


def _similar(products: Tensor, own: Tensor, theirs: Tensor, alive: Tensor) -> Tensor:
    values = (products * own.rsqrt() * theirs.rsqrt()).clamp(-1, 1)
    return torch.where(alive, values, torch.nan)


def images_per_step(channels: int) -> int:
    """Computes how many images' products [channel, channel] are held at a time; at least one."""
    return max(1, STEP // (channels * channels))


def one_where(counted: Tensor) -> Tensor:
    """1 for each image of which some channel counts [image, channel], NaN for the others."""
    return torch.where(counted.any(1), 1.0, torch.nan)
