"""The metrics as a sweep uses them: a name, what it needs, and its values per image.

A sweep metric takes what a layer says of a block's images (reference [N, D]) and of several cells
of them (transformed [cell, N, D]), and gives one value per cell and image, with a weight where the
metric is a ratio of sums. Add one with the `metric` decorator, or from another package through the
entry point group ``invariscope.metrics``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from invariscope.metrics.accuracy import per_image as accuracy_per_image
from invariscope.metrics.mean_relative_invariance import per_image as mean_per_image
from invariscope.metrics.prediction_consistency import per_image as consistency_per_image
from invariscope.metrics.relative_invariance import per_image as relative_per_image
from invariscope.registry import Registry

#: (reference [N, D], transformed [cell, N, D], pairing [N], labels [N] or None) to
#: (values [cell, N], weights [cell, N] or None for weights of 1).
Evaluate = Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class SweepMetric:
    """A metric in a sweep.

    Args:
        name: The name in the table and on the command line.
        label: The name in figures.
        reads: "vectors" (measured at every layer) or "logits" (at the output only).
        evaluate: Its values per cell and image.
        low: The lower end of its range (None: unbounded).
        high: The upper end of its range.
        needs_labels: Whether it can be computed only where labels are known.
        paired: Whether an image's value depends on the next image of its block as well.
    """

    name: str
    label: str
    reads: Literal["vectors", "logits"]
    evaluate: Evaluate
    low: float | None = None
    high: float = 1.0
    needs_labels: bool = False
    paired: bool = False


METRICS: Registry[SweepMetric] = Registry("metric", "invariscope.metrics")


def metric(
    name: str,
    *,
    label: str,
    reads: Literal["vectors", "logits"],
    low: float | None = None,
    high: float = 1.0,
    needs_labels: bool = False,
    paired: bool = False,
) -> Callable[[Evaluate], Evaluate]:
    """Registers a function as a sweep metric."""

    def add(evaluate: Evaluate) -> Evaluate:
        METRICS.add(
            name, SweepMetric(name, label, reads, evaluate, low, high, needs_labels, paired)
        )
        return evaluate

    return add


@metric("relative_invariance", label="relative invariance", reads="vectors", paired=True)
def _relative_cosine(reference, transformed, pairing, labels):
    return relative_per_image(reference, transformed, pairing, "cosine"), None


@metric("relative_invariance:l2", label="relative invariance (l2)", reads="vectors", paired=True)
def _relative_l2(reference, transformed, pairing, labels):
    return relative_per_image(reference, transformed, pairing, "l2"), None


@metric("mean_relative_invariance", label="mean relative invariance", reads="vectors")
def _mean_cosine(reference, transformed, pairing, labels):
    return mean_per_image(reference, transformed, "cosine")


@metric("mean_relative_invariance:l2", label="mean relative invariance (l2)", reads="vectors")
def _mean_l2(reference, transformed, pairing, labels):
    return mean_per_image(reference, transformed, "l2")


@metric("prediction_consistency", label="prediction consistency", reads="logits", low=0.0)
def _consistency(reference, transformed, pairing, labels):
    return consistency_per_image(reference, transformed), None


@metric("accuracy", label="accuracy", reads="logits", low=0.0, needs_labels=True)
def _accuracy(reference, transformed, pairing, labels):
    return accuracy_per_image(transformed, labels), None


DEFAULT_METRICS = (
    "relative_invariance",
    "mean_relative_invariance",
    "prediction_consistency",
    "accuracy",
)
