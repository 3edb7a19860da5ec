"""Length ratio: does a representation keep its length?

    ratio = min(‖z′‖, ‖z‖) / max(‖z′‖, ‖z‖)

1: it does; 0: one of both is zero. Range [0, 1]. NaN where both are zero.
"""

from torch import Tensor

from invariscope.metrics import VectorMetric


def per_image(reference: Tensor, transformed: Tensor, pairing: Tensor, labels: Tensor | None):
    """The ratio of each cell and image; all images weigh the same."""
    before, after = reference.double().norm(dim=-1), transformed.double().norm(dim=-1)
    return after.minimum(before) / after.maximum(before), None


LENGTH_RATIO = VectorMetric(
    name="length_ratio",
    label="Length kept",
    paragraph="The shorter of two representations in units of the longer one.",
    low=0.0,
    ends=("another length", "the same length"),
    evaluate=per_image,
)
