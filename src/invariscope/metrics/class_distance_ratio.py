"""Class distance ratio: how much further apart are the classes than the images of one class?

    ratio = mean of dist(z_i, z_j) over y_i ≠ y_j / mean of dist(z_i, z_j) over y_i = y_j, i ≠ j

Where the images of a class differ by transformations only, it measures invariance to them. 1: a
class is as wide as the whole set (labels at random); larger: classes hold together, more invariant;
∞: all images of a class coincide. Range [0, ∞]. All pairs weigh the same, so large classes count
for more.

Degenerate: NaN if all embeddings coincide. A class of one image has no pair within; labels that
give no pair within, or none between, have no ratio: an `InputError`.
Source: paper 004, §4.3. The published code has since moved to another measure ("sensitivity", from
twin data sets, lower is more invariant) and averages over batches, the last short one included.
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import rank
from invariscope.metrics.distances import all_pairs, check_distance, prepared
from invariscope.metrics.kinds import VectorMetric, Weighted, register
from invariscope.metrics.memory import at_a_time


def class_distance_ratio(
    embeddings: Float[Tensor, "..."], labels: Integer[Tensor, "..."], *, distance: str = "l2"
) -> Float[Tensor, ""]:
    """Mean distance between classes over mean distance within them (paper 004, §4.3).

    Takes O(N²·D) time; memory does not grow with the number of pairs.

    Args:
        embeddings: [N, D].
        labels: [N], the class of each.
        distance: "l2" or "cosine".

    Returns:
        A scalar in [0, ∞], of the embeddings' dtype; NaN if all embeddings coincide, or if one is
        not finite or, for cosine, zero.

    Raises:
        InputError: Shapes that do not fit, an unknown distance, labels without a pair of images
            within a class, or without two classes.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.0], [1.0], [4.0], [5.0]])
        >>> class_distance_ratio(z, torch.tensor([0, 0, 1, 1])).item()
        4.0
    """
    check_distance(distance)
    rank("N D", embeddings=embeddings)
    labels = _valid_labels(labels, len(embeddings))
    z = prepared(embeddings, distance)
    within, between = z.new_zeros(2), z.new_zeros(2)  # sum of distances, number of pairs
    rows = at_a_time(len(z))
    for start in range(0, len(z), rows):
        some = slice(start, start + rows)
        pairs = all_pairs(z[some], z[start:], "l2")
        # of unit vectors; 1 - z @ z.T would leave dust where embeddings coincide
        pairs = pairs.square() / 2 if distance == "cosine" else pairs
        once = torch.ones_like(pairs, dtype=torch.bool).triu(1)  # each pair from one side
        same = labels[some, None] == labels[None, start:]
        within += _sum_and_count(pairs, once & same)
        between += _sum_and_count(pairs, once & ~same)
    return ((between[0] / between[1]) / (within[0] / within[1])).to(embeddings.dtype)


def per_image(transformed: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Computes values and weights of a block, [cell, N] in float64, for the l2 distance.

    Σ value·weight / Σ weight is the ratio over the pairs of the block, but for images that are the
    only ones of their class there: they have no value. Images that are not finite or have no label
    take part in no pair.

    Args:
        transformed: [cell, N, D].
        labels: [N], -1 for none.
    """
    z = prepared(transformed, "l2")
    pairs = all_pairs(z, z, "l2")
    known = z.isfinite().all(-1) & (labels >= 0)
    both = known[:, :, None] & known[:, None, :]
    same = labels[:, None] == labels[None, :]
    apart = _shares(pairs, both & ~same)
    within = _shares(pairs, both & same.fill_diagonal_(False))
    return apart / within, within


def _shares(pairs: Tensor, chosen: Tensor) -> Tensor:
    """Computes the share of each image in the mean of the chosen pairs: [cell, N]."""
    return torch.where(chosen, pairs, 0).sum(-1) / chosen.sum((1, 2))[:, None]


def _sum_and_count(pairs: Tensor, chosen: Tensor) -> Tensor:
    return torch.stack([pairs[chosen].sum(), chosen.sum().to(pairs.dtype)])


def _valid_labels(labels: Tensor, count: int) -> Tensor:
    if labels.shape != (count,):
        raise InputError(
            f"labels has shape {list(labels.shape)} but there are {count} embeddings: "
            f"it must be [{count}]"
        )
    classes = len(labels.unique())
    if classes < 2:
        raise InputError(f"labels hold {classes} class: the ratio needs two or more")
    if classes == count:
        raise InputError("labels differ for every image: the ratio needs a class with two images")
    return labels


def _evaluate(
    reference: Tensor, transformed: Tensor, pairing: Tensor, labels: Tensor | None
) -> Weighted:
    assert labels is not None
    return per_image(transformed, labels)


CLASS_DISTANCE_RATIO = register(
    VectorMetric(
        name="class_distance_ratio",
        label="Class distance ratio",
        paragraph="The mean distance between images of different classes, in units of the mean"
        " distance within a class. 1: a class is as wide as the whole set; there is no upper end.",
        source="paper 004, §4.3",
        low=0.0,
        high=None,
        ends=("least invariant", "most invariant"),
        needs="classes",
        at_identity=True,
        evaluate=_evaluate,
    )
)
