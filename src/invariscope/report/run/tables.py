"""The report's tables: layers × transformations, extremes among the classes, and every number."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from invariscope.report.kit.heat import HeatCell, HeatMap, by_part, link, value_cell
from invariscope.report.kit.words import number, with_interval
from invariscope.report.run.levels import all_level_names
from invariscope.report.run.meaning import Meaning
from invariscope.report.run.readings import EMBEDDING, HEADLINE_LAYERS, LOGITS, Readings, Score
from invariscope.report.run.standings import Standing

LONGEST = 1500
EXTREMES = 3
REACTIVE = 3


def heat_map(readings: Readings, links: Mapping[str, str], metric: str = "") -> HeatMap | None:
    """The layers × transformations map, or None if the metric was measured at one layer only.

    Args:
        readings: The run.
        links: The page of each layer that has one.
        metric: Of what; the headline's by default.
    """
    metric = metric or (readings.headline or ("",))[0]
    if not metric:
        return None
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
    ends = about.ends(score.value for _, scores in measured for score in scores if score)
    rows = (
        (
            layer["part"],
            (
                link(layer["name"], links.get(layer["name"], "")),
                [score_cell(score, about, ends) for score in scores],
            ),
        )
        for layer, scores in measured
    )
    columns = [readings.words(name) for name in readings.transformations]
    return HeatMap(columns, by_part(rows), about.scale_words(ends))


def score_cell(score: Score | None, about: Meaning, ends: tuple[float, float]) -> HeatCell:
    """A cell of a heat map: the value, its place between the worst and the best as the colour."""
    if score is None:
        return HeatCell("–", title="not measured")
    share = about.share(score.value, ends)
    return value_cell(score.value, score.low, score.high, score.n, share)


class ClassScore(NamedTuple):
    """One class under one transformation."""

    name: str
    value: float
    low: float
    high: float
    n: int

    @property
    def row(self) -> tuple[str, str, int]:
        """The scores as a row of the page's table."""
        return self.name, with_interval(self.value, self.low, self.high), self.n


def class_extremes(readings: Readings, order: Sequence[Standing]) -> list[dict[str, Any]]:
    """Extremes for the most reactive transformations; empty where there are no labels.

    Classes with a single image have no interval and are counted, not ranked.
    """
    if readings.headline is None or readings.by_class.empty:
        return []
    metric, layer = readings.headline
    rows = readings.by_class
    rows = rows[(rows["metric"] == metric) & (rows["layer"] == layer) & (rows["level"] > 0)]
    shown = []
    for standing in list(reversed(order))[:REACTIVE]:
        scores = list(_class_scores(rows[rows["transformation"] == standing.transformation]))
        ranked = sorted((s for s in scores if math.isfinite(s.low)), key=lambda s: -s.value)
        if len(ranked) < 2:
            continue
        count, small = min(EXTREMES, len(ranked) // 2), len(scores) - len(ranked)
        most, least = ranked[:count], ranked[-count:][::-1]
        note = f"{len(ranked):,} classes ranked"
        if small:
            note += f"; {small:,} with a single image have no interval and are not ranked"
        if most[0].low <= least[0].high:
            note += "; the intervals of the first and the last overlap, so the order is open"
        sides = (("Most invariant", most), ("Least invariant", least))
        shown.append(
            {
                "words": readings.words(standing.transformation),
                "sides": [(title, [score.row for score in scores]) for title, scores in sides],
                "note": f"{note}.",
            }
        )
    return shown


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
    labels = all_level_names(readings)
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
    sentences = []
    for (metric, layer), group in rows.groupby(["metric", "layer"], sort=False):
        worst = int(group["n_undefined"].max())
        sentences.append(
            f"{readings.meaning(str(metric)).label} at {layer}: undefined for up to {worst:,}"
            f" images in {len(group):,} cells; they are counted here and left out of the means."
        )
    return sentences
