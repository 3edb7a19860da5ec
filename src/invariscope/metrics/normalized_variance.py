"""Normalised variance: does a unit vary over transformations as much as over images?

    ratio_k = mean over x of Var_T(f_k(Tx)) / mean over T of Var_x(f_k(Tx))

per unit k. 0: invariant; 1: the transformations move it as much as other images do; above 1: it
tells transformations apart rather than images. Range [0, ∞]; **lower is more invariant**. Variances
are unbiased (n − 1), so that unrelated responses score about 1 for any number of images and
transformations. The ratio itself is too large by about 2 / (n − 1) of its size for n images, since
a variance over few images is a poor denominator; sweeps correct for that (`per_element`).

Degenerate: a unit that varies over neither is dead: NaN. One that varies over transformations but
not over images is ∞. A variance within the rounding of the values counts as none.
Source: Quiroga et al., *normalised variance*, as in their package tmeasures (unbiased there as
well), which scores a dead unit as 1, as if it were a finding.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.metrics.arguments import at_least, rank
from invariscope.metrics.dead import varies
from invariscope.metrics.distances import double
from invariscope.metrics.kinds import DEVIATES, OrbitMetric, register


def normalized_variance(responses: Float[Tensor, "..."]) -> Float[Tensor, " unit"]:
    """Normalised variance of each unit.

    Args:
        responses: [N, T, D], of N images under T transformations, the identity among them.

    Returns:
        [D] in [0, ∞], of the responses' dtype; NaN for dead units and for those not finite.

    Raises:
        InputError: A shape that does not fit, fewer than two images or two transformations.

    Example:
        >>> import torch
        >>> responses = torch.tensor([[[1.0, 1.0], [1.0, 2.0]], [[3.0, 1.0], [3.0, 2.0]]])
        >>> normalized_variance(responses).tolist()  # one invariant unit; one that sees T only
        [0.0, inf]
    """
    rank("N T D", responses=responses)
    at_least(2, "images", responses=responses)
    at_least(2, "transformations", dimension=1, responses=responses)
    values = double(responses)
    over_transformations = _variance(values, 1, responses.dtype)
    over_images = _variance(values, 0, responses.dtype)
    return (over_transformations / over_images).to(responses.dtype)


def per_element(orbit: Tensor) -> Tensor:
    """Pseudo-values of each transformation and image, whose mean is unbiased: [T, N] in float64.

    The variance over images is an estimate, too, and 1 / estimate is too large on average: by
    about 2 / (N − 1), 6 % for a block of 32. So image i stands for N θ − (N − 1) θ_i, where θ is
    the block's mean over living units of `normalized_variance`, transformation by transformation,
    and θ_i the same without the image (the jackknife; Quenouille 1956). Their mean is off by
    order 1 / N² only, and they vary as much as the value does, both variances included. Two images
    have no such values: each stands for its own share.

    Args:
        orbit: [T, N, D], of N images under T transformations.
    """
    values = double(orbit).transpose(0, 1)
    images, count = values.shape[:2]
    over_transformations = _variance(values, 1, orbit.dtype)
    over_images = _variance(values, 0, orbit.dtype)
    alive = (over_transformations > 0) | (over_images > 0)
    if count < 2 or images < 2 or not bool(alive.any()):
        return values.new_full(orbit.shape[:2], torch.nan)
    moved = (values - values.mean(1, keepdim=True)).square() * (count / (count - 1))
    moved = torch.where(over_transformations > 0, moved, 0.0)[..., alive]  # rounding is none
    variance = over_images[alive]
    if images == 2 or not bool((variance > 0).all()):
        return (moved / variance).mean(-1).mT
    off = (values - values.mean(0)).square().mean(1)[:, alive]
    without = ((images - 1) * variance - images / (images - 1) * off) / (images - 2)
    whole = moved.mean(0)
    rest = (images * whole - moved) / (images - 1) / without[:, None]
    return (images * (whole / variance).mean(-1) - (images - 1) * rest.mean(-1)).mT


def _variance(values: Tensor, dimension: int, dtype: torch.dtype) -> Tensor:
    """Mean over the other dimension of the variances [D]; 0 within rounding, and if not finite."""
    variance = values.var(dimension).mean(0)
    power = values.square().mean((0, 1))
    return torch.where(varies(variance, power, dtype), variance, 0.0)


NORMALIZED_VARIANCE = register(
    OrbitMetric(
        name="normalized_variance",
        label="Normalised variance",
        paragraph="The variance over the levels of a transformation, or the elements of a group,"
        " in units of the variance over images. 0: nothing moves; there is no upper end.",
        source="Quiroga et al.",
        direction=DEVIATES,
        low=0.0,
        high=None,
        ends=("moves", "stays where it is"),
        at_identity=True,
        heat_map="main",
        evaluate=lambda orbit: (per_element(orbit), None),
    )
)
