"""The metrics as a sweep uses them: a name, what it needs, and its values per image.

Most metrics take what a layer says of a block's images (reference [N, D]) and of several cells of
them (transformed [cell, N, D]), and give one value per cell and image, with a weight where the
metric is a ratio of sums. Metrics of orbits take all elements of a group, or levels of a
transformation, at once: [element, N, D]. Metrics of feature maps are computed inside the hooks
(`invariscope.sweep.maps`), Lie derivatives in passes of their own (`invariscope.sweep.lie`); here
they have their names. Add one with the `metric` decorator, or from
another package through the entry point group ``invariscope.metrics``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from invariscope.metrics.accuracy import per_image as accuracy_per_image
from invariscope.metrics.class_distance_ratio import per_image as class_distances_per_image
from invariscope.metrics.latent_eed import per_element as latent_per_element
from invariscope.metrics.mean_relative_invariance import per_image as mean_per_image
from invariscope.metrics.normalized_variance import per_element as variance_per_element
from invariscope.metrics.prediction_consistency import per_image as consistency_per_image
from invariscope.metrics.prediction_consistency import per_image_labels
from invariscope.metrics.relative_invariance import per_image as relative_per_image
from invariscope.metrics.response_alignment import per_image as alignment_per_image
from invariscope.metrics.softmax_eed import per_element as softmax_per_element
from invariscope.registry import Registry

#: (reference [N, D], transformed [cell, N, D], pairing [N], labels [N] or None) to
#: (values [cell, N], weights [cell, N] or None for weights of 1). Of orbits, transformed is the
#: whole orbit, the identity among its elements.
Evaluate = Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor | None]]
Reads = Literal[
    "vectors", "logits", "orbit", "orbit logits", "maps", "derivative", "derivative logits"
]
Unit = Literal["level", "derivative", "none"]

INVARIANT = "higher is more invariant"
EQUIVARIANT = "higher is more equivariant"
DEVIATES = "lower is more invariant"


@dataclass(frozen=True)
class SweepMetric:
    """A metric in a sweep.

    Args:
        name: The name in the table and on the command line.
        label: The name in figures.
        reads: "vectors" (measured at every layer), "logits" (at the output only), "orbit" (at every
            layer, all levels of a transformation at once), "orbit logits", "maps" (at every
            layer, inside the hooks), "derivative" (at every layer, of each transformation at the
            identity), or "derivative logits".
        evaluate: Its values per cell and image; None for those of maps and derivatives.
        low: The lower end of its range (None: unbounded).
        high: The upper end of its range (None: unbounded).
        direction: What a higher value means.
        needs_labels: Whether it can be computed only where labels are known: "targets", the
            model's outputs that stand for them, or "classes", those of the data.
        paired: Whether an image's value depends on the next image of its block as well.
        groups_only: Whether it is measured for groups only.
        at_identity: Whether level 0 belongs to its mean over levels.
        unit: Which unit stands beside its values: that of the transformation's "level", that of the
            "derivative" (per squared unit of the generator), or "none".
        brings: Metrics that are measured with it.
    """

    name: str
    label: str
    reads: Reads
    evaluate: Evaluate | None = None
    low: float | None = None
    high: float | None = 1.0
    direction: str = INVARIANT
    needs_labels: Literal["", "targets", "classes"] = ""
    paired: bool = False
    groups_only: bool = False
    at_identity: bool = False
    unit: Unit = "level"
    brings: tuple[str, ...] = ()

    @property
    def pooled(self) -> bool:
        """Whether its rows are pseudo-values of a number over the whole data set."""
        return self.name.endswith(":pooled")


METRICS: Registry[SweepMetric] = Registry("metric", "invariscope.metrics")


def metric(
    name: str,
    *,
    label: str,
    reads: Reads,
    low: float | None = None,
    high: float | None = 1.0,
    direction: str = INVARIANT,
    needs_labels: Literal["", "targets", "classes"] = "",
    paired: bool = False,
    groups_only: bool = False,
    at_identity: bool = False,
) -> Callable[[Evaluate], Evaluate]:
    """Registers a function as a sweep metric."""

    def add(evaluate: Evaluate) -> Evaluate:
        METRICS.add(
            name,
            SweepMetric(
                name, label, reads, evaluate, low, high, direction, needs_labels, paired,
                groups_only, at_identity,
            ),
        )  # fmt: skip
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


@metric("accuracy", label="accuracy", reads="logits", low=0.0, needs_labels="targets")
def _accuracy(reference, transformed, pairing, labels):
    return accuracy_per_image(transformed, labels), None


@metric(
    "response_alignment", label="response alignment", reads="vectors", low=-2.0, high=2.0,
    direction=EQUIVARIANT, paired=True,
)  # fmt: skip
def _alignment(reference, transformed, pairing, labels):
    return alignment_per_image(reference, transformed, pairing), None


@metric(
    "class_distance_ratio", label="class distance ratio", reads="vectors", low=0.0, high=None,
    needs_labels="classes", at_identity=True,
)  # fmt: skip
def _class_distances(reference, transformed, pairing, labels):
    return class_distances_per_image(transformed, labels)


@metric(
    "latent_eed", label="latent G-EED", reads="orbit", low=0.0, high=None,
    direction=DEVIATES, groups_only=True, at_identity=True,
)  # fmt: skip
def _latent_l2(reference, transformed, pairing, labels):
    return latent_per_element(transformed, "l2")


@metric(
    "latent_eed:cosine", label="latent G-EED (cosine)", reads="orbit", low=None, high=None,
    direction=DEVIATES, groups_only=True, at_identity=True,
)  # fmt: skip
def _latent_cosine(reference, transformed, pairing, labels):
    return latent_per_element(transformed, "cosine")


@metric(
    "softmax_eed", label="softmax G-EED", reads="orbit logits", low=0.0, high=None,
    direction=DEVIATES, groups_only=True, at_identity=True,
)  # fmt: skip
def _softmax(reference, transformed, pairing, labels):
    return softmax_per_element(transformed), None


@metric(
    "normalized_variance", label="normalised variance", reads="orbit", low=0.0, high=None,
    direction=DEVIATES, at_identity=True,
)  # fmt: skip
def _normalized_variance(reference, transformed, pairing, labels):
    return variance_per_element(transformed), None


def _of_maps(
    name: str,
    label: str,
    direction: str,
    *brings: str,
    low: float = -1.0,
    at_identity: bool = False,
) -> None:
    metric = SweepMetric(
        name, label, "maps", low=low, direction=direction, brings=brings, at_identity=at_identity
    )
    METRICS.add(name, metric)


_of_maps(
    "channel_invariance", "channel invariance", INVARIANT,
    "channel_invariance:pooled", "dead_channels",
)  # fmt: skip
_of_maps(
    "channel_equivariance", "channel equivariance", EQUIVARIANT,
    "channel_equivariance:pooled", "dead_channels",
)  # fmt: skip
_of_maps("channel_invariance:pooled", "channel invariance over the data set", INVARIANT)
_of_maps("channel_equivariance:pooled", "channel equivariance over the data set", EQUIVARIANT)
_of_maps("channel_invariance:cosine", "channel invariance (cosine)", INVARIANT)
_of_maps("channel_equivariance:cosine", "channel equivariance (cosine)", EQUIVARIANT)
_of_maps("channel_invariance:literal", "channel invariance (maps not moved)", INVARIANT)
_of_maps("channel_eed", "channelwise G-EED", "lower is more equivariant", at_identity=True)
_of_maps("dead_channels", "dead channels", "share of channels without a value", low=0.0)


def _of_derivatives(
    name: str, label: str, reads: Reads, *brings: str, unit: Unit = "derivative"
) -> None:
    metric = SweepMetric(
        name, label, reads, low=0.0, high=None, direction="lower is more equivariant",
        at_identity=True, unit=unit, brings=brings,
    )  # fmt: skip
    METRICS.add(name, metric)


_of_derivatives(
    "lie_derivative", "Lie derivative", "derivative",
    "lie_derivative:relative", "lie_derivative:softmax",
)  # fmt: skip
_of_derivatives("lie_derivative:relative", "Lie derivative (relative)", "derivative", unit="none")
_of_derivatives(
    "lie_derivative:softmax", "Lie derivative of the probabilities", "derivative logits"
)

DEFAULT_METRICS = (
    "relative_invariance",
    "mean_relative_invariance",
    "prediction_consistency",
    "accuracy",
)


def for_task(metrics: Sequence[SweepMetric], task: str) -> tuple[SweepMetric, ...]:
    """The metrics that a model of this task has, in the form that fits it.

    Class scores have all. Several labels per image have no accuracy and no softmax, and keep their
    prediction where every label stays on its side of 0. Others have no metrics of class scores.

    Example:
        >>> [metric.name for metric in for_task([METRICS.get("accuracy")], "embedding")]
        []
    """
    if task == "classification":
        return tuple(metrics)
    scores = ("logits", "orbit logits", "derivative logits")
    fit = [metric for metric in metrics if metric.reads not in scores]
    if task == "multilabel":
        fit += [
            replace(metric, evaluate=_labels_kept)
            for metric in metrics
            if metric.name == "prediction_consistency"
        ]
    return tuple(fit)


def _labels_kept(reference, transformed, pairing, labels):
    return per_image_labels(reference, transformed), None


def with_companions(names: list[str]) -> list[str]:
    """The names, each followed by those of the metrics that are measured with it, once each.

    Example:
        >>> with_companions(["channel_invariance"])
        ['channel_invariance', 'channel_invariance:pooled', 'dead_channels']
    """
    found = [name for first in names for name in (first, *METRICS.get(first).brings)]
    return list(dict.fromkeys(found))
