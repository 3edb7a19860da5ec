"""The figures of a search's page, drawn on `matplotlib.figure.Figure` in the report's colours.

Geometric operations are blue circles, appearance orange squares, sub-policies of both green
diamonds: colour never stands alone.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from invariscope.outside import shortened
from invariscope.report.kit.look import (
    FLOOR,
    INK,
    MODEL,
    NULL,
    TWIN,
    Look,
    plain,
    single_values,
)
from invariscope.report.kit.point_labels import name_points
from invariscope.report.kit.words import number
from invariscope.report.search.facts import Strip

COLOURS = {"geometric": MODEL, "appearance": TWIN, "mixed": FLOOR}
MARKS = {"geometric": "o", "appearance": "s", "mixed": "D"}
MOST_TICKS = 80
_BOX, _WHISKERS = (25, 75), (5, 95)
_SHOWN = (8, 98)
_ROW = 21
_BINS = 6
_POINTS = 400


def strips(rows: Sequence[Strip], width: float = 760, most: float = 330) -> Figure:
    """A row for each operation: every class a tick, the middle half a bar, and the mean.

    Args:
        rows: The operations, top to bottom.
        width: Of the figure, in points.
        most: Room for the labels, at most.
    """
    left = min(most, 16 + 5.3 * max(len(strip.label) for strip in rows))
    look = Look(width, _ROW * len(rows) + 44, left=left, right=14, top=6, bottom=38, text=10.5)
    figure, axes = look.figure()
    limits = strip_limits(rows)
    for y, strip in enumerate(rows):
        colour = COLOURS[strip.kind]
        values = np.clip(strip.values, *limits)
        if not values.size:
            continue
        low, first, last, high = np.percentile(values, [_WHISKERS[0], *_BOX, _WHISKERS[1]])
        if len(values) <= MOST_TICKS:
            single_values(axes, values, y, colour)
        else:  # a line through nine tenths of them
            axes.plot([low, high], [y, y], color=colour, lw=1)
        axes.barh(y, last - first, 0.56, first, color=colour, alpha=0.24, lw=0)
        mean = float(np.clip(strip.row["change"], *limits))
        axes.plot(mean, y, MARKS[strip.kind], color=colour, ms=5.2, mec="none", zorder=4)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(
        range(len(rows)), [shortened(strip.label, int((left - 8) / 5)) for strip in rows]
    )
    axes.set_xlim(*limits)
    _change_axis(axes, look.text, width)
    axes.set_xlabel("change in similarity", fontsize=look.text, color=INK)
    return figure


def strip_limits(rows: Sequence[Strip]) -> tuple[float, float]:
    """From where to where: nearly all classes, and 0.

    What takes images far apart would flatten the rest: it may stand at the left end.
    """
    values = [strip.values for strip in rows if strip.values.size]
    if not values:
        return -0.01, 0.01
    return _around(np.percentile(np.concatenate(values), _SHOWN), 0.05, 1e-4)


def own_against_all(rows: Sequence[tuple[str, np.ndarray, float, float, float]], width: float = 760,
                    left: float = 150) -> Figure:  # fmt: skip
    """Figure 3B: the best for all, each class's own, and each class's own held out.

    Args:
        rows: label, values [class], mean, low, high.
        width: Of the figure, in points.
        left: Room for the labels.
    """
    look = Look(width, 34 * len(rows) + 46, left=left, right=14, top=6, bottom=38, text=10.5)
    figure, axes = look.figure()
    shown = np.concatenate([row[1][np.isfinite(row[1])] for row in rows])
    ends = [value for row in rows for value in row[2:] if math.isfinite(value)]
    most = np.percentile(shown, [2, 98]) if shown.size else ()
    limits = _around(np.array([*most, *ends]), 0.05, 1e-4)
    for y, (_, values, mean, start, stop) in enumerate(rows):
        known = np.clip(values[np.isfinite(values)], *limits)
        colour = NULL if y == 0 else MODEL
        if len(known) <= 4 * MOST_TICKS:
            single_values(axes, known, y, colour, 0.3)
        if math.isfinite(start):
            axes.plot([start, stop], [y, y], color=INK, lw=3.2, alpha=0.55)
        if math.isfinite(mean):
            axes.plot(mean, y, "o", color=INK, ms=6.4, zorder=4)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_xlim(*limits)
    _change_axis(axes, look.text, width)
    axes.set_xlabel("change in similarity", fontsize=look.text, color=INK)
    return figure


def gap_against_share(families: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Alignment: each family's invariance gap against its share among the classes' tops.

    Args:
        families: `Alignment.families`.
        names: What each is called.
    """
    look = Look(372, 286, left=54, right=16, top=10, bottom=40, text=10.5)
    figure, axes = look.figure()
    x, y = (families[name].to_numpy(dtype=float) for name in ("gap", "share"))
    axes.axvline(0, color=NULL, lw=0.9)
    for gap, share in zip(x, y, strict=True):
        mark, colour = ("o", MODEL) if gap > 0 else ("s", TWIN)
        axes.plot(gap, share, mark, color=colour, ms=6, zorder=3)
    axes.set_xlim(*_around(x, 0.22))
    axes.set_ylim(*_around(y, 0.1))
    name_points(axes, x, y, names, look, look.text - 2)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    plain(axes, look.text, "both")
    axes.set_xlabel("invariance, trained − untrained", fontsize=look.text, color=INK)
    axes.set_ylabel("share among the tops", fontsize=look.text, color=INK)
    return figure


