"""Accuracy under a transformation: is the transformed image still classified correctly?

1 where argmax of the logits is the label, else 0; the mean is top-1 accuracy. Range [0, 1], higher
is better. Not a measure of invariance by itself: a model can be accurate at a cell and still flip.
Non-finite logits give NaN, and so does a label of −1 (unknown). Where several outputs are right
("dog", with 118 breeds among the outputs), the label is the row of them, filled up with −1.
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from invariscope.errors import InputError
from invariscope.metrics.arguments import rank
from invariscope.metrics.kinds import VectorMetric, register


def accuracy(
    logits: Float[Tensor, "..."], labels: Integer[Tensor, "..."]
) -> Float[Tensor, " image"]:
    """Says of each image whether it is classified correctly.

    Args:
        logits: [N, K].
        labels: [N], class indices, −1 for unknown; or [N, S], the indices that are right for each
            image, filled up with −1.

    Returns:
        [N]: 1.0 or 0.0, NaN where logits are not finite or the label is unknown.

    Raises:
        InputError: Shapes that do not fit.

    Example:
        >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0])).tolist()
        [1.0, 0.0]
        >>> accuracy(torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[0, 2, -1]])).tolist()
        [1.0]
    """
    rank("N K", logits=logits)
    if labels.shape[:1] != logits.shape[:1] or labels.ndim > 2:
        raise InputError(
            f"labels has shape {list(labels.shape)} but logits has {list(logits.shape)}: "
            f"it must be [{len(logits)}] or [{len(logits)}, S]"
        )
    return per_image(logits, labels).to(logits.dtype)


def first_answers(logits: Tensor) -> Tensor:
    """Finds the class of the highest score [...]; -1, no class, where a score is no number.

    ``argmax`` alone takes NaN for the highest: a network that diverged would answer class 0.

    Example:
        >>> first_answers(torch.tensor([[0.0, 1.0], [torch.nan, torch.nan]])).tolist()
        [1, -1]
    """
    return torch.where(logits.isnan().any(-1), -1, logits.argmax(-1))


def per_image(logits: Tensor, labels: Tensor) -> Tensor:
    """The formula for logits [..., N, K] and labels [N] or [N, S]: [..., N] in float64."""
    answers = labels if labels.ndim == 2 else labels[:, None]
    right = (logits.argmax(-1)[..., None] == answers).any(-1).double()
    known = logits.isfinite().all(-1) & (answers >= 0).any(-1)
    return torch.where(known, right, torch.nan)


def _evaluate(reference: Tensor, transformed: Tensor, pairing: Tensor, labels: Tensor | None):
    assert labels is not None
    return per_image(transformed, labels), None


ACCURACY = register(
    VectorMetric(
        name="accuracy",
        label="Accuracy",
        paragraph="The share of images whose predicted class is their label.",
        low=0.0,
        ends=("all wrong", "all right"),
        estimate="share",
        at="logits",
        needs="targets",
        role="right",
        evaluate=_evaluate,
    )
)
