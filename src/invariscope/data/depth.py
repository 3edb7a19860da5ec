"""Decides how deep stored numbers are: which of them is black, which is white.

Eight bits are 0..255. Deeper numbers keep their depth: they become floats in [0, 1], by one scale
for the whole source, in this order:

1. `ValueRange` that the user gives: ``value_range=(0, 4095)``. It holds for everything deeper than
   8 bits, and for bytes where it ends at 255 or before.
2. What the file itself states (a TIFF of 12 bits a sample).
3. What is found: of up to `LOOKED_AT` pictures of the source, a seeded choice, the largest number.
   16-bit files often hold 10, 12 or 14 bits (X-rays, cameras, satellites); if all numbers of all
   these pictures fit, that is the scale, which is said in ``decisions`` and ``notes``.
4. The type: 0..65535 for integers, [0, 1] for floats. If some of several float pictures that are
   looked at lie outside [0, 1], the source is refused: a dark picture of a set of 0..255 would be
   read on another scale than the others.

Numbers outside the scale are never clipped: such a picture cannot be used, with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from invariscope.errors import InputError

LOOKED_AT = 16
TOLERANCE = 1e-5
"""A float may lie this far outside its range, as rounding would put it; it is then clamped."""

_DEPTHS = (8, 10, 12, 14)
_MOST = 65535  # integers of more bytes hold 16 bits as well: Pillow's mode I, int16 and int32


@dataclass(frozen=True)
class ValueRange:
    """The stored numbers that are black and white.

    Args:
        low: Black.
        high: White.
        sampled: Whether they were found in a sample of pictures; else the user said so.
    """

    low: float
    high: float
    sampled: bool = False

    def holds_for(self, dtype: np.dtype) -> bool:
        """Tells whether numbers of this type are scaled by it."""
        if self.sampled:
            return np.issubdtype(dtype, np.integer) and dtype != np.uint8
        return dtype != np.uint8 or self.high <= 255

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class Stored:
    """The numbers of a picture as they are stored.

    Args:
        values: [height, width, band].
        range: What the file states of them, or None.
        white_is_zero: Whether 0 is white.
        alpha: float32 [height, width] in [0, 1], or None.
    """

    values: np.ndarray
    range: ValueRange | None = None
    white_is_zero: bool = False
    alpha: np.ndarray | None = None


@dataclass(frozen=True)
class DepthFacts:
    """The facts that one look at a picture tells of its source.

    Args:
        highest: The largest stored number, where it is an integer of 16 bits, of whatever type,
            whose depth nobody states.
        extent: The lowest and the largest number, where they are floats that are finite.
        alpha_band: The number of the sample, from 1, that a TIFF declares alpha.
        left_out: How many samples beyond red, green and blue a TIFF has that are not alpha.
        pages: How many pages or frames the file has.
    """

    highest: int | None = None
    extent: tuple[float, float] | None = None
    alpha_band: int | None = None
    left_out: int = 0
    pages: int = 1


def facts_of_values(values: np.ndarray) -> DepthFacts:
    """Collects the facts of stored numbers, [..., height, width] or with bands.

    Example:
        >>> facts_of_values(np.array([[0.5, 3.0]])).extent
        (0.5, 3.0)
    """
    if not values.size:
        return DepthFacts()
    if np.issubdtype(values.dtype, np.floating):
        extent = float(values.min()), float(values.max())
        return DepthFacts(extent=extent if np.isfinite(extent).all() else None)
    if not np.issubdtype(values.dtype, np.integer) or values.dtype == np.uint8:
        return DepthFacts()
    low, high = int(values.min()), int(values.max())
    return DepthFacts(highest=high if low >= 0 and high <= _MOST else None)


def given_range(value: Any) -> ValueRange | None:
    """Reads the range that a user gives as two numbers or as "LOW,HIGH"; None for None.

    Raises:
        InputError: It is no such pair.

    Example:
        >>> str(given_range((0, 4095)))
        '0..4095'
    """
    if value is None or isinstance(value, ValueRange):
        return value
    try:
        two = value.split(",") if isinstance(value, str) else value
        low, high = (float(number) for number in two)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(
            f"value_range is {value!r}; the stored numbers that are black and white work, such as "
            "(0, 4095)"
        )
    return ValueRange(low, high)


def scaled(stored: Stored, range_of_source: ValueRange | None) -> np.ndarray:
    """Scales the stored numbers of a picture, by the rules of this module.

    Args:
        stored: Its numbers.
        range_of_source: The range given or found; None for the type's.

    Returns:
        [band, height, width]: uint8 where bytes stay bytes (a view), else float32 in [0, 1]; alpha
        is composited over white.

    Raises:
        ValueError: Numbers outside the range, or without one.
    """
    values = np.moveaxis(stored.values, -1, 0)
    if values.dtype == bool:
        values = values.astype(np.uint8) * np.uint8(255)
    own = range_of_source
    if own is None or own.sampled or not own.holds_for(values.dtype):
        seen = own if own is not None and own.holds_for(values.dtype) else None
        own = stored.range or seen
    if own is None and values.dtype == np.uint8:
        values = 255 - values if stored.white_is_zero else values
        if stored.alpha is None:
            return values
        return _over_white(values.astype(np.float32) / 255, stored.alpha)
    own = own or _of_type(values)
    _check(values, own)
    if (own.low, own.high) == (0, 1):
        unit = values.astype(np.float32)
    else:  # in float64: differences of large integers lose digits otherwise
        unit = ((values.astype(np.float64) - own.low) / (own.high - own.low)).astype(np.float32)
    unit = 1 - unit if stored.white_is_zero else unit
    np.clip(unit, 0, 1, out=unit)  # rounding alone: the range is checked
    return unit if stored.alpha is None else _over_white(unit, stored.alpha)


def check_range(values: np.ndarray, value_range: ValueRange | None) -> None:
    """Refuses numbers outside their range, of one image or of many.

    Raises:
        ValueError: With the numbers and what would work.
    """
    if value_range is None or not value_range.holds_for(values.dtype):
        value_range = None if values.dtype == np.uint8 else _of_type(values)
    if value_range is not None:
        _check(values, value_range)


def settle(source: Any, value_range: Any) -> Any:
    """Gives a source its value range, looks at some of its pictures and says what was found.

    Args:
        source: An `ImageSource` that has just been opened; it is changed.
        value_range: What the user gives, or None.

    Returns:
        The source.

    Raises:
        InputError: Float pictures on no known scale, without a value range.
    """
    given = given_range(value_range)
    if given is not None:
        source.value_range = given
    elif source.value_range is not None and not source.value_range.sampled:
        given = source.value_range  # as its spec says
    elif source.value_range is not None:
        return source
    facts = _looked_at(source)
    if given is None:
        _check_floats(source, [fact.extent for fact in facts if fact.extent is not None])
        _settle_depth(source, [fact.highest for fact in facts if fact.highest is not None])
    else:
        source.say("bit depth", f"black and white are the stored numbers {given}, as given")
    _settle_bands(source, facts)
    return source


def _looked_at(source: Any) -> list[DepthFacts]:
    count = len(source)
    places: Sequence[int] = range(count)
    if count > LOOKED_AT:
        from invariscope.seeding import generator

        places = sorted(generator(0, "depth").choice(count, LOOKED_AT, replace=False).tolist())
    looks: list[DepthFacts] = []
    for index in places:
        facts = source.facts(index)
        if facts is None:  # a source of bytes: nothing to find
            break
        looks.append(facts)
    return looks


def _check_floats(source: Any, extents: list[tuple[float, float]]) -> None:
    outside = [extent for extent in extents if extent[0] < -TOLERANCE or extent[1] > 1 + TOLERANCE]
    if not outside or len(extents) < 2:  # a single picture says it by itself
        return
    low = 0.0 - _rounded_up(-min(low for low, _ in extents))
    high = _rounded_up(max(high for _, high in extents))
    normalised = "drop a Normalize step, or " if low < 0 else ""
    raise InputError(
        f"{source.name}: float pictures on no known scale: {len(outside)} of "
        f"{_pictures(len(extents))} looked at lie outside [0, 1]; {normalised}say what is black "
        f"and white in all of them: `value_range=({low:g}, {high:g})` "
        f"or what they were made with, such as (0, 255); (0, 1) leaves out those "
        "outside it"
    )


def _rounded_up(value: float) -> float:
    """To three digits, so that the value lies within; 0 for what is below."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(value)) - 2)
    return float(np.ceil(value / unit) * unit)


