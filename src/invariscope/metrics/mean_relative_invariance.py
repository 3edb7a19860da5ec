"""Mean relative invariance: the low-variance form, one ratio of means over all pairs.

    1 − mean_i dist(z_i, z′_i) / mean_{i≠j} dist(z_i, z′_j)

The baseline uses every other image instead of one partner, so it hardly varies; and a ratio of
means is not thrown off by single small baselines. 1: unchanged by the transformation; 0: a
transformed image is as far from itself as from others; range (−∞, 1], higher is more invariant.
For the cosine distance the double sum has a closed form: Σ_{i≠j} cos(z_i, z′_j) = (Σẑ_i)·(Σẑ′_j) −
Σ ẑ_i·ẑ′_i.

In a sweep the pairs i≠j are those of a block (32 images), so that blocks stay independent:
`per_image` gives each image its own distance and its mean distance b_i to and from the others of
its block, and the value of a cell is Σ(b_i − d_i) / Σ b_i. For up to 32 images that is the formula
above.

Degenerate: a baseline of 0 gives −∞, or NaN if the distances are 0 as well (all embeddings equal).
Source: ours.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least_two, rank, same_shape
from invariscope.metrics.distances import all_pairs, between, check_distance, prepared
from invariscope.metrics.kinds import VectorMetric, register


def mean_relative_invariance(
    embeddings: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    distance: str = "cosine",
) -> Float[Tensor, ""]:
    """Mean relative invariance of a set of images.

    Args:
        embeddings: [N, D], of the images.
        transformed: [N, D], of the transformed images, in the same order.
        distance: "cosine" (closed form, O(N·D)) or "l2" (all pairs, O(N²·D)).

    Returns:
        A scalar in (−∞, 1], of the embeddings' dtype; not finite where the baseline is zero.

    Raises:
        InputError: Shapes that do not fit, fewer than two images, an unknown distance.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> mean_relative_invariance(z, z.flip(0)).item()  # every image became the other one
        -inf
        >>> mean_relative_invariance(z, 3 * z).item()
        1.0
    """
    check_distance(distance)
    rank("N D", embeddings=embeddings, transformed=transformed)
    same_shape(embeddings=embeddings, transformed=transformed)
    at_least_two("embeddings", embeddings)
    if distance == "cosine":
        stream = CosineMeanRelativeInvariance()
        stream.update(embeddings, transformed)
        return stream.compute().to(embeddings.dtype)
    z, moved = prepared(embeddings, distance), prepared(transformed, distance)
    pairs = all_pairs(z, moved, distance)
    count = len(z)
    own = between(z, moved, distance).sum()
    baseline = (pairs.sum() - pairs.diagonal().sum()) / (count * (count - 1))
    return ratio_to_pairs(own / count, baseline).to(embeddings.dtype)


def ratio_to_pairs(own: Tensor, baseline: Tensor) -> Tensor:
    """1 − the mean distance of images to themselves / that to others; rounding is no distance."""
    return 1 - own / _without_dust(baseline)


def _without_dust(baseline: Tensor) -> Tensor:
    """Takes baselines below 1e-12, the rounding of the closed form for equal embeddings, as 0."""
    return torch.where(baseline < 1e-12, 0.0, baseline)


class CosineMeanRelativeInvariance:
    """The streaming form of the cosine distance: exact, whatever the batches.

    Memory is two vectors, however many images. Sums are float64.

    Example:
        >>> z, moved = torch.randn(6, 3), torch.randn(6, 3)
        >>> whole = mean_relative_invariance(z, moved)
        >>> first, second = CosineMeanRelativeInvariance(), CosineMeanRelativeInvariance()
        >>> first.update(z[:1], moved[:1]); second.update(z[1:], moved[1:])
        >>> first.merge(second)
        >>> torch.allclose(first.compute().float(), whole)
        True
    """

    def __init__(self):
        self.count = 0
        self._own: Tensor | float = 0.0
        self._alike: Tensor | float = 0.0
        self._sum: Tensor | float = 0.0
        self._moved_sum: Tensor | float = 0.0

    def update(self, embeddings: Tensor, transformed: Tensor) -> None:
        """Adds a batch of embeddings [N, D] and of their transformed forms."""
        rank("N D", embeddings=embeddings, transformed=transformed)
        same_shape(embeddings=embeddings, transformed=transformed)
        z, moved = prepared(embeddings, "cosine"), prepared(transformed, "cosine")
        self.count += len(z)
        self._own = self._own + between(z, moved, "cosine").sum()
        self._alike = self._alike + (z * moved).sum()
        self._sum = self._sum + z.sum(0)
        self._moved_sum = self._moved_sum + moved.sum(0)

    def merge(self, other: "CosineMeanRelativeInvariance") -> None:
        """Adds the images of another accumulator."""
        self.count += other.count
        self._own = self._own + other._own
        self._alike = self._alike + other._alike
        self._sum = self._sum + other._sum
        self._moved_sum = self._moved_sum + other._moved_sum

    def compute(self) -> Tensor:
        """The value over all that was added, float64."""
        if self.count < 2:
            raise InputError(f"{self.count} image was added: a baseline needs at least two images")
        total = torch.dot(torch.as_tensor(self._sum), torch.as_tensor(self._moved_sum))
        alike = (total - self._alike) / (self.count * (self.count - 1))
        return ratio_to_pairs(torch.as_tensor(self._own) / self.count, 1 - alike)


def per_image(reference: Tensor, transformed: Tensor, distance: str) -> tuple[Tensor, Tensor]:
    """Values and weights of a block: (b_i − d_i) / b_i and b_i, [..., N] in float64.

    An image without a distance of its own, since one of its two embeddings is not finite (or zero,
    for cosine), has no value, and is none of the others of the rest.

    Args:
        reference: [N, D].
        transformed: [..., N, D].
        distance: "cosine" or "l2".
    """
    z = prepared(reference, distance)
    moved = prepared(transformed, distance)
    own = between(z, moved, distance)
    known = own.isfinite()
    both = known[..., :, None] & known[..., None, :]
    pairs = torch.where(both, all_pairs(z.expand_as(moved), moved, distance), 0)
    to_others = pairs.sum(-1) + pairs.sum(-2) - 2 * pairs.diagonal(dim1=-2, dim2=-1)
    partners = 2 * (known.sum(-1, keepdim=True) - 1)
    baseline = torch.where(known, _without_dust(to_others / partners), torch.nan)
    return (baseline - own) / baseline, baseline


MEAN_RELATIVE_INVARIANCE = register(
    VectorMetric(
        name="mean_relative_invariance",
        label="Mean relative invariance",
        paragraph="1 − mean d / mean b, with b over all pairs of different images of a block:"
        " relative invariance with less noise, one number for all images.",
        ends=("like another image", "like the original"),
        estimate="one minus ratio to pairs",
        evaluate=lambda reference, transformed, *_: per_image(reference, transformed, "cosine"),
    )
)
MEAN_RELATIVE_INVARIANCE_L2 = register(
    replace(
        MEAN_RELATIVE_INVARIANCE,
        name="mean_relative_invariance:l2",
        label="Mean relative invariance (l2)",
        paragraph="Mean relative invariance with Euclidean distances.",
        evaluate=lambda reference, transformed, *_: per_image(reference, transformed, "l2"),
    )
)