def two_bars(rows: Sequence[tuple[str, float, float, float]]) -> Figure:
    """Alignment: the share among the tops where the gap is above 0 and where it is not.

    Args:
        rows: label, share, low, high.
    """
    look = Look(372, 286, left=54, right=16, top=16, bottom=40, text=10.5)
    figure, axes = look.figure()
    top = 0.0
    for x, (_, share, low, high) in enumerate(rows):
        colour = MODEL if x == 0 else TWIN
        if not math.isfinite(share):
            continue
        axes.bar(x, share, 0.5, color=colour, alpha=0.78, lw=0)
        if math.isfinite(low):
            axes.plot([x, x], [low, high], color=INK, lw=2)
        top = max(top, share, high if math.isfinite(high) else 0.0)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.set_ylim(0, 1.15 * max(top, 0.01))
    axes.set_xticks(range(len(rows)), [row[0] for row in rows])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    plain(axes, look.text, "y")
    axes.set_ylabel("share among the tops", fontsize=look.text, color=INK)
    return figure


def hierarchy_points(pairs: pd.DataFrame) -> Figure:
    """Pairs of classes: WordNet similarity against the correlation of their operations' ranks.

    Args:
        pairs: `Hierarchy.pairs`; of many, as many as can be seen, evenly through the table.
    """
    look = Look(440, 280, left=52, right=16, top=10, bottom=40, text=10.5)
    figure, axes = look.figure()
    known = pairs.dropna(subset=["wup", "rank_correlation"])
    x, y = (known[name].to_numpy(dtype=float) for name in ("wup", "rank_correlation"))
    step = max(1, -(-len(x) // _POINTS))
    axes.plot(x[::step], y[::step], "o", color=MODEL, ms=3.6, alpha=0.4, mew=0)
    edges = np.linspace(float(x.min()), float(x.max()), _BINS + 1) if x.size else np.zeros(1)
    for low, high in itertools.pairwise(edges.tolist()):
        inside = (x >= low) & ((x < high) | (high == edges[-1]))
        if inside.sum() > 2:
            mean = float(y[inside].mean())
            axes.plot([low, high], [mean, mean], color=TWIN, lw=2.4, solid_capstyle="butt")
    axes.axhline(0, color=NULL, lw=0.9)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
    plain(axes, look.text, "both")
    axes.set_xlabel("how alike two classes are (WordNet, Wu–Palmer)", fontsize=look.text, color=INK)
    axes.set_ylabel("correlation of ranks", fontsize=look.text, color=INK)
    return figure


def _change_axis(axes: Axes, text: float, width: float) -> None:
    axes.axvline(0, color=NULL, lw=1)
    axes.xaxis.set_major_locator(MaxNLocator(6 if width > 500 else 4))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:+.4g}".replace("-", "−") if value else "0")
    )
    plain(axes, text, "x")


def _around(values: np.ndarray, share: float, least: float = 1e-3) -> tuple[float, float]:
    """Limits that hold 0 and all values that are known, with a share of room on both sides."""
    known = [0.0, *values[np.isfinite(values)].tolist()]
    room = share * max(max(known) - min(known), least)
    return min(known) - room, max(known) + room
