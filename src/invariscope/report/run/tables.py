"""The report's tables: layers × transformations, extremes among the classes, and every number."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from invariscope.report.kit.shades import Cell, shade
from invariscope.report.kit.words import number, with_interval
from invariscope.report.run.levels import level_labels, levels_of
from invariscope.report.run.meaning import Meaning
from invariscope.report.run.readings import EMBEDDING, HEADLINE_LAYERS, LOGITS, Readings, Score
from invariscope.report.run.standings import Standing

LONGEST = 1500
EXTREMES = 3
REACTIVE = 3


@dataclass(frozen=True)
class HeatMap:
    """Mean over the levels above 0, layer by layer in depth order, grouped by part."""

    columns: list[str]
    groups: list[tuple[str, list[tuple[str, list[Cell]]]]]
    metric: str
    ends: tuple[str, str] = ("0 · like another image", "1 · like the original")


def heat_map(readings: Readings) -> HeatMap | None:
    """The layers × transformations table, or None if the metric was measured at one layer only."""
    if readings.headline is None:
        return None
    metric, _ = readings.headline
    about = readings.meaning(metric)
    measured = []
    for layer in readings.layers:
        scores = [
            readings.score(name, metric=metric, layer=layer["name"])
            for name in readings.transformations
        ]
        if any(scores):
            measured.append((layer, scores))
    if len(measured) < 2:
        return None
    ends = about.ends(found.value for _, scores in measured for found in scores if found)
    groups: list[tuple[str, list[tuple[str, list[Cell]]]]] = []
    for layer, scores in measured:
        if not groups or groups[-1][0] != layer["part"]:
            groups.append((layer["part"], []))
        groups[-1][1].append((layer["name"], [score_cell(found, about, ends) for found in scores]))
    columns = [readings.words(name) for name in readings.transformations]
    return HeatMap(columns, groups, metric, about.scale_words(ends))


def score_cell(found: Score | None, about: Meaning, ends: tuple[float, float]) -> Cell:
    """A cell of a heat map: the value, its place between the worst and the best as the colour."""
    if found is None:
        return Cell("–", "transparent", "inherit", "not measured")
    title = f"{with_interval(found.value, found.low, found.high)}, n = {found.n}"
    return Cell(number(found.value), *shade(about.share(found.value, ends)), title)


@dataclass(frozen=True)
class ClassScore:
    """One class under one transformation."""

    name: str
    value: float
    low: float
    high: float
    n: int

    @property
    def text(self) -> str:
        """The mean with its interval."""
        return with_interval(self.value, self.low, self.high)


@dataclass(frozen=True)
class ClassExtremes:
    """The most and the least invariant classes under one transformation."""

    transformation: str
    most: list[ClassScore]
    least: list[ClassScore]
    ranked: int
    too_small: int
    apart: bool


def class_extremes(readings: Readings, order: Sequence[Standing]) -> list[ClassExtremes]:
    """Extremes for the most reactive transformations; empty where there are no labels.

    Classes with a single image have no interval and are counted, not ranked.
    """
    if readings.headline is None or readings.by_class.empty:
        return []
    metric, layer = readings.headline
    rows = readings.by_class
    rows = rows[(rows["metric"] == metric) & (rows["layer"] == layer) & (rows["level"] > 0)]
    found = []
    for standing in list(reversed(order))[:REACTIVE]:
        scores = list(_class_scores(rows[rows["transformation"] == standing.transformation]))
        ranked = sorted((s for s in scores if math.isfinite(s.low)), key=lambda s: -s.value)
        if len(ranked) < 2:
            continue
        count = min(EXTREMES, len(ranked) // 2)
        most, least = ranked[:count], ranked[-count:][::-1]
        found.append(
            ClassExtremes(
                standing.transformation,
                most,
                least,
                len(ranked),
                len(scores) - len(ranked),
                most[0].low > least[0].high,
            )
        )
    return found


def _class_scores(rows: pd.DataFrame) -> Iterator[ClassScore]:
    finite = rows[np.isfinite(rows["value"].to_numpy(dtype=float))]
    for name, group in finite.groupby("class", sort=False):
        # np.mean, not pandas' mean: a level without interval leaves the class without one.
        low, high = (
            float(np.mean(group[end].to_numpy(dtype=float))) for end in ("ci_low", "ci_high")
        )
        yield ClassScore(str(name), float(group["value"].mean()), low, high, int(group["n"].min()))


@dataclass(frozen=True)
class FullTable:
    """Rows of text for the sortable table, and what was left out of it."""

    rows: list[tuple[str, ...]]
    total: int
    note: str


def full_table(readings: Readings) -> FullTable:
    """Every number at the embedding and the logits, as far as a page can bear."""
    rows = readings.overall
    shown = {*HEADLINE_LAYERS, *(readings.headline or ())[1:]}
    rows = rows[rows["layer"].isin(shown)]
    total = len(rows)
    note = ""
    if total > LONGEST and readings.headline is not None:
        metric, layer = readings.headline
        shown = (rows["metric"] == metric) & (rows["layer"] == layer)
        # The predictions are the other thing that everybody asks for.
        if layer == EMBEDDING:
            names = [readings.metric_as(role) for role in ("kept", "right")]
            of_predictions = rows["metric"].isin(names)
            shown |= of_predictions & (rows["layer"] == LOGITS)
        rows = rows[shown]
        note = "the headline metrics only"
        if len(rows) > LONGEST:
            rows = rows[rows["control"] == ""].head(LONGEST)
            note = f"the first {len(rows):,} rows of the headline metrics"
    labels = {
        (name, level[0]): label
        for name in readings.transformations
        for level, label in zip(
            levels_of(readings, name), level_labels(readings, name), strict=True
        )
    }
    return FullTable([_row(row, labels) for row in rows.itertuples(index=False)], total, note)


def _row(row, labels: dict[tuple[str, int], str]) -> tuple[str, ...]:
    label = labels.get((row.transformation, int(row.level)), "")
    return (
        row.transformation,
        str(int(row.level)),
        label,
        row.metric,
        row.layer,
        row.control or "measured",
        number(row.value, 3),
        number(row.ci_low, 3),
        number(row.ci_high, 3),
        str(int(row.n)),
        str(int(row.n_undefined)),
    )


def undefined_values(readings: Readings) -> list[str]:
    """One sentence per metric and layer that has values which could not be computed."""
    rows = readings.overall
    rows = rows[(rows["control"] == "") & (rows["n_undefined"] > 0)]
    found = []
    for (metric, layer), group in rows.groupby(["metric", "layer"], sort=False):
        worst = int(group["n_undefined"].max())
        found.append(
            f"{readings.meaning(str(metric)).label} at {layer}: undefined for up to {worst:,}"
            f" images in {len(group):,} cells; they are counted here and left out of the means."
        )
    return found
