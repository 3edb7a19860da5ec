"""The curves: one drawing routine for `Result.plot`, the page's wide figures and the phone's."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.report.kit.look import (
    FLOOR,
    INK,
    KEPT,
    LOWEST,
    MODEL,
    NULL,
    TWIN,
    Look,
    plain,
    value_axis,
)
from invariscope.report.kit.svg import make_visible
from invariscope.report.run.levels import level_names
from invariscope.report.run.meaning import Meaning
from invariscope.report.run.readings import EMBEDDING, LOGITS, Readings, ResultLike

WIDE = Look(760, 210, left=92, right=8, top=10, bottom=8, text=10.5, ticks=False)
WIDE_WITH_TICKS = Look(760, 232, left=92, right=8, top=10, bottom=30, text=10.5)
PHONE = Look(340, 210, left=34, right=6, top=8, bottom=46, text=10.5)


def plot(
    result: ResultLike,
    transformation: str | Sequence[str] | None = None,
    metric: str = "",
    layer: str = EMBEDDING,
) -> Figure:
    """Curves of one metric at one layer, with 95 % bands and the controls that the run holds.

    Args:
        result: A `Result`.
        transformation: One family, several, or None for all of them as small multiples.
        metric: A metric of the run, by default the headline. Metrics of predictions are found at
            the layer "logits" without naming it.
        layer: A layer of the run.

    Returns:
        A matplotlib figure of its own, not registered with pyplot.

    Raises:
        InputError: If the run holds no such transformation, metric or layer.
    """
    readings = Readings(result)
    metric = metric or readings.metric_as("headline")
    layer = _layer_of(readings, metric, layer)
    names = _chosen(readings, transformation)
    columns = min(len(names), 4)
    rows = math.ceil(len(names) / columns)
    single = len(names) == 1
    size = (7.2, 4.2) if single else (3.4 * columns, 2.7 * rows + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    limits = y_limits(readings, names, metric, layer)
    for position, axes in enumerate(grid.flat):
        if position >= len(names):
            axes.set_visible(False)
            continue
        text = 10.0 if single else 8.0
        draw(axes, readings, names[position], metric, layer, limits, text=text, ticks=True)
        axes.set_title(readings.words(names[position]), fontsize=text + 1, color=INK)
        if position % columns == 0:
            axes.set_ylabel(readings.meaning(metric).phrase, fontsize=text, color=INK)
    handles: dict[str, Any] = {}
    for axes in grid.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=3 if single else 6,
        frameon=False,
        fontsize=9,
    )
    make_visible(figure)
    return figure


def panel(
    readings: Readings,
    name: str,
    look: Look,
    limits: tuple[float, float],
    metric: str,
    layer: str,
) -> Figure:
    """One transformation's figure for a page, which has the legend and the title itself."""
    figure, axes = look.figure()
    draw(axes, readings, name, metric, layer, limits, text=look.text, ticks=look.ticks)
    if look.left > 60 and limits[0] <= 0 and readings.meaning(metric).graded:
        _say_what_the_ends_mean(axes, look, readings.meaning(metric))
    return figure


def draw(
    axes: Axes,
    readings: Readings,
    name: str,
    metric: str,
    layer: str,
    limits: tuple[float, float],
    *,
    text: float,
    ticks: bool,
) -> None:
    """Draws one transformation's curves; levels are evenly spaced, whatever their magnitudes."""
    curve = readings.curve(name, metric, layer)
    _frame(axes, readings, name, limits, text=text, ticks=ticks)
    # All levels have their place, also those at which this metric has no value.
    positions = {level: position for position, level in enumerate(level_names(readings, name))}

    def line(rows: pd.DataFrame, mark: str, colour: str, label: str, band: float, **style: Any):
        rows = rows[rows["level"].isin(positions)]
        if rows.empty:
            return
        at = [positions[int(level)] for level in rows["level"]]
        if band:
            _band(axes, at, rows, colour, band)
        values = rows["value"].to_numpy(dtype=float)
        axes.plot(at, values, mark, color=colour, label=label, **style)

    def control(which: str) -> pd.DataFrame:
        return readings.curve(name, metric, layer, which)

    # Legends list lines in the order of drawing, so order on the paper is set by zorder instead.
    line(curve, "-o", MODEL, "model", 0.2, lw=2.2, ms=3.6, zorder=5)
    line(control("untrained"), "--o", TWIN, "untrained twin", 0.14, lw=1.2, ms=5, mfc="none")
    line(control("floor"), "^", FLOOR, "interpolation floor", 0, ms=5)
    line(kept_curve(readings, name, metric), "-.", KEPT, "prediction kept", 0, lw=1.2)
    line(null_curve(readings, name, metric, layer), ":", NULL, "another image", 0, lw=1.1)


