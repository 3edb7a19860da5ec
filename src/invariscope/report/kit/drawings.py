"""Figures and tracks as pages show them: an SVG with its caption, a dot on a line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from invariscope.report.kit import svg


@dataclass(frozen=True)
class Drawing:
    """A figure with its caption and (style class, words) of what its marks mean."""

    figure: Markup
    caption: str
    marks: Sequence[tuple[str, str]] = ()


def drawing(
    figure: Figure, name: str, label: str, caption: str, marks: Sequence[tuple[str, str]] = ()
) -> Drawing:
    """A figure for a page; `name` and `label` as for `invariscope.report.kit.svg.inline`."""
    return Drawing(Markup(svg.inline(figure, name, label, "half")), caption, marks)


def both(figures: Sequence[Figure], name: str, label: str) -> Markup:
    """A figure drawn for wide screens and for telephones; the page shows the one that fits."""
    return Markup("\n").join(
        Markup(svg.inline(figure, f"{name}{width}", label, width))
        for figure, width in zip(figures, ("wide", "phone"), strict=True)
    )


def key_mark(drawing: Markup) -> Markup:
    """A mark in the key to curves, drawn in a box of 34 × 12."""
    svg_tag = '<svg viewBox="0 0 34 12" width="34" height="12" aria-hidden="true">{}</svg>'
    return Markup(svg_tag).format(drawing)


@dataclass(frozen=True)
class Track:
    """A value on a line, in per cent of the line's length.

    Attributes:
        at: Where the dot stands.
        span: Start and length of its interval; None without one.
        lines: Where lines cross.
        inside: Start and length of a range that is marked.
    """

    at: float
    span: tuple[float, float] | None = None
    lines: Sequence[float] = ()
    inside: tuple[float, float] | None = None


def track(
    share: Callable[[float], float],
    value: float,
    interval: Sequence[float] = (),
    lines: Sequence[float] = (),
    inside: Sequence[float] = (),
) -> Track:
    """A track from values.

    Args:
        share: A value's place on the scale, from 0 to 1.
        value: Where the dot stands.
        interval: Both ends of its interval, or nothing.
        lines: Where lines cross.
        inside: Both ends of a range that is marked, or nothing.

    Example:
        >>> track(lambda value: 1 - value, 0.25, (0.1, 0.5), [1.0])
        Track(at=75.0, span=(50.0, 40.0), lines=[0.0], inside=None)
    """

    def position(value: float) -> float:
        return round(100 * share(value), 2)

    def span(ends: Sequence[float]) -> tuple[float, float] | None:
        low, *_, high = sorted(position(end) for end in ends) if ends else (0.0, 0.0)
        return (low, round(high - low, 2)) if ends else None

    return Track(position(value), span(interval), [position(x) for x in lines], span(inside))
