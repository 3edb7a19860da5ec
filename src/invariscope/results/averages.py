"""Averages of a run over levels, transformations and layers, with intervals over images.

An average at a layer is the mean of the summary's values at the distinct cells of a transformation:
level 0 and whatever else is the identity do not count, and equal cells count once. The average of a
part (Early, Middle, Late, Pool, Final) is the mean over its layers, the average over all
transformations the mean over transformations. Every cell of a transformation, every layer of a part
and every transformation has the same weight. In symbols, for images i, cells c, layers l,

    mean over l of mean over c of (sum over i of value · weight) / (sum over i of weight),

which for metrics without weights is the mean over images of each image's mean over cells and
layers. Weights differ by orders of magnitude between layers (distances grow with the scale of the
features), so sums over layers would let one layer decide for its part.

The interval is that of the very number (`statistics.estimates`): what an image contributes to an
average is the mean of what it contributes to its cells and layers, so what moves together stays
together. A cell without any defined value is left out; n is the number of images in the cell that
has the fewest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.results.cells import entry_cells
from invariscope.results.estimated import IDENTITY, estimated
from invariscope.results.measured import Measured
from invariscope.results.rows import RowStore, Series
from invariscope.statistics.estimates import Estimates, intervals, join

COLUMNS = (
    "model", "data", "metric", "transformation", "part", "layer", "depth",
    "value", "ci_low", "ci_high", "n",
)  # fmt: skip
_BATCH_BYTES = 64 << 20  # arrays of one layer held at a time
_TOGETHER = 1 << 9  # averages whose intervals share resamples


@dataclass(frozen=True)
class Scope:
    """The metrics, images and cells of each transformation that are averaged.

    Attributes:
        metrics: Names of metrics, in the order of the table.
        cells: The distinct cells of each transformation, without the identity.
        positions: The images' positions in the store, in the order in which they are resampled.
        seed: Decides the resamples.
        anytime: Whether a run among those compared stopped by itself, so that the intervals of all
            must hold at any time.
    """

    metrics: tuple[str, ...]
    cells: Mapping[str, tuple[str, ...]]
    positions: np.ndarray
    seed: int
    anytime: bool = False


@dataclass(frozen=True)
class Average:
    """One average, and what each image contributes to it.

    Attributes:
        metric: Name of the metric.
        transformation: Name of the transformation; None is the mean over all of them.
        part: Early, Middle, Late, Pool or Final.
        layer: Name of the layer; None is the mean over the part's layers.
        depth: Where it lies: 0 (first layer) to 100 per cent (last); the mean over a part's layers.
        estimate: The average, as a single cell; NaN where nothing is defined.
    """

    metric: str
    transformation: str | None
    part: str
    layer: str | None
    depth: float
    estimate: Estimates

    @property
    def value(self) -> float:
        """The average; NaN where nothing is defined."""
        return float(self.estimate.value[0])

    @property
    def n(self) -> int:
        """Images that count in the cell that has the fewest."""
        return int(self.estimate.n[0])


def averages(
    result: Measured,
    metrics: str | Sequence[str] | None = None,
    transformations: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Computes the averages of a run; `Result.averages` says what the frame holds.

    Raises:
        InputError: The run has no such metric or transformation, or none with a level above 0.
    """
    cells = cells_of(result.manifest["settings"]["cells"])
    if not cells:
        raise InputError("the run has no level above 0 to average: measure a transformation")
    cells = {name: cells[name] for name in chosen("transformation", transformations, list(cells))}
    names = tuple(chosen("metric", metrics, metrics_of(result.store, result.manifest)))
    positions = np.arange(len(result.store.images))
    scope = Scope(names, cells, positions, result.manifest["settings"]["seed"])
    return frame_of(iterate(result.store, result.manifest, scope), result.manifest, scope)


def frame_of(
    averages: Iterable[Average],
    manifest: Mapping[str, Any],
    scope: Scope,
) -> pd.DataFrame:
    """Puts averages into a frame by metric and transformation (all last), parts before layers."""
    settings = manifest["settings"]
    rows = []
    averages = iter(averages)
    while some := list(islice(averages, _TOGETHER)):
        ends = intervals([average.estimate for average in some], seed=scope.seed)
        for average, (low, high) in zip(some, ends, strict=True):
            head = (settings["model"], settings["data"], average.metric, average.transformation)
            place = (average.part, average.layer, average.depth)
            rows.append((*head, *place, average.value, low[0], high[0], average.n))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    metrics = {name: number for number, name in enumerate(scope.metrics)}
    names = {name: number for number, name in enumerate(scope.cells)}
    order = np.lexsort(
        [
            frame["layer"].notna(),
            frame["transformation"].map(names).fillna(len(names)),
            frame["metric"].map(metrics),
        ]
    )
    return frame.iloc[order].reset_index(drop=True)


