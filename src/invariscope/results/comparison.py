"""Two runs compared: a leaderboard of two, cell by cell, on the images that both have seen.

For each metric, layer, transformation and level that both runs have: the difference B − A with its
interval and p-value (`statistics.paired`). Either holds at any time if one of the runs stopped by
itself. p-values are corrected by Benjamini and Hochberg over all cells of the table, those of all
metrics and layers together, so that who filters the table sees the same stars. A cell that several
levels show counts once; level 0 is a cell like others. The table has no means over levels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.results.agreement import Agreement, agree
from invariscope.results.cells import cell_in, unit_beside
from invariscope.results.estimated import IDENTITY, rule_of
from invariscope.results.measured import Measured
from invariscope.results.rows import Series
from invariscope.statistics.paired import NUMBERS, paired_differences
from invariscope.statistics.ranking import adjusted


@dataclass(frozen=True)
class Comparison:
    """The differences between two runs, cell by cell.

    Attributes:
        frame: One row per metric, transformation, level and layer that both have: magnitude, unit,
            value_a, value_b, difference (B - A), ci_low, ci_high, p_value, p_adjusted, n.
        names: Model and data of A and of B.
        notes: What could not be compared.
        shown: What a level is, such as "±10°", by transformation and level of A.
    """

    frame: pd.DataFrame
    names: tuple[str, str]
    notes: list[str] = field(default_factory=list)
    shown: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def to_text(self, *, notes: bool = True) -> str:
        """Renders a table of 80 columns: the first metric at its headline layer, then the notes."""
        from invariscope.terminal import interval, rendered, short, table

        frame = self.frame[self.frame["metric"] == self.frame["metric"].iloc[0]]
        layers = list(dict.fromkeys(frame["layer"]))
        layer = "embedding" if "embedding" in layers else layers[-1]
        frame = frame[frame["layer"] == layer]
        rows = [
            (
                row.transformation,
                self.shown[row.transformation, row.level].removesuffix(" of the side"),
                short(row.value_a), short(row.value_b),
                interval(row.difference, row.ci_low, row.ci_high, sign="+"),
                _short_p(row.p_adjusted), "*" if row.p_adjusted < 0.05 else "",
            )
            for row in frame[frame["level"] > 0].itertuples()
        ]  # fmt: skip
        return rendered(
            f"A: {self.names[0]}",
            f"B: {self.names[1]}",
            "",
            f"{frame['metric'].iloc[0]} at the {layer}, n = {frame['n'].max()}",
            "",
            table(("transformation", ">that is", ">A", ">B", "<B - A, 95 %", ">p", "<"), rows),
            "",
            "p is corrected for all cells of all metrics and layers; * below 0.05",
            *(f"note: {note}" for note in self.notes if notes),
        )


def _short_p(p: float) -> str:
    """Four decimals; a smaller p is not 0."""
    return "<0.0001" if p < 0.00005 else f"{p:.4f}"


def compare(
    results: Sequence[Measured],
    agreement: Agreement | None = None,
    *,
    against: Callable[[str, Mapping[str, Any]], float | None] = lambda metric, about: 0.0,
) -> Comparison:
    """Compares two runs on the images that both have seen.

    Args:
        results: A and B.
        agreement: What they share, where that is known already.
        against: From a metric's name, and what the manifest says of it, to the difference that p
            is about; None leaves the metric out.

    Raises:
        InputError: Other data, fewer than two common images, or no common cell, metric or layer.
    """
    shared = agreement or agree(results)
    stores = [result.store for result in results]
    settings = [result.manifest["settings"] for result in results]
    layers = [name for name in stores[0].layers() if name in stores[1].layers()]
    known = results[0].manifest["metrics"]
    tested = {metric: against(metric, known.get(metric, {})) for metric in shared.metrics}
    wanted = {(metric, "") for metric, difference in tested.items() if difference is not None}
    parts = []
    for layer in layers:
        theirs = {series.metric: series for series in stores[1].dense(layer, only=wanted)}
        for series in stores[0].dense(layer, only=wanted):
            if series.metric in theirs:
                pair = (series, theirs[series.metric])
                difference = tested[series.metric] or 0.0
                parts.append(_differences(pair, shared, layer, results, difference))
    parts = [part for part in parts if len(part)]
    if not parts:
        raise InputError(
            "the two runs have no metric, layer and cell in common: measure both with the same "
            "`metrics`, `transformations` and `layers` (embedding and logits always belong to them)"
        )
    frame = pd.concat(parts, ignore_index=True)
    metrics = {name: number for number, name in enumerate(dict.fromkeys(frame["metric"]))}
    frame = frame.iloc[frame["metric"].map(metrics).argsort(kind="stable")].reset_index(drop=True)
    frame = _corrected(frame)
    notes = list(shared.notes)
    missing = set(stores[0].layers()) ^ set(stores[1].layers())
    if missing:
        notes.append(f"layers of one run only are left out: {len(missing)}")
    a, b = (f"{own['model']} on {own['data']}" for own in settings)
    shown = {(entry["transformation"], entry["level"]): entry["shown"] for entry in shared.entries}
    return Comparison(frame, (a, b), notes, shown)


def _corrected(frame: pd.DataFrame) -> pd.DataFrame:
    """Corrects p over the distinct cells of the table, and takes their names out."""
    names = frame["metric"] + "\n" + frame["layer"] + "\n" + frame.pop("cell")
    cell, _ = pd.factorize(names)
    _, first = np.unique(cell, return_index=True)
    frame["p_adjusted"] = adjusted(frame["p_value"].to_numpy(dtype=float)[first])[cell]
    return frame


def _differences(
    pair: tuple[Series, Series],
    shared: Agreement,
    layer: str,
    results: Sequence[Measured],
    against: float,
) -> pd.DataFrame:
    """Computes the differences of one metric at one layer, as rows."""
    manifest = results[0].manifest
    metric, about = pair[0].metric, manifest["metrics"].get(pair[0].metric, {})
    column = [{cell: k for k, cell in enumerate(series.cells)} for series in pair]
    cells = [cell for cell in pair[0].cells if cell in column[1]]
    entries = [(entry, cell_in(entry, cells)) for entry in shared.entries]
    wanted = list(dict.fromkeys(cell for _, cell in entries if cell is not None))
    if not wanted:
        return pd.DataFrame()
    arrays = []
    for series, images, columns in zip(pair, shared.positions, column, strict=True):
        picked = np.ix_(images, np.array([columns[cell] for cell in wanted]))
        weights = None if series.weights is None else series.weights[picked]
        arrays += [series.values[picked], weights]
    labels = results[0].store.labels[shared.positions[0]]
    numbers = paired_differences(
        *arrays,
        **rule_of(about, labels, weighted=pair[0].weights is not None),
        anytime=shared.anytime,
        against=against,
        seed=manifest["settings"]["seed"],
    )
    if about.get("role") == "kept" and IDENTITY in wanted:  # both keep all answers, for certain
        level_0 = wanted.index(IDENTITY)
        numbers["ci_low"][level_0] = numbers["ci_high"][level_0] = 0.0
    rows = [
        {
            "metric": metric,
            **{key: entry[key] for key in ("transformation", "level", "magnitude")},
            "unit": unit_beside(entry, about),
            "layer": layer,
            "cell": cell,
            **{key: numbers[key][wanted.index(cell)] for key in NUMBERS},
        }
        for entry, cell in entries
        if cell is not None
    ]
    frame = pd.DataFrame(rows)
    return frame[frame["n"] > 0]
