"""Similarity change: does transforming one image of a pair make the two more alike?

    change_p = (s_T − s_0) / s_0,   s_0 = cos(f(x_1), f(x_2)),   s_T = cos(f(x_1), f(T(x_2)))

for pairs of images, of one class as a rule; T acts on the second only. Positive: the transformation
explains part of what sets the two apart. 0: it changes nothing, exactly so for the identity.
Negative: it takes them further apart; −1: to no similarity at all. Unbounded.

Degenerate: pairs with |s_0| < 1e-6 are NaN, and so are embeddings of zero length. Where s_0 is
negative (embeddings with negative entries, such as logits) the sign of the change turns round.
Source: paper 000, eq. 2. The published code has no guard for a small s_0, and for one of its models
takes logits as embeddings. Its "boosts" are the pairs with s_T > s_0.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.metrics.arguments import rank, same_shape
from invariscope.metrics.distances import between, prepared

#: Similarities closer to zero than this are no denominators.
SMALLEST = 1e-6


def similarity_change(
    anchor: Float[Tensor, "..."],
    other: Float[Tensor, "..."],
    other_transformed: Float[Tensor, "..."],
) -> Float[Tensor, " pair"]:
    """Relative change of the cosine similarity of each pair (paper 000, eq. 2).

    Args:
        anchor: [P, D], embeddings of the first image of each pair.
        other: [P, D], of the second.
        other_transformed: [P, D], of the second, transformed.

    Returns:
        [P], of the embeddings' dtype; NaN where the similarity before is within 1e-6 of 0.

    Raises:
        InputError: Shapes that do not fit.

    Example:
        >>> import torch
        >>> anchor, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]])
        >>> similarity_change(anchor, other, torch.tensor([[4.0, 3.0]]))  # from 0.6 to 0.8
        tensor([0.3333])
    """
    rank("P D", anchor=anchor, other=other, other_transformed=other_transformed)
    same_shape(anchor=anchor, other=other, other_transformed=other_transformed)
    first = prepared(anchor, "cosine")
    before = 1 - between(first, prepared(other, "cosine"), "cosine")
    after = 1 - between(first, prepared(other_transformed, "cosine"), "cosine")
    change = torch.where(before.abs() < SMALLEST, torch.nan, (after - before) / before)
    return change.to(anchor.dtype)
