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

The interval is the 95 % percentile bootstrap over images of that very number: a resample draws
images once for all cells and layers, so dependent values stay together. Where neighbouring
values share an image, runs of neighbours are drawn (`intervals.py`). A cell without any defined
value is left out; n is the number of images in the cell that has the fewest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.results.cells import entry_cells
from invariscope.results.measured import Measured
from invariscope.results.rows import RowStore, Series
from invariscope.statistics.intervals import (
    Sums,
    bootstrap_replicates,
    exact_sums,
    interval_run_length,
    percentile_interval,
)

COLUMNS = (
    "model", "data", "metric", "transformation", "part", "layer", "depth",
    "value", "ci_low", "ci_high", "n",
)  # fmt: skip
IDENTITY = "identity"
_BATCH_BYTES = 64 << 20  # arrays of one layer held at a time
_DUST = 2.0**-40  # replicates this close, relative to their size, are one number


@dataclass(frozen=True)
class Scope:
    """The metrics, images and cells of each transformation that are averaged.

    Attributes:
        metrics: Names of metrics, in the order of the table.
        cells: The distinct cells of each transformation, without the identity.
        positions: The images' positions in the store, in the order in which they are resampled.
        seed: Decides the resamples.
    """

    metrics: tuple[str, ...]
    cells: Mapping[str, tuple[str, ...]]
    positions: np.ndarray
    seed: int


@dataclass(frozen=True)
class Average:
    """One average with its resamples.

    Attributes:
        metric: Name of the metric.
        transformation: Name of the transformation; None is the mean over all of them.
        part: Early, Middle, Late, Pool or Final.
        layer: Name of the layer; None is the mean over the part's layers.
        depth: The depth, 0 (first layer) to 100 per cent (last); the mean over a part's layers.
        value: The average; NaN where nothing is defined.
        replicates: float64 `[replicate]`: the same number in each resample.
        n: Images that count in the cell that has the fewest.
    """

    metric: str
    transformation: str | None
    part: str
    layer: str | None
    depth: float
    value: float
    replicates: np.ndarray
    n: int

    def interval(self) -> tuple[float, float]:
        """Both ends of the 95 % interval; NaN for fewer than two images."""
        if self.n < 2:
            return np.nan, np.nan
        known = self.replicates[np.isfinite(self.replicates)]
        if known.size and np.ptp(known) <= _DUST * np.abs(known).max():
            return self.value, self.value
        low, high = percentile_interval(self.replicates[None])
        return float(low[0]), float(high[0])


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
    cells = {name: cells[name] for name in _chosen("transformation", transformations, list(cells))}
    names = tuple(_chosen("metric", metrics, metrics_of(result.store, result.manifest)))
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
    for own in averages:
        low, high = own.interval()
        head = (settings["model"], settings["data"], own.metric, own.transformation)
        rows.append((*head, own.part, own.layer, own.depth, own.value, low, high, own.n))
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

    Memory holds the rows of one layer, and the resamples of the parts.
    """
    known = {layer["name"]: layer for layer in manifest["settings"]["layers"]}
    present = set(store.layers())
    layers = sorted(
        (layer for layer in known.values() if layer["name"] in present),
        key=lambda layer: layer["depth"],
    )
    every = len({cell for cells in scope.cells.values() for cell in cells}) + 1
    size = max(1, _BATCH_BYTES // max(1, len(store.images) * every * 9))
    for first in range(0, len(scope.metrics), size):
        batch = scope.metrics[first : first + size]
        parts: dict[tuple[str, str | None, str], _Running] = {}
        for layer in layers:
            wanted = [(metric, "") for metric in batch]
            of_layer = store.dense(layer["name"], only=wanted)
            for average in _at_layer(of_layer, layer, manifest, scope):
                yield average
                key = (average.metric, average.transformation, average.part)
                parts.setdefault(key, _Running()).add(average)
        for (metric, name, part), running in parts.items():
            yield running.mean(metric, name, part)


class _Running:
    """Accumulates the mean of averages; those without a value do not count."""

    def __init__(self):
        self._value, self._replicates, self._count, self._n = 0.0, np.zeros(1), 0, 0
        self._depths: list[float] = []

    def add(self, average: Average) -> None:
        self._depths.append(average.depth)
        if average.n == 0:
            return
        self._value += average.value
        self._replicates = self._replicates + average.replicates
        self._n = min(self._n, average.n) if self._count else average.n
        self._count += 1

    def mean(
        self, metric: str, transformation: str | None, part: str, layer: str | None = None
    ) -> Average:
        depth = float(np.mean(self._depths))
        if not self._count:
            nothing = np.full(1, np.nan)
            return Average(metric, transformation, part, layer, depth, np.nan, nothing, 0)
        value, replicates = self._value / self._count, self._replicates / self._count
        return Average(metric, transformation, part, layer, depth, value, replicates, self._n)


def _at_layer(
    of_layer: list[Series], layer: Mapping[str, Any], manifest: Mapping[str, Any], scope: Scope
) -> Iterator[Average]:
    """Yields each transformation's average at one layer, then the mean over transformations."""
    by_length: dict[int, list[Series]] = {}
    for series in of_layer:
        paired = manifest["metrics"].get(series.metric, {}).get("paired", False)
        length = interval_run_length(len(scope.positions), paired)
        by_length.setdefault(length, []).append(series)
    for length, several in by_length.items():
        columns = [
            _columns(series, scope, _at_identity(series.metric, manifest)) for series in several
        ]
        sums = _joined([part for _, part in columns])
        drawn = bootstrap_replicates(sums, run_length=length, seed=scope.seed)
        values, counts = sums.value, sums.counts.sum(axis=0)
        start = 0
        for series, (names, part) in zip(several, columns, strict=True):
            own = slice(start, start + part.numerators.shape[1])
            start = own.stop
            yield from _by_transformation(
                series.metric, names, values[own], drawn[own], counts[own], layer
            )


