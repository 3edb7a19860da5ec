"""The figures of studies: means with intervals in rows, and curves with bands.

Both are drawn twice, for wide screens and for telephones, in the report's colours; every series has
a mark and a line style of its own, so colour never stands alone. `bands` of a curve and whiskers of
a row are 95 % intervals; small ticks are single seeds, classes or whatever was drawn.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from invariscope.report.kit import svg
from invariscope.report.kit.look import (
    AMBER,
    FAINT,
    FLOOR,
    INK,
    KEPT,
    MODEL,
    NULL,
    SKY,
    TWIN,
    VIOLET,
    Look,
)
from invariscope.report.kit.words import number
from invariscope.studies.claims.evidence import Evidence
from invariscope.studies.lab.findings import Figure

COLOURS = (MODEL, TWIN, FLOOR, VIOLET, AMBER, INK, SKY, KEPT)
MARKS = ("o", "s", "D", "^", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (7, 2)))
_WIDE, _PHONE = 760.0, 340.0
_ROW, _TEXT = 24, 10.5


@dataclass(frozen=True)
class Dot:
    """A row of `dots`: a number with its interval.

    Attributes:
        label: Its name.
        value: The mean; NaN leaves the row empty.
        low: Lower end of its interval; NaN if there is none.
        high: Upper end.
        ticks: The single numbers behind it.
        group: Which colour and mark: a name in the key.
    """

    label: str
    value: float
    low: float = math.nan
    high: float = math.nan
    ticks: Sequence[float] | np.ndarray = ()
    group: str = ""

    @classmethod
    def of(cls, label: str, evidence: Evidence, ticks=(), group: str = "") -> "Dot":
        """The row of a piece of evidence."""
        return cls(label, evidence.value, evidence.low, evidence.high, ticks, group)


@dataclass(frozen=True)
class Curve:
    """A curve of `curves`.

    Attributes:
        label: Its name.
        x: Positions on the axis.
        y: Values; NaN is a gap.
        low: Lower end of the band at each x; empty without one.
        high: Upper end.
    """

    label: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    low: Sequence[float] | np.ndarray = field(default_factory=tuple)
    high: Sequence[float] | np.ndarray = field(default_factory=tuple)

    @classmethod
    def of(cls, label: str, x: Sequence[float], evidence: Sequence[Evidence]) -> "Curve":
        """The curve of pieces of evidence, one at each x, with their intervals as its band."""
        y, low, high = zip(*((at.value, at.low, at.high) for at in evidence), strict=True)
        return cls(label, x, y, low, high)


def dots(
    title: str, caption: str, rows: Sequence[Dot], *, x_label: str, line: float | None = 0.0
) -> Figure:
    """Draws a row for each number: its mean, its interval, the numbers behind it.

    Args:
        title: A few words.
        caption: How to read it, and what stands out.
        rows: Top to bottom.
        x_label: The name of the axis, with its unit.
        line: A vertical line, such as the threshold; None draws none.

    Example:
        >>> rows = [Dot("trained", 0.5, 0.4, 0.6), Dot("untrained", 0.1)]
        >>> dots("Invariance", "It rises.", rows, x_label="invariance").svg.count("<svg ")
        2
    """
    groups = list(dict.fromkeys(row.group for row in rows))
    label = "; ".join(f"{row.label} {number(row.value, 3)}" for row in rows)

    def draw(width: float) -> Drawing:
        phone = width < _WIDE
        left = min(0.42 * width, 18 + 5.6 * max((len(row.label) for row in rows), default=1))
        named = [name for name in groups if name]
        top = 8 + 16 * _key_lines(named, width)
        look = Look(width, _ROW * len(rows) + top + 42, left, 14, top, 40, _TEXT)
        figure, axes = look.figure()
        if line is not None:
            axes.axvline(line, color=NULL, lw=0.9)
        for position, row in enumerate(rows):
            _row(axes, row, position, groups.index(row.group))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [_cut(row.label, left) for row in rows])
        _plain(axes, "x")
        axes.set_xlabel(x_label, fontsize=_TEXT - (1 if phone else 0), color=INK)
        _key(axes, groups, look, lines=False)
        return figure

    return _figure(title, caption, draw, label)


def curves(
    title: str,
    caption: str,
    series: Sequence[Curve],
    *,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] = (),
    line: float | None = None,
    log_x: bool = False,
) -> Figure:
    """Draws curves over an axis, with bands.

    Args:
        title: A few words.
        caption: How to read it, and what stands out.
        series: The curves; up to eight can be told apart.
        x_label: The name of the axis, with its unit.
        y_label: Likewise.
        x_ticks: Positions and their labels; by default matplotlib's choice.
        line: A horizontal line; None draws none.
        log_x: A logarithmic axis.
    """
    names = [curve.label for curve in series]
    label = "; ".join(
        f"{curve.label}: from {number(float(curve.y[0]), 3)} to {number(float(curve.y[-1]), 3)}"
        for curve in series
        if len(curve.y)
    )

    def draw(width: float) -> Drawing:
        top = 10 + 16 * _key_lines([name for name in names if name], width)
        look = Look(width, (300 if width >= _WIDE else 230) + top, 58, 14, top, 42, _TEXT)
        figure, axes = look.figure()
        if line is not None:
            axes.axhline(line, color=NULL, lw=0.9)
        for index, curve in enumerate(series):
            _curve(axes, curve, index)
        if log_x:
            axes.set_xscale("log")
        if x_ticks:
            axes.set_xticks([x for x, _ in x_ticks], [text for _, text in x_ticks])
            axes.minorticks_off()
        _plain(axes, "y")
        axes.set_xlabel(x_label, fontsize=_TEXT, color=INK)
        axes.set_ylabel(y_label, fontsize=_TEXT, color=INK)
        _key(axes, names, look, lines=True)
        return figure

    return _figure(title, caption, draw, label)


def figure_of(title: str, caption: str, draw: Callable[[float], Drawing], label: str) -> Figure:
    """Makes a figure from a drawing of your own: `draw` takes the width in points (760 and 340)."""
    return _figure(title, caption, draw, label)


def _figure(title: str, caption: str, draw: Callable[[float], Drawing], label: str) -> Figure:
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "figure"
    wide = svg.inline(draw(_WIDE), f"{name}-wide", label, "wide")
    phone = svg.inline(draw(_PHONE), f"{name}-phone", label, "phone")
    return Figure(title, caption, f"{wide}\n{phone}")


def _row(axes: Axes, row: Dot, position: int, group: int) -> None:
    colour = COLOURS[group % len(COLOURS)]
    ticks = np.asarray(row.ticks, dtype=float)
    ticks = ticks[np.isfinite(ticks)]
    if ticks.size:
        x = np.repeat(np.sort(ticks), 3)
        y = np.tile([position - 0.24, position + 0.24, np.nan], len(ticks))
        axes.plot(x, y, color=colour, lw=1, alpha=0.55)
    if math.isfinite(row.low) and math.isfinite(row.high):
        axes.plot([row.low, row.high], [position, position], color=colour, lw=3.4, alpha=0.45)
    if math.isfinite(row.value):
        mark = MARKS[group % len(MARKS)]
        axes.plot(row.value, position, mark, color=colour, ms=6.2, mec="none", zorder=4)


def _curve(axes: Axes, curve: Curve, index: int) -> None:
    colour = COLOURS[index % len(COLOURS)]
    x, y = np.asarray(curve.x, dtype=float), np.asarray(curve.y, dtype=float)
    if len(curve.low):
        low, high = np.asarray(curve.low, dtype=float), np.asarray(curve.high, dtype=float)
        axes.fill_between(x, low, high, color=colour, alpha=0.16, lw=0)
    mark = MARKS[index % len(MARKS)]
    axes.plot(x, y, mark, ls=LINES[index % len(LINES)], color=colour, lw=1.7, ms=4.6, mec="none")


def _key(axes: Axes, names: Sequence[str], look: Look, *, lines: bool) -> None:
    """The key above the axes, from the left, as many rows as it takes."""
    if not any(names):
        return
    width = look.width - 16
    x, y = 8.0, look.height - 10.0
    for index, name in enumerate(names):
        room = _key_width(name)
        if x + room > width and x > 8:
            x, y = 8.0, y - 16
        colour, mark = COLOURS[index % len(COLOURS)], MARKS[index % len(MARKS)]
        to_axes = axes.figure.transFigure
        points = [x / look.width, (x + 18) / look.width], [y / look.height] * 2
        style = LINES[index % len(LINES)] if lines else "none"
        (handle,) = axes.plot(
            *points, color=colour, ls=style, lw=1.7, transform=to_axes, clip_on=False
        )
        handle.set_marker("none")
        axes.plot(
            [(x + 9) / look.width], [y / look.height], mark, color=colour, ms=5.4, mec="none",
            transform=to_axes, clip_on=False,
        )  # fmt: skip
        axes.text(
            (x + 23) / look.width, y / look.height, name, transform=to_axes, color=INK,
            fontsize=_TEXT - 1, va="center",
        )  # fmt: skip
        x += room


def _key_width(name: str) -> float:
    return 36 + 5.4 * len(name)


def _key_lines(names: Sequence[str], width: float) -> int:
    lines, x = (1 if names else 0), 8.0
    for name in names:
        room = _key_width(name)
        if x + room > width - 16 and x > 8:
            lines, x = lines + 1, 8.0
        x += room
    return lines


def _plain(axes: Axes, grid: str) -> None:
    axes.patch.set_visible(False)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(side == "bottom")
        axes.spines[side].set_color(FAINT)
    axes.grid(axis=grid, color=FAINT, lw=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=_TEXT - 0.5, labelcolor=INK)
    for axis in (axes.xaxis, axes.yaxis):
        for text in axis.get_ticklabels():
            text.set_color(INK)


def _cut(text: str, room: float) -> str:
    most = max(6, int((room - 12) / 5.4))
    return text if len(text) <= most else text[: most - 1] + "…"
