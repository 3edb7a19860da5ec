"""Curves of several models laid over each other: over levels, over depth, against accuracy.

Every model has a colour, a dash, a marker and a letter of its own, and the letter stands at the end
of its line: no reader needs to tell colours apart. Colours are eight that the common kinds of
colour vision keep apart; from the ninth model on they come again with another dash.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.optimize import isotonic_regression

from invariscope.report.kit.drawings import key_mark
from invariscope.report.kit.look import (
    AMBER,
    FLOOR,
    INK,
    KEPT,
    LOWEST,
    MODEL,
    NULL,
    SKY,
    TWIN,
    VIOLET,
    Look,
    plain,
    value_axis,
)
from invariscope.report.kit.point_labels import name_points

# Drawing colours and the page's variables for them.
_SERIES = (
    (MODEL, "--model"), (TWIN, "--twin"), (FLOOR, "--floor"), (VIOLET, "--violet"),
    (AMBER, "--amber"), (INK, "--ink"), (SKY, "--sky"), (KEPT, "--kept"),
)  # fmt: skip
_DASHES = ((), (5, 2), (1.5, 1.6), (7, 2, 1.5, 2))
# matplotlib's markers and the same as a path around (17, 6).
_MARKERS = (
    ("o", "M13.8 6a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z"),
    ("s", "M14 3h6v6h-6z"),
    ("^", "M17 2l4 7.5h-8z"),
    ("D", "M17 1.8l4 4.2-4 4.2-4-4.2z"),
    ("v", "M17 10l4-7.5h-8z"),
    ("P", "M15.7 2h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z"),
    ("X", "M14.2 2l2.8 2.8 2.8-2.8 1.4 1.4-2.6 2.6 2.6 2.6-1.4 1.4-2.8-2.8-2.8 2.8-1.4-1.4"
     " 2.6-2.6-2.6-2.6z"),
    ("*", "M17 1l1.5 3.5 3.8.3-2.9 2.5.9 3.7-3.3-2-3.3 2 .9-3.7-2.9-2.5 3.8-.3z"),
)  # fmt: skip

HALF = Look(372, 226, left=34, right=20, top=8, bottom=38, text=10.5)


@dataclass(frozen=True)
class Mark:
    """The mark with which a model is drawn everywhere on the page."""

    letter: str
    colour: str
    variable: str
    dash: tuple[float, ...]
    marker: str
    shape: str

    @property
    def head(self) -> Markup:
        """Letter and mark as they stand before the model's name."""
        dashes = f' stroke-dasharray="{" ".join(map(str, self.dash))}"' if self.dash else ""
        drawing = Markup(
            f'<path d="M1 6h32" fill="none" stroke="var({self.variable})" stroke-width="1.8"'
            f'{dashes}/><path d="{self.shape}" fill="var({self.variable})"/>'
        )
        letter = Markup('<span class="letter">{}</span> ').format(self.letter)
        return letter + key_mark(drawing)


