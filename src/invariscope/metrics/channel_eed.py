"""Channelwise G-EED: how far are the maps of the transformed image from the transformed maps?

    eed = −mean over c of cos(f(gx)_c, (g f(x))_c)

each channel taken as a vector of H·W values. −1: equivariant, up to a positive scale per channel.
0: unrelated. 1: every map became its negative. Range [−1, 1]; **lower is more equivariant**. The
mean over the elements of a group and over images is taken by the caller.

Degenerate: channels that are zero or not finite in either map have no cosine and are left out of
the mean (their number is that of the NaN of ``channel_invariance(…, similarity="cosine")``); NaN if
none is left. A constant map that is not zero has a cosine: 1 with itself.
Source: paper 003, eq. 5. Where the group permutes channels (regular representations), permute those
of ``acted`` first. The author's later code computes 1 − cos, over the last axis of a map only, and
counts a zero map as cosine 0.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.metrics.arguments import rank, same_shape
from invariscope.metrics.channel_invariance import aligned
from invariscope.metrics.channel_products import MapStep, one_where, permuted_cosine
from invariscope.metrics.kinds import BREAKS, MapMetric, register


def channel_eed(
    acted: Float[Tensor, "..."], transformed: Float[Tensor, "..."]
) -> Float[Tensor, " image"]:
    """Channelwise equivariance deviation of each image under one group element (paper 003, eq. 5).

    Args:
        acted: [B, C, H, W], g f(x): the maps of the images, transformed as the images were.
        transformed: [B, C, H, W], f(gx): the maps of the transformed images.

    Returns:
        [B] in [−1, 1], of the maps' dtype; NaN where every channel is zero in one of the maps.

    Raises:
        InputError: Shapes that do not fit.

    Example:
        >>> import torch
        >>> maps = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]], [[1.0, 0.0], [0.0, 1.0]]]])
        >>> channel_eed(maps, maps).tolist()
        [-1.0]
        >>> channel_eed(maps, maps.flip(3)).tolist()  # 12/14 in one channel, 0 in the other
        [-0.428...]
    """
    rank("B C H W", acted=acted, transformed=transformed)
    same_shape(acted=acted, transformed=transformed)
    return -aligned(acted, transformed, "cosine").nanmean(-1).to(transformed.dtype)


def per_image(step: MapStep) -> Tensor:
    """The deviation of each image of a step, the channels taken where the group takes them."""
    if step.permutation is None:
        return -step.mean_cosine("invariance")
    if not len(step.permutation):  # no one knows where the channels went
        return torch.full_like(step.transformed.mean[:, 0], torch.nan)
    return -permuted_cosine(step).nanmean(1)


CHANNEL_EED = register(
    MapMetric(
        name="channel_eed",
        label="Channelwise G-EED",
        paragraph="Minus the mean cosine of a channel’s map with its own moved map. −1: every"
        " channel moves as the image does.",
        source="paper 003, eq. 5",
        direction=BREAKS,
        low=-1.0,
        ends=("unrelated", "the same up to the motion"),
        at_identity=True,
        evaluate=per_image,
        identity=lambda maps: -one_where(maps.points),
    )
)
