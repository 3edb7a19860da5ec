"""Computes the summary: one row per control, metric, (transformation, level), layer and class.

| column | meaning |
|---|---|
| control, metric, transformation, level, magnitude, unit, kind | what; control "": measured |
| unit | of the magnitude; of a Lie derivative: of the value ("per radian²"), "" of relative ones |
| layer, part | where |
| class | name of the class, null: all images |
| value, ci_low, ci_high | Σ value·weight / Σ weight, 95 % interval; null if n is 0 (interval: 1) |
| q25, median, q75 | how the values spread over images; null for ratio metrics (weights not 1) |
| n, n_undefined | images that count, images whose value is undefined |
| model, data | of the run |

Rows come in the order: control, metric, transformation, level, layer, class; the first five as the
manifest lists them. The same rows give the same bytes, whatever computed them in how many parts.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from invariscope.errors import InputError
from invariscope.results.cells import entry_cells, unit_beside
from invariscope.results.estimated import estimated
from invariscope.results.row_table import ANSWER
from invariscope.results.rows import RowStore, Series
from invariscope.runs.tables import read_run_table, write_run_table

SUMMARY = "summary.parquet"
CLASS_LAYERS = ("embedding", "logits")
_BATCH_BYTES = 64 << 20  # arrays of one layer held at a time
_NUMBERS = ("value", "ci_low", "ci_high", "q25", "median", "q75")
_COUNTS = ("n", "n_undefined")

SUMMARY_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("control", "metric", "transformation")]
    + [("level", pa.int64()), ("magnitude", pa.float64())]
    + [(name, pa.string()) for name in ("unit", "kind", "layer", "part", "class")]
    + [(name, pa.float64()) for name in _NUMBERS]
    + [(name, pa.int64()) for name in _COUNTS]
    + [("model", pa.string()), ("data", pa.string())]
)


def summarise(store: RowStore, manifest: dict[str, Any]) -> pd.DataFrame:
    """Computes the summary of the rows of a run.

    Args:
        store: The rows.
        manifest: The run's manifest; `settings` says which (transformation, level) each cell is,
            the order of layers and metrics, and the seed of the resampling.

    Returns:
        A frame with the columns of `SUMMARY_SCHEMA`.

    Raises:
        InputError: The rows name a cell that the manifest does not, or a file is damaged.
    """
    settings = manifest["settings"]
    cells = {cell for entry in settings["cells"] for cell in entry_cells(entry)}
    layers = ordered([layer["name"] for layer in settings["layers"]], store.layers())
    parts: list[dict[str, Any]] = []
    for layer in layers:
        for batch in _batches(store, layer, len(cells)):
            for series in store.dense(layer, only=batch):
                _check_cells(series, cells)
                parts.extend(_series_rows(series, layer, store.labels, manifest))
    return _frame(parts, layers, manifest)


def write_summary(folder: str | os.PathLike[str], frame: pd.DataFrame, run: str = "") -> Path:
    """Writes `summary.parquet` of a run folder, whole or not at all; `run` is its identity.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    return write_run_table(Path(folder) / SUMMARY, frame, SUMMARY_SCHEMA, run)


def read_summary(folder: str | os.PathLike[str], run: str | None = None) -> pd.DataFrame:
    """Reads `summary.parquet` of a run folder.

    Raises:
        InputError: The file is missing, damaged, lacks columns, or is not of the run whose identity
            is given.
    """
    remedy = "delete the file, and it is computed again from the rows"
    path = Path(folder) / SUMMARY
    return read_run_table(path, SUMMARY_SCHEMA, run, "numbers", remedy).to_pandas()


def undefined(frame: pd.DataFrame) -> list[str]:
    """Says which metrics have no value at some levels and layers, since no image has one.

    Level 0 does not count: metrics of how images move are undefined where none does.
    """
    whole = frame[frame["class"].isna() & (frame["control"] == "") & (frame["level"] > 0)]
    notes = []
    for metric, rows in whole.groupby("metric", sort=False):
        none = rows[rows["n"] == 0]
        if len(none):
            first = none.iloc[0]
            notes.append(
                f"{metric} is undefined for every image at {len(none)} of {len(rows)} levels and "
                f"layers, the first: {first.transformation} at level {first.level}, {first.layer}"
            )
    return notes


