"""Channel invariance and equivariance: what does each channel of a layer become under T?

    invariance_c   = S( f(T x)_c , (T f(x))_c )
    equivariance_c = max over c′ of S( f(T x)_c , (T f(x))_c′ )

S compares two maps of one image over their H·W positions: Pearson correlation (default) or cosine
similarity. ``transformed`` is f(T x), ``acted`` is T f(x): the feature maps of the untransformed
image, moved by the same T. 1: the map of the transformed image is the moved map, of the same
channel (invariance) or of some channel (equivariance: a filter's rotated copy counts). Range [−1,
1], higher is more invariant; equivariance is never below invariance. The maximum is over many
channels, so it is above 0 for unrelated maps: compare with a null.

Degenerate: a dead channel (no variance under Pearson, all zero under cosine) has no similarity: NaN
where it is the transformed one, never the best match where it is the acted one. 1 × 1 maps have no
variance: correlate those over a data set instead. Source: paper 002, eq. 4 and 7. Equation 4 as
printed does not move the output map; pass the untransformed maps as ``acted`` for that form.
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import rank, same_shape
from invariscope.metrics.distances import double

SIMILARITIES = ("pearson", "cosine")

# : A channel whose centred sum of squares is below this share of its raw one varies by rounding
# only.
_RELATIVE_VARIANCE = 1e-12
#: Similarities of that many channel pairs (float64) are held at a time: 128 MB.
_PAIRS = 1 << 24


def channel_invariance(
    acted: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    similarity: str = "pearson",
) -> Float[Tensor, "image channel"]:
    """Similarity of each channel to itself, spatially aligned (paper 002, eq. 4).

    Args:
        acted: [B, C, H, W], T f(x).
        transformed: [B, C, H, W], f(T x).
        similarity: "pearson" or "cosine".

    Returns:
        [B, C] in [−1, 1], of the maps' dtype; NaN for dead channels.

    Raises:
        InputError: Shapes that do not fit, an unknown similarity.

    Example:
        >>> maps = torch.rand(2, 3, 4, 4)
        >>> torch.allclose(channel_invariance(maps, 2 * maps + 1), torch.ones(2, 3))
        True
    """
    a, t = _flat(acted, transformed, similarity)
    products = (a * t).sum(-1)
    scale = _length(a, acted, similarity) * _length(t, transformed, similarity)
    return (products / scale).clamp(-1, 1).to(acted.dtype)


def channel_equivariance(
    acted: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    similarity: str = "pearson",
) -> Float[Tensor, "image channel"]:
    """Similarity of each channel to the acted channel most like it (paper 002, eq. 7).

    Arguments, range and errors as for `channel_invariance`.

    Example:
        >>> maps = torch.rand(2, 3, 4, 4)
        >>> torch.allclose(channel_equivariance(maps, maps.roll(1, 1)), torch.ones(2, 3))
        True
    """
    return channel_match(acted, transformed, similarity=similarity)[0]


def channel_match(
    acted: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    similarity: str = "pearson",
) -> tuple[Float[Tensor, "image channel"], Integer[Tensor, "image channel"]]:
    """The equivariance of each channel and the acted channel that reaches it.

    Arguments and errors as for `channel_invariance`.

    Returns:
        Similarities [B, C] (NaN for dead channels) and indices [B, C] (−1 for dead channels).

    Example:
        >>> maps = torch.rand(1, 3, 4, 4)
        >>> channel_match(maps, maps[:, [2, 0, 1]])[1].tolist()
        [[2, 0, 1]]
    """
    a, t = _flat(acted, transformed, similarity)
    scale_a, scale_t = _length(a, acted, similarity), _length(t, transformed, similarity)
    best, index = [], []
    # A dead channel has a NaN length; as the best match it is out of the question.
    a = torch.where(scale_a.isnan()[..., None], 0, a / scale_a[..., None])
    alive = ~scale_a.isnan()[:, None, :]
    rows = max(1, _PAIRS // max(1, a.shape[0] * a.shape[1]))
    for start in range(0, t.shape[1], rows):
        products = t[:, start : start + rows] @ a.transpose(1, 2)
        top = products.masked_fill(~alive, -torch.inf).max(-1)
        best.append(top.values)
        index.append(top.indices)
    values = torch.cat(best, 1) / scale_t
    values = torch.where(values.isinf(), torch.nan, values)
    dead = values.isnan()
    return values.clamp(-1, 1).to(acted.dtype), torch.cat(index, 1).masked_fill(dead, -1)


def _flat(acted: Tensor, transformed: Tensor, similarity: str) -> tuple[Tensor, Tensor]:
    """Both maps as [B, C, H·W] in float64, centred for Pearson."""
    if similarity not in SIMILARITIES:
        raise InputError(f"similarity must be one of {', '.join(SIMILARITIES)}, not {similarity!r}")
    rank("B C H W", acted=acted, transformed=transformed)
    same_shape(acted=acted, transformed=transformed)
    maps = [double(t).flatten(2) for t in (acted, transformed)]
    if similarity == "pearson":
        maps = [t - t.mean(-1, keepdim=True) for t in maps]
    return maps[0], maps[1]


def _length(flat: Tensor, maps: Tensor, similarity: str) -> Tensor:
    """Root of the sum of squares [B, C]; NaN for dead channels."""
    squares = flat.square().sum(-1)
    dead = squares == 0
    if similarity == "pearson":
        dead |= squares <= _RELATIVE_VARIANCE * double(maps).flatten(2).square().sum(-1)
    return torch.where(dead, torch.nan, squares.sqrt())