def marks(letters: dict[str, str]) -> dict[str, Mark]:
    """A mark for each model, given the models' letters.

    Example:
        >>> both = marks({"first": "A", "second": "B"})
        >>> both["first"].marker, both["second"].marker, both["second"].dash
        ('o', 's', (5, 2))
    """
    drawn = {}
    for number, (model, letter) in enumerate(letters.items()):
        colour, variable = _SERIES[number % len(_SERIES)]
        dash = _DASHES[(number + number // len(_SERIES)) % len(_DASHES)]
        drawn[model] = Mark(letter, colour, variable, dash, *_MARKERS[number % len(_MARKERS)])
    return drawn


def limits_of(*frames: pd.DataFrame) -> tuple[float, float]:
    """Limits that hold all values and nearly all intervals; 0 to 1 where they lie within.

    The widest intervals may leave the figure (one in fifty does), or they would flatten the curves.
    """
    columns = [
        np.concatenate([frame[name].to_numpy(dtype=float) for frame in frames])
        for name in ("value", "ci_low", "ci_high")
    ]
    value, low_ends, high_ends = (column[np.isfinite(column)] for column in columns)
    if not value.size:
        return -0.03, 1.05
    low, high = float(value.min()), float(value.max())
    if low_ends.size:
        low = min(low, float(np.quantile(low_ends, 0.02)))
        high = max(high, float(np.quantile(high_ends, 0.98)))
    if high > 1.5 or low < -1.5:  # a metric without the scale from 0 to 1
        room = 0.06 * max(high - min(low, 0.0), 1e-9)
        return (low - room if low < 0 else -room / 2), high + room
    low = math.floor(low * 4 - 1e-9) / 4 if low < -0.02 else -0.03
    return max(LOWEST, low), max(high, 1.0) + 0.05


def over_levels(
    curves: pd.DataFrame,
    labels: dict[int, str],
    drawn: dict[str, Mark],
    limits: tuple[float, float],
    look: Look = HALF,
) -> Figure:
    """One transformation's curves over its levels.

    Args:
        curves: Columns model, level, value, ci_low, ci_high.
        labels: What each level is called.
        drawn: The models' marks.
        limits: Lower and upper end of the axis.
        look: Of the figure.
    """
    levels = sorted(set(curves["level"]))
    position = {level: number for number, level in enumerate(levels)}
    step = 1 if len(levels) <= 5 else 2 if len(levels) <= 7 else 3
    shown = [level for level in levels if (len(levels) - 1 - position[level]) % step == 0]
    ticks = {position[level]: labels.get(level, str(level)) for level in shown}
    curves = curves.assign(at=curves["level"].map(position))
    ends = (-0.25, max(len(levels) - 1, 0) + 0.25)
    return _overlay(curves, drawn, limits, "level", ends, ticks, look)


def over_depth(
    averages: pd.DataFrame, drawn: dict[str, Mark], limits: tuple[float, float]
) -> Figure:
    """One transformation's averages over depth, in per cent of each model's layers.

    Args:
        averages: Rows of layers: columns model, depth, value, ci_low, ci_high.
        drawn: The models' marks.
        limits: Lower and upper end of the axis.
    """
    ticks = {share: f"{share} %" for share in (0, 25, 50, 75, 100)}
    curves = averages.assign(at=averages["depth"])
    return _overlay(curves, drawn, limits, "depth", (-3, 103), ticks)


def against_accuracy(points: pd.DataFrame, drawn: dict[str, Mark], names: dict[str, str]) -> Figure:
    """A measure against accuracy, one point a model, with its name and both intervals.

    Args:
        points: Columns model, accuracy, accuracy_low, accuracy_high, value, ci_low, ci_high.
        drawn: The models' marks.
        names: The models' names, short.
    """
    figure, axes = HALF.figure()
    plain(axes, HALF.text)
    points = points[np.isfinite(points["value"].to_numpy(dtype=float))]
    x, y = points["accuracy"].to_numpy(dtype=float), points["value"].to_numpy(dtype=float)
    for number, row in enumerate(points.to_dict("records")):
        mark = drawn[row["model"]]
        style = {"color": mark.colour, "lw": 1.2, "alpha": 0.45}
        if math.isfinite(row["ci_low"]):
            axes.plot([x[number]] * 2, [row["ci_low"], row["ci_high"]], **style)
        if math.isfinite(row["accuracy_low"]):
            axes.plot([row["accuracy_low"], row["accuracy_high"]], [y[number]] * 2, **style)
        axes.plot(x[number], y[number], mark.marker, color=mark.colour, ms=6)
    axes.margins(0.14, 0.1)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("accuracy", fontsize=HALF.text - 1, color=NULL, labelpad=1)
    models = [str(model) for model in points["model"]]
    texts = [f"{drawn[model].letter} {names[model]}" for model in models]
    name_points(axes, x, y, texts, HALF, HALF.text - 1.5)
    return figure


def _overlay(
    curves: pd.DataFrame,
    drawn: dict[str, Mark],
    limits: tuple[float, float],
    label: str,
    ends: tuple[float, float],
    ticks: dict[int, str],
    look: Look = HALF,
) -> Figure:
    """The models' curves (columns model, at, value, ci_low, ci_high) on one pair of axes."""
    figure, axes = look.figure()
    plain(axes, look.text)
    value_axis(axes, limits)
    axes.set_xlim(*ends)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xlabel(label, fontsize=look.text - 1, color=NULL, labelpad=1)
    _lines(axes, curves, drawn, limits, look)
    return figure


def _lines(
    axes: Axes,
    curves: pd.DataFrame,
    drawn: dict[str, Mark],
    limits: tuple[float, float],
    look: Look,
) -> None:
    ends: list[tuple[float, Mark]] = []
    lines = dict(iter(curves.sort_values("at", kind="stable").groupby("model", sort=False)))
    for model, mark in drawn.items():
        if model not in lines:
            continue
        rows = lines[model]
        at, value, low, high = (
            rows[name].to_numpy(dtype=float) for name in ("at", "value", "ci_low", "ci_high")
        )
        known = np.isfinite(value)
        if not known.any():
            continue
        if known.sum() > 1:
            axes.fill_between(at, low, high, color=mark.colour, alpha=0.1, lw=0)
        dash = (0, mark.dash) if mark.dash else "-"
        axes.plot(at, value, linestyle=dash, marker=mark.marker, color=mark.colour, lw=1.7, ms=4)
        ends.append((float(value[known][-1]), mark))
    height = look.height - look.top - look.bottom
    span = limits[1] - limits[0]
    ends.sort(key=lambda end: end[0])
    places = _apart([(value - limits[0]) / span * height for value, _ in ends], 10.5, height)
    width = look.width - look.left - look.right
    for at, (_, mark) in zip(places, ends, strict=True):
        axes.annotate(
            mark.letter, (width + 3, at), xycoords="axes points", fontsize=look.text - 0.5,
            fontweight="bold", color=mark.colour, va="center", annotation_clip=False,
        )  # fmt: skip


def _apart(places: Sequence[float], gap: float, room: float) -> list[float]:
    """Places a gap apart, in the same order, moved as little as that needs, inside 0 to room.

    Example:
        >>> _apart([10, 12, 40], 10, 100), _apart([95, 99], 10, 100)
        ([6.0, 16.0, 40.0], [90.0, 100.0])
    """
    if not len(places):
        return []
    wanted = np.asarray(places, dtype=float)
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(order))
    moved = isotonic_regression(wanted[order] - steps).x
    moved = np.clip(moved, 0, max(room - steps[-1], 0)) + steps
    spread = np.empty(len(order))
    spread[order] = moved
    return spread.tolist()
