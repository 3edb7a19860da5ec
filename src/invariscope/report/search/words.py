"""How the page of a search writes operations and numbers."""

import math
from collections.abc import Mapping
from typing import Any

from invariscope.advice.alignment import measured_name
from invariscope.report.kit.words import number, transformation_words
from invariscope.transformations import IDENTITY

NOTHING = "none helps"


def operation_words(manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """What an operation does, in words.

    Args:
        manifest: Of the search, which knows what families are called.
        entry: The operation as the manifest has it.

    Example:
        >>> steps = [{"family": "shear_x", "magnitude": 7.59, "signed": True},
        ...          {"family": "invert", "magnitude": 1.0, "signed": False}]
        >>> known = {"transformations": {"shear_x": {"words": "horizontal shear"}}}
        >>> operation_words(known, {"kind": "mixed", "steps": steps, "magnitude": "±7.59°, on"})
        'horizontal shear ±7.59° and invert'
        >>> operation_words(known, {"kind": "identity", "steps": [], "magnitude": "off"})
        'none helps'
    """
    if entry["kind"] == IDENTITY:
        return NOTHING
    words = [transformation_words(manifest, measured_name(step)) for step in entry["steps"]]
    magnitudes = entry["magnitude"].split(", ")
    if len(words) != len(magnitudes):  # a magnitude of several numbers
        return f"{' and '.join(words)} {entry['magnitude']}"
    steps = [
        name if far in ("on", "off") else f"{name} {_far(far)}"
        for name, far in zip(words, magnitudes, strict=True)
    ]
    return " and ".join(steps)


def _far(magnitude: str) -> str:
    if magnitude.endswith(" threshold"):
        return f"above {magnitude.removesuffix(' threshold')}"
    if magnitude.endswith(" bits"):
        return f"to {magnitude}"
    return magnitude.removesuffix(" of the side").replace(" %", "\u00a0%")


def change_text(value: float) -> str:
    """A relative change in per cent, with its sign.

    Example:
        >>> change_text(0.0312).split(), change_text(-0.0004).split(), change_text(float("nan"))
        (['+3.1', '%'], ['−0.04', '%'], '–')
    """
    return "–" if not math.isfinite(value) else f"{_signed(value)}\u00a0%"


def change_interval(value: float, low: float, high: float) -> str:
    """A relative change with its interval.

    Example:
        >>> change_interval(0.031, 0.012, 0.05).replace("\u00a0", " ")
        '+3.1 % [+1.2, +5.0]'
        >>> change_interval(0.031, float("nan"), float("nan")).replace("\u00a0", " ")
        '+3.1 %'
    """
    if not (math.isfinite(value) and math.isfinite(low) and math.isfinite(high)):
        return change_text(value)
    return f"{change_text(value)} [{_signed(low)}, {_signed(high)}]"


def share_interval(value: float, low: float, high: float) -> str:
    """A share in per cent with its interval.

    Example:
        >>> share_interval(0.5, 0.25, 0.75).replace("\u00a0", " ")
        '50 % [25, 75]'
    """
    if not math.isfinite(value):
        return "–"
    text = f"{100 * value:.0f}\u00a0%"
    ends = math.isfinite(low) and math.isfinite(high)
    return f"{text} [{100 * low:.0f}, {100 * high:.0f}]" if ends else text


def p_text(value: float) -> str:
    """A p-value, rounded so that it is never 0.

    Example:
        >>> p_text(0.0312), p_text(0.0001), p_text(float("nan"))
        ('0.031', '0.0001', '–')
    """
    return "–" if not math.isfinite(value) else f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}"


def counted(count: int, singular: str, plural: str = "") -> str:
    """A number of things.

    Example:
        >>> counted(1, "class", "classes"), counted(1200, "pair")
        ('1 class', '1,200 pairs')
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def _signed(value: float) -> str:
    scaled = 100 * value
    text = number(scaled, 1 if abs(scaled) >= 0.1 or scaled == 0 else 2)
    return text if scaled <= 0 or not text.strip("0.") else f"+{text}"
