"""Relative invariance: how much closer is an image to its transformed self than to another image?

    invariance_i = (b_i − d_i) / b_i,   d_i = dist(z_i, z′_i),   b_i = dist(z_i, z′_p(i))

with z = f(x), z′ = f(T(x)) and p a pairing without fixed points: the baseline is another image,
*transformed as well*. 1: the transformation changes nothing. 0: the transformed image is as far
away as a transformed other image. Negative: farther. Range (−∞, 1]; higher is more invariant.

Degenerate: a baseline of 0 gives −∞, or NaN if the distance is 0 as well; for the cosine distance
an embedding of zero length gives NaN. Sweeps count such images and leave them out of means.
Source: paper 000, eq. 1. The published code draws a random permutation that may pair an image with
itself (which scores exactly 0) and adds 1e-8 to the denominator; ours does neither.
"""

from dataclasses import replace

from jaxtyping import Float, Integer
from torch import Tensor

from invariscope.metrics.arguments import at_least_two, rank, same_shape, valid_pairing
from invariscope.metrics.distances import between, check_distance, prepared
from invariscope.metrics.kinds import VectorMetric, Weighted, register


def relative_invariance(
    embeddings: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    pairing: Integer[Tensor, "..."],
    distance: str = "cosine",
) -> Float[Tensor, " image"]:
    """Relative invariance of each image (paper 000, eq. 1).

    Args:
        embeddings: [N, D], of the images.
        transformed: [N, D], of the transformed images, in the same order.
        pairing: [N], for each image the index of the other image of its baseline.
        distance: "cosine" or "l2".

    Returns:
        [N] in (−∞, 1], of the embeddings' dtype; not finite where the baseline is zero.

    Raises:
        InputError: Shapes that do not fit, a pairing out of range, an unknown distance.

    Example:
        >>> import torch
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> relative_invariance(z, z, pairing=torch.tensor([1, 2, 0])).tolist()
        [1.0, 1.0, 1.0]
    """
    check_distance(distance)
    rank("N D", embeddings=embeddings, transformed=transformed)
    same_shape(embeddings=embeddings, transformed=transformed)
    at_least_two("embeddings", embeddings)
    pairing = valid_pairing(pairing, len(embeddings))
    return per_image(embeddings, transformed, pairing, distance).to(embeddings.dtype)


def per_image(reference: Tensor, transformed: Tensor, pairing: Tensor, distance: str) -> Tensor:
    """The formula for reference [N, D] and transformed [..., N, D]: [..., N] in float64."""
    z = prepared(reference, distance)
    moved = prepared(transformed, distance)
    own = between(z, moved, distance)
    baseline = between(z, moved[..., pairing, :], distance)
    return (baseline - own) / baseline


def _cosine(reference: Tensor, transformed: Tensor, pairing: Tensor, labels: object) -> Weighted:
    return per_image(reference, transformed, pairing, "cosine"), None


def _l2(reference: Tensor, transformed: Tensor, pairing: Tensor, labels: object) -> Weighted:
    return per_image(reference, transformed, pairing, "l2"), None


RELATIVE_INVARIANCE = register(
    VectorMetric(
        name="relative_invariance",
        label="Relative invariance",
        paragraph="(b − d) / b for each image: d is the distance between the representations of an"
        " image and of its transformed copy, b the distance between that image and the transformed"
        " copy of another. 1: nothing moved. 0: moved as far as another image is. Below 0:"
        " farther. Distances are cosine distances; feature maps are averaged over their positions"
        " first.",
        source="paper 000, eq. 1",
        ends=("like another image", "like the original"),
        paired=True,
        role="headline",
        evaluate=_cosine,
    )
)
RELATIVE_INVARIANCE_L2 = register(
    replace(
        RELATIVE_INVARIANCE,
        name="relative_invariance:l2",
        label="Relative invariance (l2)",
        paragraph="Relative invariance with Euclidean distances, which see the length of a"
        " representation as well as its direction.",
        role="",
        evaluate=_l2,
    )
)
