"""Accuracy under a transformation: is the transformed image still classified right?

1 where argmax of the logits is the label, else 0; the mean is top-1 accuracy. Range [0, 1], higher
is better. Not a measure of invariance by itself: a model can be accurate at a cell and still flip.
Non-finite logits give NaN, and so does a label of −1 (unknown).
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import rank


def accuracy(
    logits: Float[Tensor, "..."], labels: Integer[Tensor, "..."]
) -> Float[Tensor, " image"]:
    """Whether each image is classified right.

    Args:
        logits: [N, K].
        labels: [N], class indices; −1 for unknown.

    Returns:
        [N]: 1.0 or 0.0, NaN where logits are not finite or the label is unknown.

    Raises:
        InputError: Shapes that do not fit.

    Example:
        >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0])).tolist()
        [1.0, 0.0]
    """
    rank("N K", logits=logits)
    if labels.shape != logits.shape[:1]:
        raise InputError(
            f"labels has shape {list(labels.shape)} but logits has {list(logits.shape)}: "
            f"it must be [{len(logits)}]"
        )
    return per_image(logits, labels).to(logits.dtype)


def per_image(logits: Tensor, labels: Tensor) -> Tensor:
    """The formula for logits [..., N, K] and labels [N]: [..., N] in float64."""
    right = (logits.argmax(-1) == labels).double()
    known = logits.isfinite().all(-1) & (labels >= 0)
    return torch.where(known, right, torch.nan)
