"""Writes identifiers and numbers in the words of a report.

Identifiers stay what they are in tables and on the command line; sentences use these words.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def transformation_words(manifest: Mapping[str, Any], name: str) -> str:
    """Names a transformation in a sentence, from the manifest of a run or search.

    Example:
        >>> manifest = {"transformations": {"rotate": {"words": "rotation"}}}
        >>> transformation_words(manifest, "rotate"), transformation_words(manifest, "my_warp")
        ('rotation', 'my warp')
    """
    about = manifest.get("transformations", {}).get(name, {})
    return str(about.get("words") or name.replace("_", " "))


def capitalised(text: str) -> str:
    """The text with a capital first letter, the others as they are.

    Example:
        >>> capitalised("turns of C4")
        'Turns of C4'
    """
    return text[:1].upper() + text[1:]


def listed(words: Sequence[str]) -> str:
    """The words as an English list.

    Example:
        >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
        ('a', 'a and b', 'a, b and c')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def number(value: float, digits: int = 2) -> str:
    """A number as the report writes it: fixed digits, a true minus, an en dash where undefined.

    Example:
        >>> number(0.314), number(-0.2), number(float("nan")), number(-0.001)
        ('0.31', '−0.20', '–', '0.00')
    """
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """A number with its 95 % interval, or with the statement that there is none.

    Example:
        >>> with_interval(0.314, 0.25, 0.38), with_interval(0.5, float("nan"), float("nan"))
        ('0.31 [0.25, 0.38]', '0.50 (no interval)')
    """
    if value is None or not math.isfinite(value):
        return "undefined"
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{number(value, digits)} (no interval)"
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def percent(value: float) -> str:
    """A share in per cent, rounded to the whole number.

    Example:
        >>> percent(0.9142).split(), percent(float("nan"))
        (['91', '%'], '–')
    """
    return "–" if not math.isfinite(value) else f"{100 * value:.0f}\u00a0%"


def magnitude_text(magnitude: float, unit: str) -> str:
    """A level's magnitude with its unit, short enough for a tick label.

    Example:
        >>> magnitude_text(40.0, "°"), magnitude_text(3.0, "bits"), magnitude_text(1.0, "")
        ('40°', '3 bits', 'on')
        >>> magnitude_text(0.5, "")  # 0 and 1 are a switch, other numbers without a unit are none
        '0.5'
        >>> magnitude_text(1 / 18, "of the side"), magnitude_text(1.5, "×")
        ('5.6 %', '×1.5')
    """
    if magnitude is None or not math.isfinite(magnitude):
        return unit or "–"
    if unit == "" and magnitude in (0, 1):
        return "on" if magnitude else "off"
    if unit == "of the side":
        return f"{100 * magnitude:.2g} %".replace("-", "−").replace("1e+02", "100")
    if unit == "element":
        return f"element {magnitude:.0f}"
    short = f"{magnitude:.3g}".replace("-", "−")
    if unit in ("degrees", "°"):
        return f"{short}°"
    if unit in ("factor", "×"):
        return f"×{magnitude:.2f}" if len(short) > 4 else f"×{short}"
    if unit in ("threshold", "of the circle"):
        return f"{magnitude:.2g}".replace("-", "−")
    return f"{short} {unit}".strip()


def counted(count: int, singular: str, plural: str = "") -> str:
    """A number of things.

    Example:
        >>> counted(1, "class", "classes"), counted(1200, "pair")
        ('1 class', '1,200 pairs')
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def signed(value: float, digits: int) -> str:
    """A number that shows its plus as well as its minus.

    Example:
        >>> signed(3.14, 1), signed(-3.14, 1), signed(0.01, 1)
        ('+3.1', '−3.1', '0.0')
    """
    text = number(value, digits)
    return f"+{text}" if value > 0 and text.strip("0.") else text


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


def significant(value: float) -> str:
    """Two significant digits, with a true minus.

    Example:
        >>> significant(0.0314), significant(-0.5), significant(12.34)
        ('0.031', '−0.50', '12')
    """
    if not math.isfinite(value):
        return "–"
    digits = 2 if value == 0 else max(0, 1 - math.floor(math.log10(abs(value))))
    return number(value, min(digits, 5))


def value_text(value: float, low: float, high: float) -> str:
    """A number with its interval, to the digits that the interval's width makes worth while.

    Example:
        >>> value_text(0.51234, 0.50111, 0.53987), value_text(0.5, math.nan, math.nan)
        ('0.512 [0.501, 0.540]', '0.50')
        >>> value_text(1.0, 1.0, 1.0), value_text(0.999999, 0.999998, 1.0)
        ('1.00 [1.00, 1.00]', '1.00 [1.00, 1.00]')
    """
    if not math.isfinite(value):
        return "undefined"
    if not (math.isfinite(low) and math.isfinite(high)):
        return significant(value)
    width = high - low if high - low > 1e-5 else 0.0
    digits = 2 if width <= 0 else min(5, max(0, 1 - math.floor(math.log10(width))))
    digits = max(digits, 2)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def duration(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> duration(0.42), duration(40), duration(700), duration(11000)
        ('0.4 s', '40 s', '12 min', '3.1 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
