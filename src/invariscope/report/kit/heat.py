"""Heat maps: rows of cells, whose shades say where values lie on a scale."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from invariscope.report.kit.words import number, with_interval

_Stops = Sequence[tuple[float, tuple[int, int, int]]]
# From "like the original" (pale) to "like another image" (deep blue): one hue, growing darker,
# which every kind of colour vision and a grey printer keep in order.
_STOPS: _Stops = (
    (0.0, (8, 48, 90)),
    (0.35, (33, 102, 160)),
    (0.7, (134, 186, 220)),
    (1.0, (240, 246, 250)),
)


@dataclass(frozen=True)
class HeatCell:
    """A cell of a heat map: text, colours ("" for none), what the pointer shows, style classes."""

    text: str
    background: str = ""
    ink: str = ""
    title: str = ""
    marks: str = ""


HeatRow = tuple[str | Markup, list[HeatCell]]


@dataclass(frozen=True)
class HeatMap:
    """A heat map as the pages' macro draws it.

    Attributes:
        columns: What the columns are called.
        groups: (title, rows) in order; a row is its head and a cell for each column.
        ends: What the scale's worst and best end are, in words.
        spans: (title, number of columns) of headings above the columns.
        title: What the map shows.
        words: More about that, in a sentence.
    """

    columns: list[str]
    groups: list[tuple[str | Markup, list[HeatRow]]]
    ends: tuple[str, str] = ("", "")
    spans: Sequence[tuple[str, int]] = ()
    title: str = ""
    words: str = ""


def by_part(rows: Iterable[tuple[str, HeatRow]]) -> list[tuple[str | Markup, list[HeatRow]]]:
    """Groups of a heat map: the rows of each part of the network, in depth order.

    Args:
        rows: (part, row).
    """
    parts = itertools.groupby(rows, key=lambda row: row[0])
    return [(part, [row for _, row in group]) for part, group in parts]


def blend(at: float, stops: _Stops) -> tuple[int, int, int]:
    """The colour (red, green, blue) at a point of a scale that is given by some of its colours."""
    points = [stop for stop, _ in stops]
    red, green, blue = (
        round(float(np.interp(at, points, [colour[k] for _, colour in stops]))) for k in range(3)
    )
    return red, green, blue


def shade(value: float) -> tuple[str, str]:
    """(background, text) colours of a heat map's cell; values are held within [0, 1].

    Example:
        >>> shade(1.0), shade(-3.0), shade(float("nan"))
        (('#f0f6fa', '#12202e'), ('#08305a', '#ffffff'), ('', ''))
    """
    if not math.isfinite(value):
        return "", ""
    colour = blend(min(1.0, max(0.0, value)), _STOPS)
    # Relative luminance as WCAG defines it; 0.18 is where black and white text contrast alike.
    linear = [c / 255 / 12.92 if c < 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}", "#12202e" if luminance > 0.21 else "#ffffff"


#: The shades from worst to best as stops of a CSS gradient.
GRADIENT = ", ".join(shade(k / 8)[0] for k in range(9))


def value_cell(value: float, low: float, high: float, n: int, share: float) -> HeatCell:
    """A value with the shade of its place on a scale; its interval shows under the pointer.

    Args:
        value: It.
        low: Lower end of its interval.
        high: Upper end.
        n: Over how many images.
        share: Its place, 0 at the worst end and 1 at the best.
    """
    return HeatCell(number(value), *shade(share), f"{with_interval(value, low, high)}, n = {n}")


def link(text: str, target: str) -> str | Markup:
    """A name that leads to a page; the bare name where there is none."""
    return Markup('<a href="{}">{}</a>').format(target, text) if target else text
