"""Normalised variance: how much a unit varies over transformations, against over images.

    E_x[ Var_T f(Tx) ] / E_T[ Var_x f(Tx) ]

per unit. 0: the transformation does nothing to the unit; 1: it moves the unit as much as another
image would. Range [0, ∞), *lower* is more invariant. Variances are over the population (divided by
n); with few transformations or images they are biased alike in both.

Degenerate: a unit that varies neither way is dead: NaN. Source: Quiroga et al. 2018; the
quantity that tmeasures computes, which scores dead units 1 and units that vary with the
transformation only ∞ (here ∞ as well).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.metrics.arguments import rank
from invariscope.metrics.distances import double


def normalized_variance(responses: Float[Tensor, "..."]) -> Float[Tensor, " unit"]:
    """Normalised variance of each unit.

    Args:
        responses: [N, T, D], of N images under T transformations (the identity among them).

    Returns:
        [D] in [0, ∞], of the responses' dtype; NaN for units without any variance.

    Raises:
        InputError: A shape that does not fit.

    Example:
        >>> images = torch.tensor([[0.0], [1.0]])
        >>> normalized_variance(images[:, None, :].expand(2, 5, 1)).tolist()
        [0.0]
    """
    rank("N T D", responses=responses)
    values = double(responses)
    over_transformations = _variance(values, 1).mean(0)
    over_images = _variance(values, 0).mean(0)
    return (over_transformations / over_images).to(responses.dtype)


def _variance(values: Tensor, axis: int) -> Tensor:
    """Population variance; exactly 0 where all values are equal."""
    same = (values == values.narrow(axis, 0, 1)).all(axis)
    return torch.where(same, 0, values.var(axis, correction=0))
