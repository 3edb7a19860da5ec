"""Writes operations and numbers for the page of a search."""

import math
from collections.abc import Mapping
from typing import Any

from invariscope.advice.alignment import measured_name
from invariscope.report.kit.words import (
    magnitude_text,
    number,
    p_text,
    signed,
    transformation_words,
)
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
    magnitude = magnitude.removesuffix(" of the side").removesuffix(" of the circle")
    return magnitude.replace(" %", "\u00a0%").replace("-", "−")


def change_text(value: float) -> str:
    """A change in similarity, with its sign.

    Example:
        >>> change_text(0.0312), change_text(-0.0004), change_text(float("nan"))
        ('+0.031', '−0.00040', '–')
    """
    return "–" if not math.isfinite(value) else _signed(value)


def change_interval(value: float, low: float, high: float) -> str:
    """A change in similarity with its interval.

    Example:
        >>> change_interval(0.031, 0.012, 0.05)
        '+0.031 [+0.012, +0.050]'
        >>> change_interval(0.031, float("nan"), float("nan"))
        '+0.031'
    """
    if not (math.isfinite(value) and math.isfinite(low) and math.isfinite(high)):
        return change_text(value)
    return f"{change_text(value)} [{_signed(low)}, {_signed(high)}]"


def relative_text(value: float) -> str:
    """A relative change (eq. 2) in per cent, with its sign; of a large one three digits.

    Example:
        >>> [relative_text(value).replace("\u00a0", " ") for value in (0.0312, -0.0004, 350.0)]
        ['+3.1 %', '−0.04 %', '+35,000 %']
    """
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 10:
        return f"{100 * value:+,.0f}\u00a0%".replace("-", "−")
    return f"{signed(100 * value, 1 if abs(value) >= 0.001 or value == 0 else 2)}\u00a0%"


def share_text(value: float) -> str:
    """A share that is closed, in per cent, below 10 % with a decimal.

    Example:
        >>> [share_text(value).replace("\u00a0", " ") for value in (0.342, 0.0312, -0.004)]
        ['34 %', '3.1 %', '−0.4 %']
    """
    if not math.isfinite(value):
        return "–"
    return f"{number(100 * value, 0 if abs(value) >= 0.0995 else 1)}\u00a0%"


def share_ends(low: float, high: float) -> str:
    """The interval of a share, in per cent.

    Example:
        >>> share_ends(-0.01, 0.123), share_ends(float("nan"), 1.0)
        ('[−1, 12]', '')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(100 * low, 0)}, {number(100 * high, 0)}]"


def q_text(value: float) -> str:
    """A corrected p-value, in digits that mean something.

    Example:
        >>> q_text(0.0312), q_text(6e-37), q_text(float("nan"))
        ('0.031', '<0.0001', '–')
    """
    return "<0.0001" if value < 0.0001 else p_text(value)


def magnitude_range(row: Mapping[str, Any]) -> str:
    """From the weakest to the strongest magnitude that helps; "–" where none is known.

    Example:
        >>> row = {"family": "rotate", "low": 10.0, "high": 30.0, "unit": "°", "signed": False}
        >>> magnitude_range(row), magnitude_range(row | {"signed": True, "low": 30.0})
        ('10° to 30°', '±30°')
        >>> magnitude_range(row | {"family": "contrast", "unit": "×", "signed": True, "low": 1.2,
        ...                        "high": 1.5})
        '1 ± 0.2 to 1 ± 0.5'
    """
    ends = [float(row["low"]), float(row["high"])]
    if not all(map(math.isfinite, ends)):
        return "–"
    if row["signed"] and row["unit"] == "×":
        zoom = row["family"] == "rescale"
        texts = [f"×÷{value:.3g}" if zoom else f"1 ± {value - 1:.2g}" for value in ends]
    else:
        sign = "±" if row["signed"] else ""
        texts = [f"{sign}{magnitude_text(value, row['unit'])}" for value in ends]
    return " to ".join(dict.fromkeys(texts))


def _signed(value: float) -> str:
    return signed(value, 3 if abs(value) >= 0.0005 or value == 0 else 5)