def metrics_of(store: RowStore, manifest: Mapping[str, Any]) -> list[str]:
    """Lists the metrics that have rows of the measurement, in the manifest's order."""
    measured = {
        metric for layer in store.layers() for metric, control in store.series(layer) if not control
    }
    known = [name for name in manifest["settings"]["metrics"] if name in measured]
    return known + sorted(measured.difference(known))


def cells_of(entries: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Lists the distinct cells of each transformation, without the identity, in all forms.

    Args:
        entries: The cells of a manifest's settings.

    Example:
        >>> entry = {"transformation": "bits", "level": 1, "cell": "posterize=6"}
        >>> cells_of([entry, {**entry, "level": 2}, {**entry, "cell": "identity"}])
        {'bits': ('posterize=6',)}
    """
    known: dict[str, dict[str, None]] = {}
    for entry in entries:
        if entry["cell"] != IDENTITY:  # level 0 of every transformation is the identity
            known.setdefault(entry["transformation"], {}).update(dict.fromkeys(entry_cells(entry)))
        elif "derivative_cell" in entry:  # taken at the identity, but not of it
            known.setdefault(entry["transformation"], {})[entry["derivative_cell"]] = None
    return {name: tuple(cells) for name, cells in known.items()}


def iterate(store: RowStore, manifest: Mapping[str, Any], scope: Scope) -> Iterator[Average]:
    """Yields the averages of every layer in depth order, then of the parts; metrics in batches.

    Memory holds the rows of one layer, and what each image contributes to the averages.
    """
    known = {layer["name"]: layer for layer in manifest["settings"]["layers"]}
    present = set(store.layers())
    layers = sorted(
        (layer for layer in known.values() if layer["name"] in present),
        key=lambda layer: layer["depth"],
    )
    labels = store.labels[scope.positions]
    every = len({cell for cells in scope.cells.values() for cell in cells}) + 1
    size = max(1, _BATCH_BYTES // max(1, len(store.images) * every * 9))
    for first in range(0, len(scope.metrics), size):
        batch = scope.metrics[first : first + size]
        parts: dict[tuple[str, str | None, str], list[Average]] = {}
        for layer in layers:
            wanted = [(metric, "") for metric in batch]
            for series in store.dense(layer["name"], only=wanted):
                for average in at_layer(series, layer, manifest, scope, labels):
                    yield average
                    key = (average.metric, average.transformation, average.part)
                    parts.setdefault(key, []).append(average)
        for (metric, name, part), own in parts.items():
            depth = float(np.mean([average.depth for average in own]))
            whole = join([average.estimate for average in own]).mean()
            yield Average(metric, name, part, None, depth, whole)


def at_layer(
    series: Series,
    layer: Mapping[str, Any],
    manifest: Mapping[str, Any],
    scope: Scope,
    labels: np.ndarray,
) -> Iterator[Average]:
    """Yields each transformation's average at one layer, then the mean over transformations.

    Args:
        series: The rows of a metric there.
        layer: What the manifest says of the layer.
        manifest: The run's.
        scope: The images and cells.
        labels: The class of each image of the scope.
    """
    position = (layer["part"], layer["name"], 100.0 * layer["depth"])
    about = manifest["metrics"].get(series.metric, {})
    column = {cell: k for k, cell in enumerate(series.cells)}
    means = []
    for name, cells in scope.cells.items():
        # The mean of an orbit is over all of its elements, the identity among them.
        level_0 = (IDENTITY, f"{name}: {IDENTITY}") if about.get("at_identity") else ()
        cells = [cell for cell in (*level_0, *cells) if cell in column]
        if not cells:
            continue
        where = np.ix_(scope.positions, np.array([column[cell] for cell in cells]))
        weights = None if series.weights is None else series.weights[where]
        own = estimated(series.values[where], weights, cells, manifest, series.metric, labels)
        means.append(own.at_any_time(scope.anytime or own.anytime).mean())
        yield Average(series.metric, name, *position, means[-1])
    if means:
        yield Average(series.metric, None, *position, join(means).mean())


def chosen(kind: str, names: str | Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """Chooses the wanted names among the run's, in the order in which they are wanted."""
    if names is None:
        return list(known)
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in known:
            raise unknown_name(f"{kind} of this result", name, known)
    return list(dict.fromkeys(wanted))
