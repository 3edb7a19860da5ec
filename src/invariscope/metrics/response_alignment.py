"""Response alignment: do all images move the same way in embedding space when they are transformed?

    alignment_i = cos(D_i, D_p(i)) − cos(B_i, B_p(i)),   D = z − z′,   B[i, k] = D[shuffle[i, k], k]

D_i is how image i responds to the transformation, p pairs it with another image, and B is the same
responses with every coordinate shuffled over the images on its own: it keeps what each coordinate
does and destroys what they do together. Above 0: responses point the same way, as an equivariant
embedding's do; 0: no more than chance. A difference of cosines, range [−2, 2]; higher is more
equivariant. An invariant embedding has no response to align.

Degenerate: a response of zero length (the identity) has no direction: NaN. Source: paper 000, App.
D. The published code lets p and the shuffles have fixed points and gives about 0 at the identity.
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least_two, rank, same_shape, valid_pairing
from invariscope.metrics.distances import double


def response_alignment(
    embeddings: Float[Tensor, "..."],
    transformed: Float[Tensor, "..."],
    *,
    pairing: Integer[Tensor, "..."],
    shuffle: Integer[Tensor, "..."],
) -> Float[Tensor, " image"]:
    """Alignment of each image's response with its partner's (paper 000, App. D).

    Args:
        embeddings: [N, D], of the images.
        transformed: [N, D], of the transformed images, in the same order.
        pairing: [N], for each image the index of its partner.
        shuffle: [N, D], column k is the order in which coordinate k is shuffled over the images.

    Returns:
        [N] in [−2, 2], of the embeddings' dtype; NaN where a response is zero.

    Raises:
        InputError: Shapes that do not fit, indices out of range.

    Example:
        >>> z = torch.zeros(3, 2)
        >>> moved = torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
        >>> order = torch.tensor([[1, 2], [2, 0], [0, 1]])
        >>> response_alignment(z, moved, pairing=torch.tensor([1, 2, 0]), shuffle=order).tolist()
        [0.0, 0.0, 0.0]
    """
    rank("N D", embeddings=embeddings, transformed=transformed, shuffle=shuffle)
    same_shape(embeddings=embeddings, transformed=transformed, shuffle=shuffle)
    at_least_two("embeddings", embeddings)
    pairing = valid_pairing(pairing, len(embeddings))
    if not (0 <= int(shuffle.min()) and int(shuffle.max()) < len(embeddings)):
        raise InputError(f"shuffle must hold indices from 0 to {len(embeddings) - 1}")
    response = double(embeddings) - double(transformed)
    shuffled = response.gather(0, shuffle.long())
    aligned = _cosine(response, response[pairing]) - _cosine(shuffled, shuffled[pairing])
    return aligned.to(embeddings.dtype)


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cos [N] of rows; NaN where one is zero."""
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))


def column_shuffle(
    count: int, size: int, generator: torch.Generator
) -> Integer[Tensor, "image element"]:
    """A shuffle [count, size] for `response_alignment`: each column its own random permutation.

    Example:
        >>> order = column_shuffle(4, 3, torch.Generator().manual_seed(0))
        >>> order.sort(0).values[:, 0].tolist()
        [0, 1, 2, 3]
    """
    return torch.rand(count, size, generator=generator, dtype=torch.float64).argsort(0)
