"""Estimates of a run's cells, by what its manifest says of the metric."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from invariscope.statistics.estimates import Estimates, estimate

#: The cell of the images as they are.
IDENTITY = "identity"


def estimated(
    values: np.ndarray,
    weights: np.ndarray | None,
    cells: Sequence[str],
    manifest: Mapping[str, Any],
    metric: str,
    labels: np.ndarray | None = None,
) -> Estimates:
    """Estimates each cell from its rows.

    An image whose prediction is compared with itself keeps it for certain, so the interval of that
    cell is the value.

    Args:
        values: [image, cell], images in the run's order.
        weights: [image, cell]; None is 1 everywhere.
        cells: The name of each cell.
        manifest: The run's: what it says of the metric, and whether the run stopped by itself.
        metric: Name of the metric.
        labels: The class of each image, [image]; -1 where it has none.

    Example:
        >>> manifest = {"metrics": {"kept": {"estimate": "share", "role": "kept"}}}
        >>> cells = ["identity", "rotate=90"]
        >>> low, _ = estimated(np.ones((32, 2)), None, cells, manifest, "kept").interval(seed=0)
        >>> low.round(3).tolist()
        [1.0, 0.891]
    """
    about = manifest["metrics"].get(metric, {})
    rule = rule_of(about, labels, weighted=weights is not None)
    low, high = about.get("range", (None, None))
    made = estimate(np.asarray(values, dtype=np.float64), weights, **rule, bounds=(low, high))
    if about.get("role") == "kept":
        made.share[[cell == IDENTITY for cell in cells]] = False
    return made.at_any_time(stopped_by_itself(manifest))


def rule_of(
    about: Mapping[str, Any], labels: np.ndarray | None, *, weighted: bool
) -> dict[str, Any]:
    """Says how a metric's rows are estimated, as arguments of `statistics.estimates.estimate`.

    Args:
        about: What the manifest says of the metric.
        labels: The class of each image, [image].
        weighted: Whether rows have weights.
    """
    return {
        "kind": about.get("estimate", "ratio" if weighted else "mean"),
        "neighbours": about.get("paired", False),
        "classes": labels if about.get("needs") == "classes" else None,
    }


def stopped_by_itself(manifest: Mapping[str, Any]) -> bool:
    """Says whether a run has looked at its intervals, so that they must hold at any time."""
    execution = manifest.get("execution", {})
    return execution.get("precision") is not None or execution.get("looked", False)
