"""The words of the report: what identifiers are called in a sentence, and how numbers read.

Identifiers stay what they are in tables and on the command line; sentences use these words.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def transformation_words(manifest: Mapping[str, Any], name: str) -> str:
    """What a transformation is called in a sentence, by the manifest of a run or search.

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
        >>> magnitude_text(1 / 18, "of the side"), magnitude_text(1.5, "×")
        ('5.6 %', '×1.5')
    """
    if magnitude is None or not math.isfinite(magnitude):
        return unit or "–"
    if unit == "":
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
        return f"{magnitude:.2g}"
    return f"{short} {unit}".strip()


def images_counted(count: int) -> str:
    """A number of images, in words.

    Example:
        >>> images_counted(1), images_counted(5000)
        ('1 image', '5,000 images')
    """
    return "1 image" if count == 1 else f"{count:,} images"
