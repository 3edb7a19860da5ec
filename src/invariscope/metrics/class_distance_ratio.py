"""Class distance ratio: how far apart are classes, measured by how far apart their images are?

    mean distance of pairs of different classes / mean distance of pairs of one class

over pairs of different images. 1: the embedding does not know the classes; above: images of one
class, which differ by the transformations, lie closer together. Range [0, ∞), higher is more
invariant to what varies within a class.

Degenerate: all images of each class equal (within distance 0) gives ∞. Source: paper 004, §4.3
(l2). The published successor reports another ratio under a similar name, for which lower is more
invariant.
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import at_least_two, rank
from invariscope.metrics.distances import all_pairs, check_distance, prepared

_ROWS = 1024  # rows of the distance matrix that are held at a time


def class_distance_ratio(
    embeddings: Float[Tensor, "..."], labels: Integer[Tensor, "..."], *, distance: str = "l2"
) -> Float[Tensor, ""]:
    """Mean between-class over mean within-class distance (paper 004, §4.3).

    Args:
        embeddings: [N, D].
        labels: [N], class indices.
        distance: "l2" or "cosine".

    Returns:
        A scalar, of the embeddings' dtype.

    Raises:
        InputError: Shapes that do not fit, an unknown distance, a single class, or no class with
            two images.

    Example:
        >>> z = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
        >>> class_distance_ratio(z, torch.tensor([0, 0, 1, 1])).item()
        10.0
    """
    check_distance(distance)
    rank("N D", embeddings=embeddings)
    at_least_two("embeddings", embeddings)
    if labels.shape != embeddings.shape[:1]:
        raise InputError(
            f"labels has shape {list(labels.shape)} but embeddings has {list(embeddings.shape)}: "
            f"it must be [{len(embeddings)}]"
        )
    z = prepared(embeddings, "cosine" if distance == "cosine" else "l2")
    sums = torch.zeros(2, dtype=z.dtype, device=z.device)
    counts = torch.zeros(2, dtype=torch.int64, device=z.device)
    for start in range(0, len(z), _ROWS):
        rows = slice(start, start + _ROWS)
        distances = all_pairs(z[rows], z, distance)
        alike = labels[rows, None] == labels[None, :]
        itself = torch.arange(len(z), device=z.device)[rows, None] == torch.arange(
            len(z), device=z.device
        )
        for place, chosen in enumerate((alike & ~itself, ~alike)):
            sums[place] += distances[chosen].sum()
            counts[place] += chosen.sum()
    if int(counts[0]) == 0:
        raise InputError("no class has two images, so there is no distance within a class")
    if int(counts[1]) == 0:
        raise InputError("all images are of one class, so there is no distance between classes")
    within, between = sums / counts
    return (between / within).to(embeddings.dtype)
