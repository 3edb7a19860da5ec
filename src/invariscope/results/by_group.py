"""Compares groups of images that came from a file: each with all others, metric by metric.

A group's value is the average over levels of `results.averages` over its images alone, at the
embedding or the logits; "others" is the same over the images that are known not to belong to it.
The difference of the two has the interval of two independent samples (`statistics.independent`);
q is adjusted for the false discovery rate over all rows of the table (Benjamini and Hochberg 1995).
Groups of fewer than five images have their value, and no difference is tested.

Groups overlap and are not drawn at random: that images which share one flip more does not say that
it is the reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.results.averages import Average, Scope, at_layer, cells_of, chosen, metrics_of
from invariscope.results.measured import Measured
from invariscope.results.membership import FEWEST, Members, groups_of
from invariscope.results.rows import Series
from invariscope.results.summary import CLASS_LAYERS
from invariscope.statistics.estimates import intervals
from invariscope.statistics.independent import independent_difference
from invariscope.statistics.ranking import adjusted

COLUMNS = (
    "metric", "transformation", "layer", "group", "n", "value", "ci_low", "ci_high", "n_others",
    "others", "difference", "difference_low", "difference_high", "p", "q",
)  # fmt: skip


def by_group(
    result: Measured,
    metrics: str | Sequence[str] | None = None,
    transformations: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Tabulates each group against the others; see `Result.by_group`."""
    members = groups_of(result.image_groups, result.store.images)
    if not members:
        raise InputError(
            "the run has no groups of images: measure with image_groups=FILE (--image-groups), a "
            "table with a row for each image"
        )
    manifest = result.manifest
    cells = cells_of(manifest["settings"]["cells"])
    cells = {name: cells[name] for name in chosen("transformation", transformations, list(cells))}
    names = chosen("metric", metrics, metrics_of(result.store, manifest))
    # Rows of a number over the data set say nothing of some of its images.
    names = [name for name in names if not manifest["metrics"].get(name, {}).get("pooled")]
    found = [
        row
        for layer in manifest["settings"]["layers"]
        if layer["name"] in CLASS_LAYERS
        for series in result.store.dense(layer["name"], only=[(name, "") for name in names])
        for row in _rows(_Place(result, layer, series, cells), members)
    ]
    frame = pd.DataFrame(found, columns=list(COLUMNS[:-1]))
    frame["q"] = adjusted(frame["p"].to_numpy(float))
    order = {name: number for number, name in enumerate(names)}
    return frame.sort_values(
        "metric", key=lambda column: column.map(order), kind="stable", ignore_index=True
    )


@dataclass(frozen=True)
class _Place:
    """One metric at one layer."""

    result: Measured
    layer: dict[str, Any]
    series: Series
    cells: dict[str, tuple[str, ...]]

    def averages(self, positions: np.ndarray) -> list[Average]:
        """Of each transformation, over some images, then over all transformations."""
        manifest = self.result.manifest
        seed = manifest["settings"]["seed"]
        scope = Scope((self.series.metric,), self.cells, positions, seed)
        labels = self.result.store.labels[positions]
        return list(at_layer(self.series, self.layer, manifest, scope, labels))


def _rows(place: _Place, members: Sequence[Members]) -> Iterator[tuple]:
    seed = place.result.manifest["settings"]["seed"]
    for group in members:
        inside, outside = group.rows, group.others
        if not len(inside):
            continue
        own = place.averages(inside)
        ends = intervals([average.estimate for average in own], seed=seed) if own else []
        rest = place.averages(outside) if len(outside) else [None] * len(own)
        for average, (low, high), other in zip(own, ends, rest, strict=True):
            head = (average.metric, average.transformation, average.layer, group.name, average.n)
            value = (average.value, low[0], high[0])
            yield (*head, *value, *_held(average, other))


def _held(average: Average, other: Average | None) -> tuple[float, ...]:
    """Others, and the difference from them, tested where both sides have images enough."""
    if other is None:
        return 0, *[np.nan] * 5
    numbers = [float(part[0]) for part in independent_difference(average.estimate, other.estimate)]
    if min(average.n, other.n) < FEWEST:
        numbers[1:] = [np.nan] * 3
    return other.n, other.value, *numbers
