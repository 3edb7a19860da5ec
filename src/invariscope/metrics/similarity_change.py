"""Similarity change: does transforming one image of a pair bring it closer to the other?

    change = (s_T − s_0) / s_0,   s_0 = cos(f(x₁), f(x₂)),   s_T = cos(f(x₁), f(T(x₂)))

for pairs of one class, T on the second image only. Positive: the transformation explains part of
what differs between images of the class. 0: no effect (or a model that is invariant to T). Range
unbounded; a fraction of the original similarity.

Degenerate: |s_0| < 1e-6 gives NaN; where s_0 is negative, the sign of the ratio turns round: count
such pairs. Source: paper 000, eq. 2. The published code divides without a guard.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.metrics.arguments import rank, same_shape
from invariscope.metrics.distances import prepared

SMALLEST_SIMILARITY = 1e-6


def similarity_change(
    anchor: Float[Tensor, "..."],
    other: Float[Tensor, "..."],
    other_transformed: Float[Tensor, "..."],
) -> Float[Tensor, " pair"]:
    """Relative change of each pair's cosine similarity (paper 000, eq. 2).

    Args:
        anchor: [P, D], embeddings of the first images.
        other: [P, D], of the second ones.
        other_transformed: [P, D], of the second ones transformed.

    Returns:
        [P], of the anchor's dtype; NaN for pairs whose similarity is within 1e-6 of 0.

    Raises:
        InputError: Shapes that do not fit.

    Example:
        >>> import torch
        >>> anchor, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
        >>> round(similarity_change(anchor, other, anchor).item(), 4)  # from 0.7071 to 1
        0.4142
    """
    rank("P D", anchor=anchor, other=other, other_transformed=other_transformed)
    same_shape(anchor=anchor, other=other, other_transformed=other_transformed)
    first, second, moved = (prepared(t, "cosine") for t in (anchor, other, other_transformed))
    before, after = (first * second).sum(-1), (first * moved).sum(-1)
    change = torch.where(before.abs() < SMALLEST_SIMILARITY, torch.nan, (after - before) / before)
    return change.to(anchor.dtype)
