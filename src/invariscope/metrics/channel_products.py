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
#: Numbers in the products of a step: 16 MB in float32, so that 2048 channels take one image a step.
STEP = 2**22


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


def moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Computes mean and power, Σ x², of maps [image, channel, height, width] over positions.

    Channels-last maps are read once, without a copy.
    """
    values = _by_position(maps)
    if values.device.type == "cpu":
        from invariscope.metrics import fused

        return fused.moments(values)
    return values.mean(1), (values * values).sum(1)


def channel_maps(
    maps: Tensor, inside: Tensor | None = None, known: tuple[Tensor, Tensor] | None = None
) -> ChannelMaps:
    """Takes maps [image, channel, height, width] with their moments.

    Args:
        maps: Of any floating type; channels-last maps are read without a copy.
        inside: bool [height, width]: the positions that count; all by default.
        known: The `moments` over all positions, if they are known already.
    """
    values = _by_position(maps)
    if inside is not None and not bool(inside.all()):
        values, known = values[:, inside.to(values.device).flatten()], None
        maps = values.mT[..., None]
    positions = values.shape[1]
    mean, power = known or moments(maps)
    squares = power.addcmul(mean, mean, value=-positions)
    offset = mean
    # positions · mean² > CENTRE_ABOVE · squares
    if bool((power > (1 + CENTRE_ABOVE) * squares).any()):
        values = values - mean[:, None]
        offset = values.mean(1)  # what rounding has left; it meets means that are not centred
        squares = (values * values).sum(1).addcmul_(offset, offset, value=-positions)
    return ChannelMaps(values, offset, mean, squares, varies(squares, power, torch.float32))


def _by_position(maps: Tensor) -> Tensor:
    """Views maps as [image, position, channel] in float32."""
    return maps.float().permute(0, 2, 3, 1).flatten(1, 2)


def covariances(transformed: ChannelMaps, acted: ChannelMaps) -> Tensor:
    """Σ (t_c − t̄_c)(a_c′ − ā_c′) over positions: [image, channel, channel]."""
    products = _raw_products(transformed, acted)
    outer = (transformed.offset[:, :, None], acted.offset[:, None, :])
    return products.baddbmm_(*outer, alpha=-float(transformed.positions))


def _raw_products(transformed: ChannelMaps, acted: ChannelMaps) -> Tensor:
    return torch.bmm(transformed.values.mT, acted.values)


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
        cells: Of how many cells the images are, equally many of each, cell after cell.

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
    cells: int = 1

    @property
    def untouched(self) -> ChannelMaps:
        """f(x), the maps of the images as they are."""
        return self.acted if self.still is None else self.still()

    @cached_property
    def _compared(self) -> tuple[Tensor, Tensor, Tensor]:
        """The products, their sums over the images of each cell, and the similarities."""
        own, acted = self.transformed, self.acted
        alive = None if self.complete else (own.alive, acted.alive)
        compare = in_one_pass if own.mean.device.type == "cpu" else in_plain_torch
        products, sums, same, best = compare(own, acted, self.cells)
        return products, sums, _similarities(same, best, own.squares, alive)

    @property
    def products(self) -> Tensor:
        """The `covariances`, [image, channel, channel]."""
        return self._compared[0]

    @property
    def product_sums(self) -> Tensor:
        """The products, summed over the images of each cell: [cell, channel, channel]."""
        return self._compared[1]

    @property
    def complete(self) -> bool:
        """Says whether no channel is dead, so that no correlation is NaN."""
        return self.transformed.all_alive and self.acted.all_alive

    @property
    def pearson(self) -> Tensor:
        """The correlation of each channel with the same one, and with its match, of the acted maps.

        [2, image, channel], NaN where a channel is dead. The match is the living channel with
        which the correlation is largest.
        """
        return self._compared[2]

    @cached_property
    def cosine(self) -> Tensor:
        """The same with the cosine."""
        means = (self.transformed.mean[:, :, None], self.acted.mean[:, None, :])
        raw = torch.baddbmm(self.products, *means, alpha=float(self.transformed.positions))
        points = self.transformed.points, self.acted.points
        same, best = _best(raw, self.acted.power, points[1], into=raw)
        return _similarities(same, best, self.transformed.power, points)

    def mean_pearson(self, form: Form) -> Tensor:
        """The mean correlation over living channels, [image]."""
        values = self.pearson[FORMS.index(form)]
        return values.mean(1) if self.complete else values.nanmean(1)

    def mean_cosine(self, form: Form) -> Tensor:
        """The mean cosine over channels that have one, [image]."""
        return self.cosine[FORMS.index(form)].nanmean(1)


Compared = tuple[Tensor, Tensor, Tensor, Tensor]
"""Products [image, channel, channel], their sums over the images of each cell, and as parts of a
correlation, to be scaled by the channel's own norm: with itself, and the largest, [image, channel].
"""


def in_one_pass(own: ChannelMaps, acted: ChannelMaps, cells: int) -> Compared:
    """Compares maps on the CPU."""
    from invariscope.metrics import fused

    products = _raw_products(own, acted)
    outer, count = (own.positions * own.offset, acted.offset), len(products) // cells
    same, best, sums = fused.matches(products, outer, acted.squares.rsqrt(), acted.alive, count)
    return products, sums, same, best


def in_plain_torch(own: ChannelMaps, acted: ChannelMaps, cells: int) -> Compared:
    """Does the same on any device."""
    products = covariances(own, acted)
    sums = products.unflatten(0, (cells, -1)).sum(1)
    return products, sums, *_best(products, acted.squares, acted.alive)


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
    products: Tensor, theirs: Tensor, alive: Tensor, into: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Finds scaled products [image, channel]: with the same channel, and the largest with a living.

    Args:
        products: [image, channel, channel].
        theirs: [image, channel], squared norms of the other side.
        alive: Which of its channels are.
        into: Where the scaled ones may be written; products that nobody wants any more.
    """
    scaled = torch.mul(products, theirs.rsqrt()[:, None, :], out=into)
    same = scaled.diagonal(dim1=1, dim2=2).clone()
    scaled.masked_fill_(~alive[:, None, :], -torch.inf)
    return same, scaled.amax(2)


def _similarities(
    same: Tensor, best: Tensor, own: Tensor, alive: tuple[Tensor, Tensor] | None
) -> Tensor:
    """Scales by the channel's own norm: [2, image, channel], NaN where dead; None: none is."""
    similarities = (torch.stack([same, best]) * own.rsqrt()).clamp_(-1, 1)
    if alive is not None:
        similarities[0].masked_fill_(~(alive[0] & alive[1]), torch.nan)
        similarities[1].masked_fill_(~(alive[0] & alive[1].any(1, keepdim=True)), torch.nan)
    return similarities


def _similar(products: Tensor, own: Tensor, theirs: Tensor, alive: Tensor) -> Tensor:
    values = (products * own.rsqrt() * theirs.rsqrt()).clamp(-1, 1)
    return torch.where(alive, values, torch.nan)


def images_per_step(channels: int) -> int:
    """Computes how many images' products [channel, channel] are held at a time; at least one."""
    return max(1, STEP // (channels * channels))


def one_where(counted: Tensor) -> Tensor:
    """1 for each image of which some channel counts [image, channel], NaN for the others."""
    return torch.where(counted.any(1), 1.0, torch.nan)
