"""Prediction consistency: does the transformed image get the same answer?

1 where argmax of the logits is unchanged, 0 where it flips; the mean is the share of images whose
top-1 prediction survives (the "shift consistency" of Zhang 2019 when T is a shift). Range [0, 1],
higher is more invariant. It rises with confidence and accuracy, so read it beside them. Non-finite
logits give NaN; ties go to the lower class index, on both sides alike.

With several labels per image: 1 where every label stays on its side of the threshold 0 (a
probability of one half), 0 where one of them changes sides.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from invariscope.metrics.arguments import rank, same_shape
from invariscope.metrics.kinds import VectorMetric, register


def prediction_consistency(
    logits: Float[Tensor, "..."], transformed: Float[Tensor, "..."]
) -> Float[Tensor, " image"]:
    """Says of each image whether it keeps its predicted class.

    Args:
        logits: [N, K], of the images.
        transformed: [N, K], of the transformed images, in the same order.

    Returns:
        [N]: 1.0 or 0.0, NaN where logits are not finite.

    Raises:
        InputError: Shapes that do not fit.

    Example:
        >>> a = torch.tensor([[2.0, 1.0], [0.0, 1.0]])
        >>> prediction_consistency(a, a.flip(1)).tolist()
        [0.0, 0.0]
    """
    rank("N K", logits=logits, transformed=transformed)
    same_shape(logits=logits, transformed=transformed)
    return per_image(logits, transformed).to(logits.dtype)


def per_image(reference: Tensor, transformed: Tensor) -> Tensor:
    """The formula for reference [N, K] and transformed [..., N, K]: [..., N] in float64."""
    same = (transformed.argmax(-1) == reference.argmax(-1)).double()
    return _where_finite(same, reference, transformed)


def per_image_labels(reference: Tensor, transformed: Tensor) -> Tensor:
    """The same where an image may have several labels, each present above 0."""
    same = ((transformed > 0) == (reference > 0)).all(-1).double()
    return _where_finite(same, reference, transformed)


def _where_finite(same: Tensor, reference: Tensor, transformed: Tensor) -> Tensor:
    finite = transformed.isfinite().all(-1) & reference.isfinite().all(-1)
    return torch.where(finite, same, torch.nan)


PREDICTION_CONSISTENCY = register(
    VectorMetric(
        name="prediction_consistency",
        label="Prediction kept",
        paragraph="The share of images whose predicted class under the transformation is the one"
        " predicted without it, right or wrong.",
        source="Zhang (2019), where the transformation is a shift",
        low=0.0,
        ends=("another answer", "the same answer"),
        at="logits",
        role="kept",
        evaluate=lambda reference, transformed, *_: (per_image(reference, transformed), None),
        multilabel=lambda reference, transformed, *_: (
            per_image_labels(reference, transformed),
            None,
        ),
    )
)
