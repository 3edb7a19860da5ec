"""Response alignment: do the embeddings of all images move the same way under the transformation?

    alignment_i = cos(D_i, D_p(i)) − cos(B_i, B_p(i)),   D = z − z′,   B[i, k] = D[shuffle[i, k], k]

with z = f(x), z′ = f(T(x)) and p a pairing without fixed points. B has the columns of D, each
shuffled on its own: what every coordinate does stays, how they go together is lost. Higher is more
equivariant; 0: no more aligned than the coordinates by themselves make it; range [−2, 2]. A
displacement that is *the same* for every image scores 0 as well: shuffling leaves it as it is.

Degenerate: an embedding that does not move (D_i = 0, as at magnitude 0) has no direction, so that
it and the image that is paired with it are NaN; so is a shuffled difference of zero.
Source: paper 000, App. D. The published code adds an epsilon to the norms, so that no movement
scores about 0 where ours is NaN, and draws a random pairing that may pair an image with itself.
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least_two, rank, same_shape, valid_pairing
from invariscope.metrics.distances import between, double, prepared
from invariscope.metrics.kinds import EQUIVARIANT, VectorMetric, register


def response_alignment(
    embeddings: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    pairing: Integer[Tensor, "..."],
    shuffle: Integer[Tensor, "..."],
) -> Float[Tensor, " image"]:
    """Response alignment of each image (paper 000, App. D).

    Args:
        embeddings: [N, D], of the images.
        transformed: [N, D], of the transformed images, in the same order.
        pairing: [N], for each image the index of the other image.
        shuffle: [N, D], in each column a permutation of 0 … N − 1, drawn independently: for
            instance ``torch.rand(N, D, generator=g).argsort(0)``.

    Returns:
        [N] in [−2, 2], of the embeddings' dtype; NaN where an embedding does not move.

    Raises:
        InputError: Shapes that do not fit, a pairing out of range, a shuffle that is none.

    Example:
        >>> import torch
        >>> z = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
        >>> shuffle = torch.tensor([[0, 2], [1, 1], [2, 0]])
        >>> response_alignment(z, -z, pairing=torch.tensor([1, 2, 0]), shuffle=shuffle)
        tensor([0.1056, 0.1056, 0.4000])
    """
    rank("N D", embeddings=embeddings, transformed=transformed, shuffle=shuffle)
    same_shape(embeddings=embeddings, transformed=transformed, shuffle=shuffle)
    at_least_two("embeddings", embeddings)
    pairing = valid_pairing(pairing, len(embeddings))
    differences = double(embeddings) - double(transformed)
    shuffled = differences.gather(0, _valid_shuffle(shuffle))
    alignment = _apart(shuffled, pairing) - _apart(differences, pairing)
    return alignment.to(embeddings.dtype)


def per_image(reference: Tensor, transformed: Tensor, pairing: Tensor) -> Tensor:
    """Values of a block, [cell, N] in float64; the columns are shuffled alike in every block.

    Args:
        reference: [N, D].
        transformed: [cell, N, D].
        pairing: [N].
    """
    generator = torch.Generator().manual_seed(0)
    shuffle = torch.rand(reference.shape, generator=generator).argsort(0).to(reference.device)
    differences = double(reference) - double(transformed)
    shuffled = differences.gather(1, shuffle.expand_as(differences))
    return _apart(shuffled, pairing) - _apart(differences, pairing)


def _apart(differences: Tensor, pairing: Tensor) -> Tensor:
    """1 − cos of each difference [..., N, D] and its partner's."""
    directions = prepared(differences, "cosine")
    return between(directions, directions[..., pairing, :], "cosine")


def _valid_shuffle(shuffle: Tensor) -> Tensor:
    """The shuffle as int64 indices, checked to hold a permutation in each column."""
    if shuffle.dtype.is_floating_point or shuffle.dtype == torch.bool:
        raise InputError(f"shuffle holds image indices: it must be integer, not {shuffle.dtype}")
    count = len(shuffle)
    everyone = torch.arange(count, device=shuffle.device)[:, None]
    if not bool((shuffle.sort(dim=0).values == everyone).all()):
        raise InputError(f"shuffle must hold a permutation of 0 to {count - 1} in each column")
    return shuffle.long()


RESPONSE_ALIGNMENT = register(
    VectorMetric(
        name="response_alignment",
        label="Response alignment",
        paragraph="Whether the representations of all images move the same way: the cosine between"
        " the displacements of an image and of another one, minus that of displacements whose"
        " coordinates are shuffled over images. 0: no more alike than the coordinates by"
        " themselves make them.",
        source="paper 000, App. D",
        direction=EQUIVARIANT,
        low=-2.0,
        high=2.0,
        ends=("no more than by chance", "equivariant"),
        paired=True,
        evaluate=lambda reference, transformed, pairing, labels: (
            per_image(reference, transformed, pairing),
            None,
        ),
    )
)
