"""Channel equivariance: is each channel's answer to the moved image found in any channel, moved?

    equivariance_c = max over c′ of S(f(T_g x)_c, acted_c′),   acted = T_g f(x)

with S the Pearson correlation or the cosine of two maps (`channel_similarity`). 1: under g, channel
c becomes channel c′ exactly (c′ = c: it is invariant). Range [−1, 1]; higher is more equivariant,
and never below the invariance of the same channel. `channel_match` says which channel c′ is.

The maximum is biased upwards: among many unrelated channels one is similar by chance, the more
so the smaller the maps. So 0 means nothing here; read it beside the same number for shuffled
images.

Degenerate: a dead channel of ``transformed`` (constant for pearson, zero for cosine, not finite) is
NaN, dead channels of ``acted`` never win, and if none is alive the whole image is NaN.
Source: paper 002, eq. 7. No code was published, and dead channels are not mentioned.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from invariscope.metrics.arguments import rank, same_shape
from invariscope.metrics.channel_products import one_where
from invariscope.metrics.channel_similarity import (
    Channels,
    check_similarity,
    similarity_of,
    steps,
)
from invariscope.metrics.kinds import EQUIVARIANT, MapMetric, register
from invariscope.metrics.memory import at_a_time


class ChannelMatch(NamedTuple):
    """The channels that best match, per image and channel.

    Args:
        values: [B, C], their similarity; NaN where there is none.
        indices: [B, C], the matching channel of ``acted``; −1 where there is none.
    """

    values: Float[Tensor, "image channel"]
    indices: Int64[Tensor, "image channel"]


def channel_equivariance(
    acted: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    similarity: str = "pearson",
) -> Float[Tensor, "image channel"]:
    """Equivariance of each channel on each image (paper 002, eq. 7).

    Args:
        acted: [B, C, H, W], T_g f(x): the maps of the images, transformed as the images were.
        transformed: [B, C, H, W], f(T_g x): the maps of the transformed images.
        similarity: "pearson" or "cosine".

    Returns:
        [B, C] in [−1, 1], of the maps' dtype; NaN where the channel or all of ``acted`` is dead.

    Raises:
        InputError: Shapes that do not fit, an unknown similarity.

    Example:
        >>> import torch
        >>> maps = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> channel_equivariance(maps, maps.roll(1, dims=1)).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """
    return channel_match(acted, transformed, similarity=similarity).values


def channel_match(
    acted: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    similarity: str = "pearson",
) -> ChannelMatch:
    """Finds for each channel of f(T_g x) the channel of T_g f(x) that is most similar to it.

    Ties: a channel that matches itself as well as any other matches itself.

    Args:
        acted: [B, C, H, W], T_g f(x): the maps of the images, transformed as the images were.
        transformed: [B, C, H, W], f(T_g x): the maps of the transformed images.
        similarity: "pearson" or "cosine".

    Returns:
        Values [B, C], those of `channel_equivariance`, and indices [B, C].

    Raises:
        InputError: Shapes that do not fit, an unknown similarity.

    Example:
        >>> import torch
        >>> maps = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> channel_match(maps, maps.roll(1, dims=1)).indices.tolist()
        [[3, 0, 1, 2]]
    """
    check_similarity(similarity)
    rank("B C H W", acted=acted, transformed=transformed)
    same_shape(acted=acted, transformed=transformed)
    matches = [_matched(moved, own) for own, moved in steps(acted, transformed, similarity)]
    if not matches:
        empty = transformed.new_empty(acted.shape[:2])
        return ChannelMatch(empty, empty.long())
    values, indices = (torch.cat(parts) for parts in zip(*matches, strict=True))
    return ChannelMatch(values.to(transformed.dtype), indices)


def _matched(transformed: Channels, acted: Channels) -> tuple[Tensor, Tensor]:
    """Computes values and indices [B, C] of some images.

    The products only choose; the value is computed anew from the chosen pair, by the same sum as
    the invariance. So an exact copy scores exactly 1, and equivariance is never below invariance.
    """
    own = similarity_of(transformed, acted)
    indices = _most_similar(transformed, acted)
    values = similarity_of(transformed, acted.taken(indices))
    itself = own >= values
    values = torch.where(itself, own, values)
    indices = torch.where(itself, torch.arange(own.shape[1], device=own.device), indices)
    return values, torch.where(values.isnan(), -1, indices)


def _most_similar(transformed: Channels, acted: Channels) -> Tensor:
    """The living channel of ``acted`` with the largest product, [B, C], some channels at a time."""
    images, channels, _ = transformed.vectors.shape
    directions = acted.directions().mT
    chosen = []
    for some in transformed.vectors.split(at_a_time(images * channels), dim=1):
        products = (some @ directions).masked_fill_(~acted.alive[:, None, :], -torch.inf)
        chosen.append(products.max(-1).indices)
    return torch.cat(chosen, dim=1)


CHANNEL_EQUIVARIANCE = register(
    MapMetric(
        name="channel_equivariance",
        label="Channel equivariance",
        paragraph="The largest correlation of each channel of the moved image’s map with any"
        " channel of the moved map, sought anew in every image; the mean over living channels,"
        " then over images. A maximum over channels is above 0 by chance, most so where there are"
        " few positions: “by chance” is the same maximum with another image’s maps.",
        source="paper 002, eq. 7",
        direction=EQUIVARIANT,
        low=-1.0,
        ends=("unrelated", "the same"),
        brings=("channel_equivariance:pooled", "dead_channels"),
        heat_map="beside",
        null="above 0",
        evaluate=lambda step: step.mean_pearson("equivariance"),
        identity=lambda maps: one_where(maps.alive),
    )
)
CHANNEL_EQUIVARIANCE_COSINE = register(
    replace(
        CHANNEL_EQUIVARIANCE,
        name="channel_equivariance:cosine",
        label="Channel equivariance (cosine)",
        paragraph="Channel equivariance with the cosine in place of the correlation.",
        brings=(),
        evaluate=lambda step: step.mean_cosine("equivariance"),
        identity=lambda maps: one_where(maps.points),
    )
)
