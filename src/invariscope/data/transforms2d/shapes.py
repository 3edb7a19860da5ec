"""Draws a hundred objects of our own: ten outlines, each with ten patterns, in two colours each.

No outline or pattern becomes another one by turning, mirroring or scaling it, so a class stays a
class under every transformation. Class k has outline k mod 10; the patterns go round so that the
first ten classes, and each ten after them, have ten outlines and ten patterns. Colours are two
hues at least 80° apart, one light and one dark, hashed from the class.
"""

import colorsys
from collections.abc import Callable

import numpy as np
from PIL import Image

from invariscope.seeding import uniform

_DRAWN = 192  # a side of 64 pixels, three times finer
_FINER = 3
Plane = np.ndarray  # [row, column]


def _polygon(x: Plane, y: Plane, corners: int) -> Plane:
    angle = np.arctan2(x, -y)
    half = np.pi / corners
    folded = np.mod(angle + half, 2 * half) - half
    return np.hypot(x, y) * np.cos(folded) < np.cos(half)


def _star(x: Plane, y: Plane, points: int, depth: float) -> Plane:
    angle = np.arctan2(x, -y)
    half = np.pi / points
    folded = np.abs(np.mod(angle + half, 2 * half) - half)
    across, along = np.hypot(x, y) * np.sin(folded), np.hypot(x, y) * np.cos(folded)
    # the edge goes from the tip (0, 1) to the notch
    notch_across, notch_along = depth * np.sin(half), depth * np.cos(half)
    return (along - 1) * notch_across < (notch_along - 1) * across


def _flower(x: Plane, y: Plane) -> Plane:
    return np.hypot(x, y) < 0.7 + 0.3 * np.cos(6 * np.arctan2(x, -y))


def _cross(x: Plane, y: Plane) -> Plane:
    wide, narrow = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    return (wide < 1) & (narrow < 0.33)


def _crescent(x: Plane, y: Plane) -> Plane:
    return (np.hypot(x, y) < 1) & (np.hypot(x - 0.45, y) > 0.75)


def _heart(x: Plane, y: Plane) -> Plane:
    u, v = 1.2 * x, -1.2 * y + 0.1
    return (u**2 + v**2 - 0.85) ** 3 < 1.4 * u**2 * v**3


def _arrow(x: Plane, y: Plane) -> Plane:
    head = (y < 0) & (np.abs(x) < y + 1)
    return head | ((np.abs(x) < 0.35) & (y >= 0) & (y < 1))


OUTLINES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "triangle": lambda x, y: _polygon(x, y, 3),
    "star": lambda x, y: _star(x, y, 5, 0.42),
    "cross": _cross,
    "disc": lambda x, y: np.hypot(x, y) < 1,
    "crescent": _crescent,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) < 0.85,
    "flower": _flower,
    "arrow": _arrow,
    "heart": _heart,
    "bar": lambda x, y: (np.abs(x) < 1) & (np.abs(y) < 0.42),
}
PATTERNS: dict[str, Callable[[Plane, Plane], Plane]] = {
    "plain": lambda x, y: np.zeros_like(x, dtype=bool),
    "striped": lambda x, y: np.mod(2.5 * y, 1) < 0.5,
    "dotted": lambda x, y: np.hypot(np.mod(2.5 * x, 1) - 0.5, np.mod(2.5 * y, 1) - 0.5) < 0.3,
    "halved": lambda x, y: x + 0.3 * y > 0,
    "ringed": lambda x, y: np.mod(2.2 * np.hypot(x, y), 1) < 0.5,
    "checked": lambda x, y: (np.mod(1.8 * x, 1) < 0.5) ^ (np.mod(1.8 * y, 1) < 0.5),
    "pupilled": lambda x, y: np.hypot(x, y) < 0.35,
    "rayed": lambda x, y: np.mod(3.5 * np.arctan2(x, -y) / np.pi, 1) < 0.5,
    "quartered": lambda x, y: x * y > 0,
    "banded": lambda x, y: np.abs(y) < 0.22,
}
COUNT = len(OUTLINES) * len(PATTERNS)


def shape_name(number: int) -> str:
    """Names class number k.

    Example:
        >>> shape_name(0), shape_name(1), shape_name(10)
        ('plain triangle', 'striped star', 'striped triangle')
    """
    outline, pattern = _parts(number)
    return f"{pattern} {outline}"


def draw_shape(number: int) -> Image.Image:
    """Draws the picture of class number k, RGBA, trimmed to its outline.

    Example:
        >>> draw_shape(3).mode, max(draw_shape(3).size) <= 64
        ('RGBA', True)
    """
    outline, pattern = _parts(number)
    line = (np.arange(_DRAWN) + 0.5) / _DRAWN * 2.1 - 1.05
    x, y = np.meshgrid(line, line)
    inside, second = OUTLINES[outline](x, y), PATTERNS[pattern](x, y)
    colours = np.where(second[:, :, None], *(np.array(c, dtype=np.uint8) for c in _colours(number)))
    pixels = np.dstack([colours, np.where(inside, 255, 0).astype(np.uint8)])
    side = _DRAWN // _FINER
    small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX)
    box = small.getchannel("A").getbbox()
    assert box is not None
    return small.crop(box)


def _parts(number: int) -> tuple[str, str]:
    row, column = divmod(number, len(OUTLINES))
    return list(OUTLINES)[column], list(PATTERNS)[(row + column) % len(PATTERNS)]


def _colours(number: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The pattern's colour and the ground's: hues 80° to 280° apart, one light, one dark."""
    first, apart, which = (
        float(uniform(0, f"shape {what}", [str(number)])[0]) for what in ("hue", "apart", "which")
    )
    hues = (360 * first, 360 * first + 80 + 200 * apart)
    lights = (0.72, 0.32) if which < 0.5 else (0.32, 0.72)
    pattern, ground = (_hsl(hue % 360, light) for hue, light in zip(hues, lights, strict=True))
    return pattern, ground


def _hsl(hue: float, light: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue / 360, light, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)