def _settle_depth(source: Any, highest: list[int]) -> None:
    if not highest:
        return
    top, looked = max(highest), f"the largest number in {_pictures(len(highest))} looked at"
    bits = next((bits for bits in _DEPTHS if top < 2**bits), 16)
    if top == 0 or bits == 16:
        source.say("bit depth", f"16 bits: 0..65535 ({looked} is {top})")
        return
    source.value_range = ValueRange(0, 2**bits - 1, sampled=True)
    line = (
        f"{bits} bits in 16: white is {2**bits - 1} ({looked} is {top}, {100 * top / 65535:.2g} % "
        "of the range of 16 bits); `value_range=(0, 65535)` or another pair says otherwise"
    )
    source.say("bit depth", line)
    source.notes = [*source.notes, f"bit depth: {line}"]


def _settle_bands(source: Any, facts: list[DepthFacts]) -> None:
    notes = []
    alpha = {fact.alpha_band for fact in facts if fact.alpha_band is not None}
    if alpha:
        notes.append(
            f"TIFF files declare their band {max(alpha)} alpha, so it is composited over white; if "
            "it is near infrared or another band, `preprocessing={'bands': [1, 2, 3]}` chooses "
            "bands"
        )
    left_out = max((fact.left_out for fact in facts), default=0)
    if left_out:
        numbers = ", ".join(str(4 + k) for k in range(left_out))
        notes.append(
            f"TIFF files hold more bands than red, green and blue: {numbers} left out for models "
            "of 3 channels; a model of more gets them, and "
            "`preprocessing={'bands': [4, 1, 2]}` chooses"
        )
    pages = max((fact.pages for fact in facts), default=1)
    if pages > 1:
        notes.append(f"files of several pages or frames (up to {pages}) give their first")
    if notes:
        source.notes = [*source.notes, *notes]
        source.say("bands", "; ".join(notes))


