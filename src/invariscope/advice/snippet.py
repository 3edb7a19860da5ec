"""Writes a recommendation as Python: torchvision ``v2`` transforms, ready to paste.

Each family becomes the torchvision transform that does the same, over the recommended range, with
probability ½. The code runs as it stands on uint8 image tensors and PIL images.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

_HEAD = "from torchvision.transforms import v2\n"


def snippet(table: pd.DataFrame) -> str:
    """Writes the code of a recommendation.

    Args:
        table: `Recommendation.table`.

    Returns:
        Python that defines ``augment`` and, if classes have operations of their own, ``per_class``.

    Example:
        >>> rows = [{"family": "rotate", "advice": "add", "low": 10.0, "high": 30.0,
        ...          "signed": False, "classes": ["cat"]}]
        >>> print(snippet(pd.DataFrame(rows)).splitlines()[3])
            v2.RandomApply([v2.RandomRotation((0, 30))], p=0.5),
    """
    lines = _compose("augment = ", table[table["advice"] == "add"], "")
    own: dict[str, list[Mapping[str, Any]]] = {}
    for row in table[table["advice"] == "add for some classes"].to_dict("records"):
        for name in row["classes"]:
            own.setdefault(name, []).append({str(key): value for key, value in row.items()})
    if own:
        lines += ["# for the images of these classes, after the above", "per_class = {"]
        for name in sorted(own):
            lines += _compose(f"    {name!r}: ", pd.DataFrame(own[name]), "    ", end=",")
        lines.append("}")
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def _compose(start: str, rows: pd.DataFrame, indent: str, end: str = "") -> list[str]:
    if rows.empty:
        return [f"{start}v2.Identity(){end}  # nothing varies enough in most classes"]
    body = [f"{indent}    {_line(row)}," for row in rows.to_dict("records")]
    return [f"{start}v2.Compose([", *body, f"{indent}]){end}"]


def _line(row: Mapping[Any, Any]) -> str:
    make = _TRANSFORMS.get(row["family"])
    if make is None:
        return f"v2.Identity()  # {row['family']}: a transformation of your own"
    return make(float(row["low"]), float(row["high"]), bool(row["signed"]))


def _half(text: str) -> str:
    return f"v2.RandomApply([{text}], p=0.5)"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _angles(low: float, high: float, signed: bool) -> str:
    """From none to the strongest; both ways where directions were drawn."""
    if signed:
        low, high = -_strongest(low, high), _strongest(low, high)
    return f"{_number(min(0.0, low))}, {_number(max(0.0, high))}"


def _factors(low: float, high: float, signed: bool) -> str:
    """From 1 to the strongest, both ways where directions were drawn."""
    if signed:
        low, high = max(0.0, 2 - high), high
    return f"({_number(min(low, 1.0))}, {_number(max(high, 1.0))})"


def _jitter(what: str) -> Callable[[float, float, bool], str]:
    return lambda low, high, signed: _half(f"v2.ColorJitter({what}={_factors(low, high, signed)})")


def _scale(low: float, high: float, signed: bool) -> str:
    if signed:
        low = 1 / high
    bounds = f"({_number(min(low, 1.0))}, {_number(max(high, 1.0))})"
    return _half(f"v2.RandomAffine(0, scale={bounds})")


def _strongest(low: float, high: float) -> float:
    """Of shifts and angles that may be negative."""
    return max(abs(low), abs(high))


_TRANSFORMS: dict[str, Callable[[float, float, bool], str]] = {
    "rotate": lambda low, high, signed: _half(f"v2.RandomRotation(({_angles(low, high, signed)}))"),
    # torchvision's shear leans the other way; both ways are as likely, so that it does not matter.
    "shear_x": lambda low, high, signed: _half(
        f"v2.RandomAffine(0, shear=({_angles(low, high, True)}, 0, 0))"
    ),
    "shear_y": lambda low, high, signed: _half(
        f"v2.RandomAffine(0, shear=(0, 0, {_angles(low, high, True)}))"
    ),
    "translate_x": lambda low, high, signed: _half(
        f"v2.RandomAffine(0, translate=({_number(min(1, _strongest(low, high)))}, 0))"
    ),
    "translate_y": lambda low, high, signed: _half(
        f"v2.RandomAffine(0, translate=(0, {_number(min(1, _strongest(low, high)))}))"
    ),
    "zoom_in": _scale,
    "zoom_out": _scale,
    "rescale": _scale,
    "brightness_up": _jitter("brightness"),
    "brightness_down": _jitter("brightness"),
    "contrast": _jitter("contrast"),
    "contrast_up": _jitter("contrast"),
    "contrast_down": _jitter("contrast"),
    "saturation": _jitter("saturation"),
    "hue": lambda low, high, signed: _half(
        f"v2.ColorJitter(hue={_number(min(0.5, _strongest(low, high)))})"
    ),
    "sharpness": lambda low, high, signed: f"v2.RandomAdjustSharpness({_number(high)}, p=0.5)",
    "posterize": lambda low, high, signed: f"v2.RandomPosterize({max(0, round(low))}, p=0.5)",
    # For uint8; images in [0, 1] take the threshold as a fraction.
    "solarize": lambda low, high, signed: (
        f"v2.RandomSolarize({min(255, math.floor(255 * low))}, p=0.5)"
    ),
    "autocontrast": lambda low, high, signed: "v2.RandomAutocontrast(p=0.5)",
    "equalize": lambda low, high, signed: "v2.RandomEqualize(p=0.5)",
    "invert": lambda low, high, signed: "v2.RandomInvert(p=0.5)",
    "flip_horizontal": lambda low, high, signed: "v2.RandomHorizontalFlip(p=0.5)",
    "flip_vertical": lambda low, high, signed: "v2.RandomVerticalFlip(p=0.5)",
    # Of the side: for 224 pixels.
    "blur": lambda low, high, signed: _half(
        f"v2.GaussianBlur({2 * math.ceil(2 * 224 * high) + 1}, sigma=(0.1, {_number(224 * high)}))"
    ),
}