def ordered(first: list[str], present: Any) -> list[str]:
    """Orders names: those of `first` that are present, in that order, then the rest by name.

    Example:
        >>> ordered(["b", "a", "x"], ["c", "a", "b"])
        ['b', 'a', 'c']
    """
    present = set(present)
    known = [name for name in dict.fromkeys(first) if name in present]
    return known + sorted(present.difference(known))


def _batches(store: RowStore, layer: str, cells: int) -> Iterator[list[tuple[str, str]]]:
    """Yields (metric, control) pairs whose arrays fit in memory; each reads the layer once."""
    pairs = [pair for pair in store.series(layer) if pair[1] != ANSWER]
    size = max(1, len(store.images) * cells * 9)  # float32 values and weights, bool presence
    count = max(1, _BATCH_BYTES // size)
    for first in range(0, len(pairs), count):
        yield pairs[first : first + count]


def _check_cells(series: Series, cells: set[str]) -> None:
    unknown = [cell for cell in series.cells if cell not in cells]
    if unknown:
        raise InputError(
            f"the rows of {series.metric} name the cell {unknown[0]!r}, which the manifest does "
            "not list: rows and manifest are of different runs; measure again into a new folder"
        )


def _series_rows(
    series: Series, layer: str, labels: np.ndarray, manifest: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Statistics of all images, then of each class, as columns over the series' cells."""
    common = {"layer": layer, "metric": series.metric, "control": series.control}
    everything = np.arange(len(labels))
    yield {**common, "class": -1, **_statistics(series, everything, labels, manifest)}
    # Rows of a number over the data set say nothing of some of its images.
    pooled = manifest["metrics"].get(series.metric, {}).get("pooled", False)
    if series.control or layer not in CLASS_LAYERS or pooled:
        return
    order = np.argsort(labels, kind="stable")
    names, starts = np.unique(labels[order], return_index=True)
    for name, images in zip(names, np.split(order, starts[1:]), strict=True):
        if name >= 0:
            yield {**common, "class": int(name), **_statistics(series, images, labels, manifest)}


def _statistics(
    series: Series, images: np.ndarray, labels: np.ndarray, manifest: dict[str, Any]
) -> dict[str, Any]:
    labels = labels[images]
    values = series.values[images].astype(np.float64)
    weights = None if series.weights is None else series.weights[images]
    present = series.present[images]
    # Images without any row (a control measured on fewer images) are no part of the sample.
    used = present.any(axis=1)
    if not used.all():
        values, present, labels = values[used], present[used], labels[used]
        weights = None if weights is None else weights[used]
    made = estimated(values, weights, series.cells, manifest, series.metric, labels)
    low, high = made.interval(seed=manifest["settings"]["seed"])
    value, n = made.value, made.n
    quartiles = np.full((3, len(n)), np.nan) if weights is not None else _quartiles(values)
    columns = dict(zip(_NUMBERS, (value, low, high, *quartiles), strict=True))
    rows = present.sum(axis=0)
    return {"cells": series.cells, **columns, "n": n, "n_undefined": rows - n, "rows": rows}


def _quartiles(values: np.ndarray) -> np.ndarray:
    """25 %, 50 % and 75 % quantile of the finite values of each column, NaN where there is none."""
    result = np.full((3, values.shape[1]), np.nan)
    whole = np.isfinite(values).all(axis=0) & (len(values) > 0)
    if whole.any():
        result[:, whole] = np.quantile(values[:, whole], [0.25, 0.5, 0.75], axis=0)
    for cell in np.flatnonzero(~whole):
        finite = values[np.isfinite(values[:, cell]), cell]
        if finite.size:
            result[:, cell] = np.quantile(finite, [0.25, 0.5, 0.75])
    return result


def _frame(
    parts: list[dict[str, Any]], layers: list[str], manifest: dict[str, Any]
) -> pd.DataFrame:
    """Expands cells to (transformation, level), sorts, and names everything."""
    settings = manifest["settings"]
    entries = settings["cells"]
    metrics = ordered(settings["metrics"], (part["metric"] for part in parts))
    controls = ordered(["", *settings.get("controls", [])], (part["control"] for part in parts))
    codes, picked = _expand(parts, entries, layers, metrics, controls)
    order = np.lexsort([codes[key] for key in ("class", "layer", "entry", "metric", "control")])
    codes = {key: column[order] for key, column in codes.items()}
    entry_order, classes = codes["entry"], manifest.get("classes")
    depth = {layer["name"]: layer["part"] for layer in settings["layers"]}
    names = {
        "control": (controls, codes["control"]),
        "metric": (metrics, codes["metric"]),
        "layer": (layers, codes["layer"]),
        "part": ([depth.get(layer, "") for layer in layers], codes["layer"]),
        "model": ([settings["model"]], np.zeros_like(entry_order)),
        "data": ([settings["data"]], np.zeros_like(entry_order)),
    }
    arrays: dict[str, pa.Array] = {}
    sorted_entries = _sorted_entries(entries)
    arrays["unit"] = _units(sorted_entries, metrics, manifest["metrics"], codes)
    for key in ("transformation", "level", "magnitude", "kind"):
        kind = SUMMARY_SCHEMA.field(key).type
        column = pa.array([entry[key] for entry in sorted_entries], kind)
        arrays[key] = column.take(pa.array(entry_order))
    for key, (choices, code) in names.items():
        arrays[key] = pa.array(choices, pa.string()).take(pa.array(code))
    arrays["class"] = _class_names(codes["class"], classes)
    for key in _NUMBERS:
        arrays[key] = pa.array(picked[key][order], from_pandas=True)
    for key in _COUNTS:
        arrays[key] = pa.array(picked[key][order].astype(np.int64))
    return pa.table([arrays[name] for name in SUMMARY_SCHEMA.names], SUMMARY_SCHEMA).to_pandas()


def _units(
    entries: list[dict[str, Any]],
    metrics: list[str],
    about: dict[str, Any],
    codes: dict[str, np.ndarray],
) -> pa.Array:
    """The unit of each row: of a derivative its own, else that of the level."""
    units = [unit_beside(entry, about.get(m, {})) for m in metrics for entry in entries]
    return pa.array(units, pa.string()).take(
        pa.array(codes["metric"] * len(entries) + codes["entry"])
    )


def _sorted_entries(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorts the manifest's entries: transformations as listed, levels ascending."""
    order = {name: i for i, name in enumerate(dict.fromkeys(e["transformation"] for e in entries))}
    return sorted(entries, key=lambda entry: (order[entry["transformation"]], entry["level"]))


def _expand(
    parts: list[dict[str, Any]],
    entries: list[dict[str, Any]],
    layers: list[str],
    metrics: list[str],
    controls: list[str],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Makes one row per (transformation, level) of every part: sort codes and numbers.

    Several entries may stand for one cell; its numbers are computed once and repeated here.
    """
    standing: dict[str, list[int]] = {}
    for position, entry in enumerate(_sorted_entries(entries)):
        for cell in entry_cells(entry):
            standing.setdefault(cell, []).append(position)
    codes: dict[str, list[np.ndarray]] = {}
    picked: dict[str, list[np.ndarray]] = {}
    for part in parts:
        measured = np.flatnonzero(part["rows"] > 0)
        pairs = [(position, k) for k in measured for position in standing[part["cells"][k]]]
        position, column = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        keys = {
            "control": controls.index(part["control"]),
            "metric": metrics.index(part["metric"]),
            "layer": layers.index(part["layer"]),
            "class": part["class"],
        }
        for key, code in keys.items():
            codes.setdefault(key, []).append(np.full(len(position), code))
        codes.setdefault("entry", []).append(position)
        for key in (*_NUMBERS, *_COUNTS):
            picked.setdefault(key, []).append(part[key][column])
    none = [np.empty(0, np.int64)]
    keys = ("control", "metric", "layer", "class", "entry")
    return (
        {key: np.concatenate(codes.get(key, none)) for key in keys},
        {key: np.concatenate(picked.get(key, none)) for key in (*_NUMBERS, *_COUNTS)},
    )


def _class_names(codes: np.ndarray, classes: list[str] | None) -> pa.Array:
    """Names for class indices; -1 (all images) is null, an index without a name is its number."""
    known = classes or []
    present, places = np.unique(codes, return_inverse=True)
    names = [
        None if code < 0 else str(known[code]) if code < len(known) else str(code)
        for code in present.tolist()
    ]
    return pa.array(names, pa.string()).take(pa.array(places))
