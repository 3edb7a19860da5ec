"""Writes operations and numbers for the page of a search."""

import math
from collections.abc import Mapping
from typing import Any

from invariscope.advice.alignment import measured_name
from invariscope.report.kit.words import signed, transformation_words
from invariscope.transformations import IDENTITY

NOTHING = "none helps"


def operation_words(manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Describes an operation in words.

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


def _signed(value: float) -> str:
    return signed(100 * value, 1 if abs(100 * value) >= 0.1 or value == 0 else 2)
