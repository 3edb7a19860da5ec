"""The report's section on layers and channels: heat maps by element, bars by part, dead ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from invariscope.models.parts import PARTS
from invariscope.report.kit.drawings import Drawing, drawing
from invariscope.report.kit.heat import HeatCell, HeatMap, by_part, link
from invariscope.report.kit.words import (
    capitalised,
    listed,
    number,
    percent,
    with_interval,
)
from invariscope.report.run.channel_figures import Bars, part_bars
from invariscope.report.run.layered import Layered, mean_score
from invariscope.report.run.readings import Score, apart
from invariscope.report.run.tables import score_cell

WORST = 8
_MARKS = ("model", "twin")


def section(layered: Layered, folder: str) -> dict[str, Any] | None:
    """Makes the page's section on layers and channels; None without such measures.

    Args:
        layered: The run.
        folder: The folder of the layers' pages, as links name it.
    """
    if not layered.any:
        return None
    links = {layer: f"{quote(folder)}/{quote(name)}" for layer, name in layered.files.items()}
    maps = [element_map(layered, metric, links) for metric in layered.main]
    beside = [element_map(layered, metric, links) for metric in layered.beside]
    channels = layered.readings.channels is not None
    shown = [*filter(None, maps), *filter(None, beside)]
    marks = {mark for heat in shown for _, rows in heat.groups for _, cells in rows
             for cell in cells for mark in cell.marks.split()}  # fmt: skip
    return {
        "maps": [*filter(None, maps)],
        "beside": [*filter(None, beside)],
        "has_null": "null" in marks,
        "has_inexact": "inexact" in marks,
        "bars": bar_figures(layered),
        "channels": channels,
        "dead": dead_layers(layered, links) if channels else [],
        "dead_words": dead_words(layered) if channels else "",
        "pages": [(layer, link) for layer, link in links.items()],
    }


def element_map(layered: Layered, metric: str, links: Mapping[str, str]) -> HeatMap | None:
    """One metric's heat map; None if it has no value."""
    about = layered.readings.meaning(metric)
    layers = layered.layers([metric])
    scores = {
        layer["name"]: [layered.score(metric, layer["name"], c) for c in layered.columns]
        for layer in layers
    }
    shown = [score for row in scores.values() for score in row if score]
    if not shown:
        return None
    ends = about.ends(score.value for score in shown)
    maps = about.kind == "maps"
    nulls = {
        layer["name"]: layered.null(metric, layer["name"]) if about.null else None
        for layer in layers
    }
    has_null = any(nulls.values())
    rows = []
    for layer in layers:
        name, null = layer["name"], nulls[layer["name"]]
        cells = []
        for score, column in zip(scores[name], layered.columns, strict=True):
            inexact = maps and score is not None and not layered.is_exact(name, column)
            own = layered.score(metric, name, column, "shuffled") if null else None
            cells.append(_element(score_cell(score, about, ends), score, own or null, inexact))
        if has_null:
            cells.append(_null_cell(null))
        rows.append((layer["part"], (link(name, links.get(name, "")), cells)))
    return HeatMap(
        [column.label for column in layered.columns] + ["by chance"] * has_null,
        by_part(rows),
        about.scale_words(ends),
        [*_heads(layered), *[("", 1)] * has_null],
        capitalised(about.label),
        about.paragraph or capitalised(about.direction) + ".",
    )


def _element(cell: HeatCell, score: Score | None, null: Score | None, inexact: bool) -> HeatCell:
    marks, title = [], cell.title
    if inexact:
        marks.append("inexact")
        title += "; the maps were interpolated"
    if score and null:
        title += f"; by chance {number(null.value)}"
        if apart(score, null) < 1:
            marks.append("chance")
            title += ", not told apart from it"
    return replace(cell, title=title, marks=" ".join(marks))


def _null_cell(null: Score | None) -> HeatCell:
    if null is None:
        return HeatCell("–", title="not measured", marks="null")
    title = f"another image: {null.text}"
    return HeatCell(number(null.value), title=title, marks="null")


def _heads(layered: Layered) -> list[tuple[str, int]]:
    """(transformation in words, number of columns), in order."""
    counts: dict[str, int] = {}
    for column in layered.columns:
        counts[column.transformation] = counts.get(column.transformation, 0) + 1
    return [(layered.readings.words(name), count) for name, count in counts.items()]


def bar_figures(layered: Layered) -> list[Drawing]:
    """Bars by part: invariance beside equivariance, then each kind of G-EED by itself."""
    averages = getattr(layered.readings.result, "averages", None)
    if averages is None or not layered.main:
        return []
    both = [metric for metric in layered.main if layered.readings.meaning(metric).null]
    sets = [both] if both else []
    sets += [[metric] for metric in layered.main if metric not in both]
    frame = averages(layered.main)
    frame = frame[frame["layer"].isna() & frame["transformation"].isna()]
    return [_bar_figure(layered, frame, metrics, k) for k, metrics in enumerate(sets)]