def _by_transformation(
    metric: str,
    names: Sequence[str],
    values: np.ndarray,
    drawn: np.ndarray,
    counts: np.ndarray,
    layer: Mapping[str, Any],
) -> Iterator[Average]:
    position = (layer["part"], layer["name"], 100.0 * layer["depth"])
    everything = _Running()
    for name in dict.fromkeys(names):
        running = _Running()
        for k in (k for k, own in enumerate(names) if own == name):
            cell = (metric, name, *position, float(values[k]), drawn[k], int(counts[k]))
            running.add(Average(*cell))
        mean = running.mean(metric, name, *position[:2])
        everything.add(mean)
        yield mean
    if names:
        yield everything.mean(metric, None, *position[:2])


def _at_identity(metric: str, manifest: Mapping[str, Any]) -> bool:
    """Says whether level 0 counts: the mean of an orbit is over all of its elements."""
    return manifest["metrics"].get(metric, {}).get("at_identity", False)


def _columns(series: Series, scope: Scope, at_identity: bool) -> tuple[list[str], Sums]:
    """Makes the columns to resample `[image, column]`, and lists the transformation of each.

    Where every value of a transformation is defined and has weight 1, the mean over its cells and
    the mean over images can be exchanged, so one column of means stands for all of its cells.
    """
    column = {cell: k for k, cell in enumerate(series.cells)}
    names: list[str] = []
    parts: list[Sums] = []
    for name, cells in scope.cells.items():
        wanted = (IDENTITY, f"{name}: {IDENTITY}", *cells) if at_identity else cells
        picked = [column[cell] for cell in wanted if cell in column]
        if not picked:
            continue
        where = np.ix_(scope.positions, np.array(picked))
        values = series.values[where].astype(np.float64)
        if series.weights is None and np.isfinite(values).all():
            values = values.mean(axis=1, keepdims=True)
            parts.append(exact_sums(values))
        elif series.weights is None:
            parts.append(exact_sums(values))
        else:
            parts.append(exact_sums(values, series.weights[where]))
        names += [name] * parts[-1].numerators.shape[1]
    return names, _joined(parts) if parts else exact_sums(np.empty((len(scope.positions), 0)))


def _joined(parts: Sequence[Sums]) -> Sums:
    """Joins columns side by side."""
    return Sums(
        *(
            np.concatenate([getattr(part, name) for part in parts], axis=1)
            for name in ("numerators", "denominators", "counts")
        )
    )


def _chosen(kind: str, names: str | Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """Chooses the wanted names among the run's, in the order in which they are wanted."""
    if names is None:
        return list(known)
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in known:
            raise unknown_name(f"{kind} of this result", name, known)
    return list(dict.fromkeys(wanted))
