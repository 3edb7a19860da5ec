"""Linear CKA: how alike are two representations of the same images, up to rotation and scale?

    ‖Yᵀ X‖²_F / ( ‖Xᵀ X‖_F ‖Yᵀ Y‖_F ),   X and Y centred over images

1: one is a rotation and isotropic scaling of the other; 0: nothing linear in common. Range [0, 1].
With fewer images than dimensions it is biased upwards. Degenerate: a representation that is the
same for all images gives NaN. Source: Kornblith et al. 2019; used in paper 004, Fig. 6b.
"""

from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least_two, rank
from invariscope.metrics.distances import double


def linear_cka(first: Float[Tensor, "..."], second: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """Linear centred kernel alignment.

    Args:
        first: [N, D1].
        second: [N, D2], of the same images in the same order.

    Returns:
        A scalar in [0, 1], of the first one's dtype.

    Raises:
        InputError: Shapes that do not fit.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0]])
        >>> round(linear_cka(x, 5 * x.flip(1)).item(), 6)
        1.0
    """
    rank("N D", first=first, second=second)
    if len(first) != len(second):
        raise InputError(
            f"second has shape {list(second.shape)} but first has {list(first.shape)}: "
            "they must have the same number of images"
        )
    at_least_two("first", first)
    x, y = (double(t) - double(t).mean(0) for t in (first, second))
    if len(x) < max(x.shape[1], y.shape[1]):  # the Gram matrices are smaller
        a, b = x @ x.T, y @ y.T
        together, one, other = (a * b).sum(), a.norm(), b.norm()
    else:
        together, one, other = (y.T @ x).square().sum(), (x.T @ x).norm(), (y.T @ y).norm()
    return (together / (one * other)).clamp(max=1).to(first.dtype)
