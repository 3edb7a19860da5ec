"""The cells of heat maps: a value becomes a shade of one hue, with ink that can be read on it."""

import math
from dataclasses import dataclass

import numpy as np

# From "like the original" (pale) to "like another image" (deep blue): one hue, growing darker,
# which every kind of colour vision and a grey printer keep in order.
_STOPS = (
    (0.0, (8, 48, 90)),
    (0.35, (33, 102, 160)),
    (0.7, (134, 186, 220)),
    (1.0, (240, 246, 250)),
)


def shade(value: float) -> tuple[str, str]:
    """(background, text) colours of a heat map's cell; values are held within [0, 1].

    Example:
        >>> shade(1.0), shade(-3.0)
        (('#f0f6fa', '#12202e'), ('#08305a', '#ffffff'))
    """
    if not math.isfinite(value):
        return "transparent", "inherit"
    at = min(1.0, max(0.0, value))
    points = [stop for stop, _ in _STOPS]
    channels = [np.interp(at, points, [c[k] for _, c in _STOPS]) for k in range(3)]
    red, green, blue = (round(float(channel)) for channel in channels)
    # Relative luminance as WCAG defines it; 0.18 is where black and white text contrast alike.
    linear = [
        float(c / 255 / 12.92 if c < 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in channels
    ]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return f"#{red:02x}{green:02x}{blue:02x}", "#12202e" if luminance > 0.21 else "#ffffff"


@dataclass(frozen=True)
class Cell:
    """One cell of the heat map."""

    text: str
    background: str
    ink: str
    title: str
