"""Latent G-EED: how far is the orbit of an image spread in the latent space?

    eed = mean over g of m(z_g, ẑ) / M,   ẑ = mean over g of z_g,   z_g = f(gx)

- ``l2``: m = ‖z_g − ẑ‖₂ and M the mean distance of different images. 0: invariant; 1: an image
  moves about as far from its centre as two images are apart. Range [0, ∞).
- ``cosine``: m = −cos(z_g, ẑ) and M the mean cosine of different images. −1/M: invariant, up to a
  scale. Range [−1/M, 1/M]. Since M is a similarity here, a model that spreads its images scores
  *lower*; a normaliser of 1 gives the bare −cos.

**Lower is more invariant**, for both. `latent_normalizer` computes M over the pairs i ≠ j.

Degenerate: an orbit that does not move at all is exactly 0 for l2, whatever M, so that a constant
model is. Otherwise an l2 normaliser within the rounding of the embeddings says nothing: NaN. So
does a cosine normaliser below 1e-6: near 0 the ratio explodes, and a negative one would turn its
direction round. A zero vector, or a centre of zero, has no cosine: the image is NaN.
Source: paper 003, eq. 6 (trivial action: the centre is over the whole group). The author's later
code takes 1 − cos and does not normalise.
"""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least, rank
from invariscope.metrics.dead import resolution
from invariscope.metrics.distances import all_pairs, between, check_distance, double, prepared
from invariscope.metrics.kinds import DEVIATES, OrbitMetric, register
from invariscope.metrics.memory import at_a_time

#: Mean cosines below this are no denominators.
SMALLEST_COSINE = 1e-6


def latent_eed(
    orbit: Float[Tensor, "..."],
    *,
    normalizer: float | Float[Tensor, "..."],
    distance: str = "l2",
) -> Float[Tensor, " image"]:
    """Latent equivariance deviation of each image (paper 003, eq. 6).

    Args:
        orbit: [B, G, D], for each image the embeddings under every element of the group.
        normalizer: M, one number for the data set: see `latent_normalizer`.
        distance: "l2" or "cosine".

    Returns:
        [B], of the orbit's dtype; NaN where the normaliser or a direction is undefined.

    Raises:
        InputError: A shape that does not fit, a negative l2 normaliser, an unknown distance.

    Example:
        >>> import torch
        >>> orbit = torch.tensor([[[0.0, 1.0], [0.0, 3.0]], [[5.0, 5.0], [5.0, 5.0]]])
        >>> latent_eed(orbit, normalizer=2.0).tolist()
        [0.5, 0.0]
    """
    check_distance(distance)
    rank("B G D", orbit=orbit)
    at_least(1, "group elements", dimension=1, orbit=orbit)
    scale = _valid_normalizer(normalizer, distance)
    values = _l2(orbit, scale) if distance == "l2" else _cosine(orbit, scale)
    return values.to(orbit.dtype)


def latent_normalizer(
    embeddings: Float[Tensor, "..."], *, distance: str = "l2"
) -> Float[Tensor, ""]:
    """M of the latent G-EED: mean distance (l2) or mean cosine over pairs of different images.

    The paper takes 200 images at random, from the data on which the deviation is measured.

    Args:
        embeddings: [N, D], one of each image.
        distance: "l2" for the mean distance, "cosine" for the mean cosine *similarity*.

    Returns:
        A scalar, of the embeddings' dtype: in [0, ∞) or in [−1, 1]. For "cosine" it is NaN if an
        embedding has no length.

    Raises:
        InputError: A shape that does not fit, fewer than two images, an unknown distance.

    Example:
        >>> import torch
        >>> latent_normalizer(torch.tensor([[0.0, 1.0], [0.0, 3.0], [0.0, 5.0]])).item()
        2.666...
        >>> latent_normalizer(torch.eye(3), distance="cosine").item()
        0.0
    """
    check_distance(distance)
    rank("N D", embeddings=embeddings)
    at_least(2, "images", embeddings=embeddings)
    z = prepared(embeddings, distance)
    count = len(z)
    if distance == "cosine":
        total = z.sum(0).square().sum() - z.square().sum()
    else:
        total = torch.stack(
            [all_pairs(some, z, "l2").sum() for some in z.split(at_a_time(count))]
        ).sum()
    return (total / (count * (count - 1))).to(embeddings.dtype)


