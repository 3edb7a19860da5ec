"""Says which magnitudes of a family have a meaning: no picture is enlarged 0 times.

Tables keep to them; magnitudes that somebody writes ("zoom_in=2/4") are checked. Families of users
have no limits: any finite number may mean something to them.
"""

import math
from collections.abc import Iterable

from invariscope.errors import InputError

_FACTOR, _SCALE, _SHARE = (0.0, math.inf), (0.001, 1000.0), (0.0, 1.0)

LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("zoom_in", "zoom_out", "rescale"), _SCALE),
    **dict.fromkeys(("brightness_up", "brightness_down", "saturation", "sharpness"), _FACTOR),
    **dict.fromkeys(("contrast", "contrast_up", "contrast_down"), _FACTOR),
    "hue": (-0.5, 0.5),
    "posterize": (0.0, 8.0),
    "solarize": _SHARE,
    "blur": _SHARE,
}
"""The least and the largest magnitude, by family."""

SWITCHES = ("flip_horizontal", "flip_vertical", "autocontrast", "equalize", "invert")
"""Families that are applied or not."""


def check_magnitudes(family: str, magnitudes: Iterable[float]) -> None:
    """Raises an `InputError` for the first magnitude that has no meaning.

    Example:
        >>> check_magnitudes("hue", [0.2, 0.7])
        Traceback (most recent call last):
        invariscope.errors.InputError: hue=0.7: magnitudes of hue lie between -0.5 and 0.5
    """
    least, most = LIMITS.get(family, (-math.inf, math.inf))
    known = f"lie between {least:g} and {most:g}"
    if most == math.inf:
        known = "are finite numbers" if least == -math.inf else f"begin at {least:g}"
    for magnitude in magnitudes:
        if family in SWITCHES and magnitude not in (0.0, 1.0):
            raise InputError(f"{family}={magnitude:g}: {family} is applied, 1, or not, 0")
        if not (math.isfinite(magnitude) and least <= magnitude <= most):
            raise InputError(f"{family}={magnitude:g}: magnitudes of {family} {known}")
