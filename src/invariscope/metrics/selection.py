"""Selects the metrics of a sweep: by default, beside others, and for a model's task."""

from collections.abc import Sequence
from dataclasses import replace

from invariscope.metrics.kinds import METRICS, Metric, VectorMetric

DEFAULT_METRICS = (
    "relative_invariance",
    "mean_relative_invariance",
    "prediction_consistency",
    "accuracy",
)
#: One number has no direction, only a size.
REGRESSION_METRICS = (*DEFAULT_METRICS, "relative_invariance:l2")


def for_task(metrics: Sequence[Metric], task: str) -> tuple[Metric, ...]:
    """Selects the metrics that apply to a model's task, in the form that fits it.

    Class scores have all. Where an image may have several labels, metrics of class scores are
    those that have a form for it. Others have no metrics of class scores.

    Example:
        >>> [metric.name for metric in for_task([METRICS.get("accuracy")], "embedding")]
        []
    """
    if task == "classification":
        return tuple(metrics)
    fit = [metric for metric in metrics if metric.at != "logits"]
    if task == "multilabel":
        fit += [
            replace(metric, evaluate=metric.multilabel)
            for metric in metrics
            if isinstance(metric, VectorMetric) and metric.multilabel is not None
        ]
    return tuple(fit)


def with_companions(names: Sequence[str]) -> list[str]:
    """Lists the names, each followed by the metrics that are measured with it, without repeats.

    Example:
        >>> with_companions(["channel_invariance"])
        ['channel_invariance', 'channel_invariance:pooled', 'dead_channels']
    """
    every = [name for first in names for name in (first, *METRICS.get(first).brings)]
    return list(dict.fromkeys(every))