def _l2(orbit: Tensor, scale: float) -> Tensor:
    z = double(orbit)
    deviation = deviations(z, "l2")
    length = z.square().sum(-1).mean(1).sqrt()
    usable = (scale > resolution(orbit.dtype) * length) & math.isfinite(scale)
    values = torch.where(usable, deviation / scale, torch.nan)
    return torch.where(deviation == 0, 0.0, values)


def _cosine(orbit: Tensor, scale: float) -> Tensor:
    usable = SMALLEST_COSINE <= scale < math.inf
    return deviations(double(orbit), "cosine") / (scale if usable else math.nan)


def deviations(orbit: Tensor, distance: str) -> Tensor:
    """Mean of m(z_g, ẑ) over elements, [B], of orbits [B, G, D] in float64; not normalised.

    The centre is measured from the first element, so that equal ones give exactly 0 for l2.
    """
    moves = orbit - orbit[:, :1]
    centre = moves.mean(1, keepdim=True)
    if distance == "l2":
        return (moves - centre).norm(dim=-1).mean(1)
    directions, middle = (prepared(z, "cosine") for z in (orbit, orbit[:, :1] + centre))
    return between(directions, middle, "cosine").mean(1) - 1


def per_element(orbit: Tensor, distance: str) -> tuple[Tensor, Tensor]:
    """Values and weights of a block, element by element: [G, N] in float64.

    The mean over elements of Σ value·weight / Σ weight over images is `latent_eed` with M over the
    pairs of the block: each image's weight is its mean distance to the others, or its mean
    cosine with them, which may be negative.

    Args:
        orbit: [G, N, D], the identity first.
        distance: "l2" or "cosine".
    """
    z = double(orbit)
    moves = z - z[:1]
    centre = moves.mean(0)
    if distance == "cosine":
        directions = prepared(z, "cosine")
        deviation = between(directions, prepared(z[:1] + centre, "cosine"), "cosine") - 1
        others = 1 - all_pairs(directions[0], directions[0], "cosine").fill_diagonal_(1)
        others = others.sum(-1) / (len(z[0]) - 1)
        usable = bool(others.mean() >= SMALLEST_COSINE)
        return deviation / (others if usable else torch.nan), others.expand_as(deviation)
    deviation = (moves - centre).norm(dim=-1)
    baseline = all_pairs(z[0], z[0], "l2").sum(-1) / (len(z[0]) - 1)
    length = z.square().sum(-1).mean(0).sqrt()
    usable = baseline > resolution(orbit.dtype) * length
    values = torch.where(usable, deviation / baseline, torch.nan)
    # An image that does not move at all is 0 also where all images are alike: a constant model.
    still = deviation.sum(0) == 0
    least = torch.finfo(torch.float32).tiny
    weights = torch.where(still, baseline.clamp_min(least), baseline)
    return torch.where(still, 0.0, values), weights.expand_as(values)


def _valid_normalizer(normalizer: float | Tensor, distance: str) -> float:
    if isinstance(normalizer, Tensor) and normalizer.numel() != 1:
        raise InputError(f"normalizer has shape {list(normalizer.shape)}: it must be one number")
    scale = float(normalizer)
    if distance == "l2" and scale < 0:
        raise InputError(f"normalizer is {scale:g}: a mean l2 distance cannot be negative")
    return scale


LATENT_EED = register(
    OrbitMetric(
        name="latent_eed",
        label="Latent G-EED",
        paragraph="How far the representations of a group’s elements lie from their mean, in units"
        " of the mean distance between different images. 0: they do not move.",
        source="paper 003, eq. 6",
        direction=DEVIATES,
        low=0.0,
        high=None,
        ends=("moves", "stays where it is"),
        estimate="ratio to pairs",
        needs="group",
        at_identity=True,
        heat_map="main",
        evaluate=lambda orbit: per_element(orbit, "l2"),
    )
)
LATENT_EED_COSINE = register(
    replace(
        LATENT_EED,
        name="latent_eed:cosine",
        label="Latent G-EED (cosine)",
        paragraph="Latent G-EED with minus the cosine in place of the distance, and the mean"
        " cosine in place of the mean distance.",
        low=None,
        heat_map="beside",
        evaluate=lambda orbit: per_element(orbit, "cosine"),
    )
)