def _bar_figure(
    layered: Layered, frame: pd.DataFrame, metrics: Sequence[str], index: int
) -> Drawing:
    parts = [part for part in PARTS if part in set(frame[frame["metric"].isin(metrics)]["part"])]
    measures, texts = [], []
    for metric in metrics:
        rows = frame[frame["metric"] == metric].set_index("part").reindex(parts)
        nulls = [_part_null(layered, metric, part) for part in parts]
        columns = [rows[name].to_list() for name in ("value", "ci_low", "ci_high")]
        measures.append(Bars(columns[0], columns[1], columns[2], nulls))
        values = "; ".join(
            f"{part}: {with_interval(*ends)}" for part, *ends in zip(parts, *columns, strict=True)
        )
        texts.append(f"{layered.readings.meaning(metric).label}, {values}")
    numbers = [
        value for bars in measures for numbers in (bars.values, bars.lows, bars.highs, bars.nulls)
        for value in numbers if np.isfinite(value)
    ]  # fmt: skip
    correlations = layered.readings.meaning(metrics[0]).null
    low, high = min([0.0, *numbers]), max([1.0 if correlations else 0.0, *numbers])
    room = 0.05 * max(high - low, 1e-3)
    limits = (low - room if low < 0 else 0.0, high + room if high > 0 else room)
    figure = part_bars(parts, measures, limits)
    title = listed([layered.readings.meaning(metric).phrase for metric in metrics])
    label = f"Bars by part of the network. {'. '.join(texts)}."
    marks = [
        (name, layered.readings.meaning(metric).phrase)
        for name, metric in zip(_MARKS, metrics, strict=False)
    ]
    marks.append(("whisker", "95 % interval"))
    if any(np.isfinite(bars.nulls).any() for bars in measures):
        marks.append(("dashed", "by chance"))
    caption = f"{capitalised(title)}: mean over a part’s layers and over all elements."
    return drawing(figure, f"bars{index}", label, caption, marks)


def _part_null(layered: Layered, metric: str, part: str) -> float:
    if not layered.readings.meaning(metric).null:
        return float("nan")
    layers = [layer["name"] for layer in layered.layers([metric]) if layer["part"] == part]
    null = mean_score([score for name in layers if (score := layered.null(metric, name))])
    return null.value if null else float("nan")


def dead_layers(layered: Layered, links: Mapping[str, str]) -> list[tuple[Any, ...]]:
    """The layers with dead channels, the worst first."""
    table = layered.readings.channels
    if table is None or table.empty:
        return []
    measured = table[table["control"] == ""]
    # Moved images are other images: a channel may be dead at one element and alive at another.
    dead = (measured["match"] < 0).groupby([measured["layer"], measured["channel"]], sort=False)
    always, sometimes = dead.all(), dead.any()
    layers = []
    for layer in layered.layers():
        name = layer["name"]
        if name not in always.index.get_level_values(0):
            continue
        every, some = int(always[name].sum()), int(sometimes[name].sum())
        share = _dead_share(layered, name)
        if some or share > 0:
            layers.append(
                (some, share, (
                    link(name, links.get(name, "")), len(always[name]), every, some - every,
                    percent_of(share) if _has_shares(layered, name) else "–",
                ))
            )  # fmt: skip
    layers.sort(key=lambda entry: (-entry[0], -entry[1]))
    return [row for _, _, row in layers[:WORST]]


def percent_of(share: float) -> str:
    """A share in per cent that tells a little from nothing.

    Example:
        >>> percent_of(0.0).split(), percent_of(0.0004).split(), percent_of(0.25).split()
        (['0', '%'], ['<', '1', '%'], ['25', '%'])
    """
    return "< 1\u00a0%" if 0 < share < 0.005 else percent(share)


def _dead_share(layered: Layered, layer: str) -> float:
    """The share of channels that do not vary over the positions of one image; 0 if not known."""
    dead = layered.readings.metric_as("dead")
    shares = [
        float(row["value"])
        for name in layered.readings.transformations
        for _, row in layered.readings.curve(name, dead, layer).iterrows()
        if np.isfinite(row["value"])
    ]
    return max(shares, default=0.0)


def _has_shares(layered: Layered, layer: str) -> bool:
    """Says whether the share was measured: vectors have no positions to vary over."""
    names, dead = layered.readings.transformations, layered.readings.metric_as("dead")
    return any(len(layered.readings.curve(name, dead, layer)) for name in names)


def dead_words(layered: Layered) -> str:
    """Says in a sentence or two how many channels are dead."""
    table = layered.readings.channels
    if table is None or table.empty:
        return ""
    measured = table[table["control"] == ""]
    dead = (measured["match"] < 0).groupby([measured["layer"], measured["channel"]], sort=False)
    count, every = int(dead.any().sum()), len(dead)
    layers = measured["layer"].nunique()
    text = (
        f"Over the data set {count:,} of {every:,} channels at {layers} layers are dead (constant)"
        if count
        else f"Over the data set none of the {every:,} channels at {layers} layers is dead"
        " (constant)"
    )
    shares = {layer["name"]: _dead_share(layered, layer["name"]) for layer in layered.layers()}
    worst = max(shares, key=lambda name: shares[name], default="")
    if worst and shares[worst] > 0:
        text += (
            f"; in a single image up to {percent_of(shares[worst])} do not vary, on average over"
            f" images, at {worst}"
        )
    return f"{text}. Dead channels have no correlation: they are counted here and in no mean."
