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

from invariscope.report.kit.look import (
    AMBER,
    FAINT,
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
    """How a model is drawn everywhere on the page."""

    letter: str
    colour: str
    variable: str
    dash: tuple[float, ...]
    marker: str
    shape: str

    @property
    def key(self) -> Markup:
        """The mark in the page's key, in a box of 34 × 12."""
        dashes = f' stroke-dasharray="{" ".join(map(str, self.dash))}"' if self.dash else ""
        return Markup(
            f'<path d="M1 6h32" fill="none" stroke="var({self.variable})" stroke-width="1.8"'
            f'{dashes}/><path d="{self.shape}" fill="var({self.variable})"/>'
        )


def marks(letters: dict[str, str]) -> dict[str, Mark]:
    """A mark for each model, given the models' letters.

    Example:
        >>> both = marks({"first": "A", "second": "B"})
        >>> both["first"].marker, both["second"].marker, both["second"].dash
        ('o', 's', (5, 2))
    """
    found = {}
    for place, (model, letter) in enumerate(letters.items()):
        colour, variable = _SERIES[place % len(_SERIES)]
        dash = _DASHES[(place + place // len(_SERIES)) % len(_DASHES)]
        found[model] = Mark(letter, colour, variable, dash, *_MARKERS[place % len(_MARKERS)])
    return found


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
) -> Figure:
    """One transformation's curves over its levels.

    Args:
        curves: Columns model, level, value, ci_low, ci_high.
        labels: What each level is called.
        drawn: The models' marks.
        limits: Lower and upper end of the axis.
    """
    levels = sorted(set(curves["level"]))
    place = {level: number for number, level in enumerate(levels)}
    lines = {
        str(model): rows.sort_values("level").assign(at=lambda one: one["level"].map(place))
        for model, rows in curves.groupby("model", sort=False)
    }
    figure, axes = HALF.figure()
    _frame(axes, limits)
    axes.set_xlim(-0.25, max(len(levels) - 1, 0) + 0.25)
    step = 1 if len(levels) <= 5 else 2 if len(levels) <= 7 else 3
    shown = [level for level in levels if (len(levels) - 1 - place[level]) % step == 0]
    axes.set_xticks([place[level] for level in shown], [labels.get(k, str(k)) for k in shown])
    axes.set_xlabel("level", fontsize=HALF.text - 1, color=NULL, labelpad=1)
    _lines(axes, lines, drawn, limits)
    return figure


def over_depth(
    averages: pd.DataFrame, drawn: dict[str, Mark], limits: tuple[float, float]
) -> Figure:
    """One transformation's averages over depth, in per cent of each model's layers.

    Args:
        averages: Rows of layers: columns model, depth, value, ci_low, ci_high.
        drawn: The models' marks.
        limits: Lower and upper end of the axis.
    """
    lines = {
        str(model): rows.sort_values("depth", kind="stable").assign(at=lambda one: one["depth"])
        for model, rows in averages.groupby("model", sort=False)
    }
    figure, axes = HALF.figure()
    _frame(axes, limits)
    axes.set_xlim(-3, 103)
    axes.set_xticks([0, 25, 50, 75, 100], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("depth", fontsize=HALF.text - 1, color=NULL, labelpad=1)
    _lines(axes, lines, drawn, limits)
    return figure


def against_accuracy(points: pd.DataFrame, drawn: dict[str, Mark], names: dict[str, str]) -> Figure:
    """A measure against accuracy, one point a model, with its name and both intervals.

    Args:
        points: Columns model, accuracy, accuracy_low, accuracy_high, value, ci_low, ci_high.
        drawn: The models' marks.
        names: The models' names, short.
    """
    figure, axes = HALF.figure()
    _frame(axes, None)
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


def _frame(axes: Axes, limits: tuple[float, float] | None) -> None:
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.patch.set_visible(False)
    axes.grid(axis="y", color=FAINT, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=HALF.text - 0.5, labelcolor=INK, pad=4)
    if limits is None:
        return
    axes.set_ylim(*limits)
    if -1.5 < limits[0] and limits[1] < 1.6:
        axes.axhline(0, color=NULL, lw=0.9)
        low = math.ceil(limits[0] * 2) / 2
        axes.set_yticks(np.arange(low, 1.01, 0.5 if limits[0] < -0.3 else 0.25))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))


def _lines(
    axes: Axes,
    lines: dict[str, pd.DataFrame],
    drawn: dict[str, Mark],
    limits: tuple[float, float],
) -> None:
    ends: list[tuple[float, Mark]] = []
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
    height = HALF.height - HALF.top - HALF.bottom
    span = limits[1] - limits[0]
    ends.sort(key=lambda end: end[0])
    places = _apart([(value - limits[0]) / span * height for value, _ in ends], 10.5, height)
    width = HALF.width - HALF.left - HALF.right
    for at, (_, mark) in zip(places, ends, strict=True):
        axes.annotate(
            mark.letter, (width + 3, at), xycoords="axes points", fontsize=HALF.text - 0.5,
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
    found = np.empty(len(order))
    found[order] = moved
    return found.tolist()
