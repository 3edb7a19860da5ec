"""Linear CKA: are two representations of the same images the same, up to rotation and scale?

    cka = ‖BᵀA‖²_F / (‖AᵀA‖_F · ‖BᵀB‖_F)

with A and B the representations, centred over images. 1: equal up to a rotation (or reflection),
one scale and a shift; 0: no unit of one correlates with a unit of the other. Range [0, 1];
symmetric. For f(x) and f(T(x)) it measures whether T changes how images lie to one another: an
invariant model scores 1, but so does one that rotates all embeddings alike. It is biased upwards
where there are fewer images than units: two sets of noise score about 1 if N ≪ D.

Degenerate: NaN if a representation is the same for all images, within rounding.
Source: Kornblith et al. (2019), "Similarity of neural network representations revisited", which
paper 004 tries in §4.3. The biased form, over all images at once: not the value of minibatch CKA.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least, rank
from invariscope.metrics.dead import varies
from invariscope.metrics.distances import double


def linear_cka(a: Float[Tensor, "..."], b: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """Linear centred kernel alignment of two representations of the same images.

    Memory is the smaller of N² and the square of the larger width.

    Args:
        a: [N, D1].
        b: [N, D2], of the same images in the same order.

    Returns:
        A scalar in [0, 1], of the dtype of ``a``; NaN if one of them is constant.

    Raises:
        InputError: Shapes that do not fit, fewer than two images.

    Example:
        >>> import torch
        >>> a = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> linear_cka(a, 3 * a.flip(1) + 2).item()
        1.0
    """
    rank("N D", a=a, b=b)
    at_least(2, "images", a=a)
    if len(a) != len(b):
        raise InputError(
            f"b has shape {list(b.shape)} but a has {list(a.shape)}: both must hold the same images"
        )
    first, second = _centred(a), _centred(b)
    if len(a) < max(a.shape[1], b.shape[1]):
        first_gram, gram = first @ first.mT, second @ second.mT
        pairs = (first_gram, gram), (first_gram, first_gram), (gram, gram)
        shared, own, theirs = ((x * y).sum() for x, y in pairs)
    else:
        shared, own, theirs = (
            (x.mT @ y).square().sum()
            for x, y in ((second, first), (first, first), (second, second))
        )
    return (shared / (own * theirs).sqrt()).clamp(0, 1).to(a.dtype)


def _centred(representation: Tensor) -> Tensor:
    """Centred, with a Frobenius norm of 1; NaN if nothing varies."""
    values = double(representation)
    centred = values - values.mean(0)
    spread = centred.square().sum()
    alive = varies(spread, values.square().sum(), representation.dtype)
    return centred / torch.where(alive, spread.sqrt(), torch.nan)
