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
    low, high = about.get("range", (None, None))
    certain = about.get("role") == "kept"
    made = estimate(
        np.asarray(values, dtype=np.float64),
        weights,
        kind=about.get("estimate", "mean" if weights is None else "ratio"),
        neighbours=about.get("paired", False),
        classes=labels if about.get("needs") == "classes" else None,
        bounds=(low, high),
    )
    if certain:
        made.share[[cell == IDENTITY for cell in cells]] = False
    return made.at_any_time(manifest.get("execution", {}).get("precision") is not None)