def null_curve(readings: Readings, name: str, metric: str, layer: str) -> pd.DataFrame:
    """What unrelated images score: the median over images, where the metric is one of images.

    A mean of ratios is drawn down by the few pairs whose denominator is small, far below what
    unrelated images score, and its interval would take half of every panel.
    """
    rows = readings.curve(name, metric, layer, "shuffled")
    if "median" not in rows or not np.isfinite(rows["median"].to_numpy(dtype=float)).any():
        return rows
    middle = rows["median"]
    return rows.assign(value=middle, ci_low=middle, ci_high=middle)


def kept_curve(readings: Readings, name: str, metric: str) -> pd.DataFrame:
    """The share of predictions that are kept, to be drawn beside a metric if their scales fit.

    Empty where the run has none, or where it is what is drawn.
    """
    kept = readings.metric_as("kept")
    fits = readings.meaning(metric).graded and metric != kept
    return readings.curve(name, kept if fits else "", LOGITS)


def y_limits(
    readings: Readings, names: Sequence[str], metric: str, layer: str
) -> tuple[float, float]:
    """Limits that all panels of a figure or page share, so that heights can be compared."""
    about = readings.meaning(metric)
    lows, highs = [0.0], [1.0 if about.high == 1.0 and about.higher else 0.0]
    for name in names:
        for control in ("", "untrained", "floor", "shuffled"):
            rows = readings.curve(name, metric, layer, control)
            if control == "shuffled":
                rows = null_curve(readings, name, metric, layer)
            for column in ("value", "ci_low", "ci_high"):
                values = rows[column].to_numpy(dtype=float)
                values = values[np.isfinite(values)]
                if len(values):
                    lows.append(float(values.min()))
                    highs.append(float(values.max()))
    if highs[0] == 0.0:  # a scale that need not end at 1
        room = 0.06 * max(max(highs) - min(lows), 1e-3)
        return (min(lows) - room if min(lows) < 0 else -room / 2), max(highs) + room
    low = max(LOWEST, math.floor(min(lows) * 4 - 1e-9) / 4) if min(lows) < -0.02 else -0.03
    return low, max(highs) + 0.05


def _chosen(readings: Readings, transformation: str | Sequence[str] | None) -> list[str]:
    known = readings.transformations
    if not known:
        raise InputError("this result holds no transformation to plot: measure at least one")
    if transformation is None:
        return known
    names = [transformation] if isinstance(transformation, str) else list(transformation)
    for name in names:
        if name not in known:
            raise unknown_name("transformation of this result", name, known)
    return names or known


def _layer_of(readings: Readings, metric: str, layer: str) -> str:
    measured = readings.overall[readings.overall["control"] == ""]
    metrics = list(dict.fromkeys(measured["metric"]))
    if metric not in metrics:
        raise unknown_name("metric of this result", metric, metrics)
    layers = list(dict.fromkeys(measured.loc[measured["metric"] == metric, "layer"]))
    if layer not in layers and layers == [LOGITS] and layer == EMBEDDING:
        return LOGITS
    if layer not in layers:
        raise unknown_name(f"layer of metric {metric!r} in this result", layer, layers)
    return layer


def _band(axes: Axes, at: Sequence[int], rows: pd.DataFrame, colour: str, alpha: float) -> None:
    low, high = rows["ci_low"].to_numpy(dtype=float), rows["ci_high"].to_numpy(dtype=float)
    if not np.isfinite(low).any():
        return
    if len(at) == 1:
        axes.vlines(at, low, high, color=colour, alpha=0.4, lw=3)
        return
    axes.fill_between(at, low, high, color=colour, alpha=alpha, lw=0)


def _frame(
    axes: Axes,
    readings: Readings,
    name: str,
    limits: tuple[float, float],
    *,
    text: float,
    ticks: bool,
) -> None:
    labels = list(level_names(readings, name).values())
    axes.set_xlim(-0.5, max(len(labels), 1) - 0.5)
    plain(axes, text + 0.5)
    value_axis(axes, limits)
    if not ticks:
        axes.set_xticks([])
        return
    crowded = sum(map(len, labels)) > 34
    axes.set_xticks(range(len(labels)), labels, rotation=40 if crowded else 0, fontsize=text - 1)
    if crowded:
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")


def _say_what_the_ends_mean(axes: Axes, look: Look, about: Meaning) -> None:
    """Words beside the axis at 1 and 0, for readers who meet the metric for the first time."""
    offset = -(look.left - 2) / (look.width - look.left - look.right)
    for at, words in enumerate(about.end_words()):
        axes.text(
            offset, at, textwrap.fill(words, 12), transform=axes.get_yaxis_transform(),
            fontsize=look.text - 2, color=NULL, va="center", ha="left", linespacing=1.1,
        )  # fmt: skip