def _of_type(values: np.ndarray) -> ValueRange:
    if np.issubdtype(values.dtype, np.floating):
        return ValueRange(0, 1)
    low, high = values.min(), values.max()
    if low < 0 or high > 65535:
        raise ValueError(
            f"integer values from {low} to {high}; only 0..65535 is defined: "
            "`value_range=(LOW, HIGH)` says another black and white"
        )
    return ValueRange(0, 65535)


def _check(values: np.ndarray, own: ValueRange) -> None:
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("float values that are not finite; a number for every pixel works")
    slack = TOLERANCE * (own.high - own.low)
    if low >= own.low - slack and high <= own.high + slack:
        return
    if own == ValueRange(0, 1):
        raise ValueError(
            f"float values from {low:.3g} to {high:.3g}; images must be in [0, 1], before "
            "normalisation: drop the Normalize step, give uint8 for 0..255, or say what is black "
            "and white with `value_range=(LOW, HIGH)`"
        )
    where = "found in a sample of the pictures" if own.sampled else "given"
    raise ValueError(
        f"values from {low:g} to {high:g} lie outside the range {own} that was {where}; "
        f"`value_range=({min(low, own.low):g}, {max(high, own.high):g})` holds them"
    )


def _over_white(unit: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return (unit * alpha + (1 - alpha)).astype(np.float32)


def _pictures(count: int) -> str:
    return "the one picture" if count == 1 else f"the {count} pictures"
