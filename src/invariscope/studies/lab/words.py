"""Numbers and durations as studies write them, on the page and in the terminal.

Written without the report's words, whose package loads matplotlib and torch: `invariscope claims`
shows a table and need not wait for them.
"""

import math


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


def significant(value: float) -> str:
    """Two significant digits, with a true minus.

    Example:
        >>> significant(0.0314), significant(-0.5), significant(12.34)
        ('0.031', '−0.50', '12')
    """
    if not math.isfinite(value):
        return "–"
    digits = 2 if value == 0 else max(0, 1 - math.floor(math.log10(abs(value))))
    return _fixed(value, min(digits, 5))


def value_text(value: float, low: float, high: float) -> str:
    """A number with its interval, to the digits that the interval's width makes worth while.

    Example:
        >>> value_text(0.51234, 0.50111, 0.53987), value_text(0.5, math.nan, math.nan)
        ('0.512 [0.501, 0.540]', '0.50')
    """
    if not math.isfinite(value):
        return "undefined"
    if not (math.isfinite(low) and math.isfinite(high)):
        return significant(value)
    width = high - low
    digits = 3 if width <= 0 else min(5, max(0, 1 - math.floor(math.log10(width))))
    digits = max(digits, 2)
    return f"{_fixed(value, digits)} [{_fixed(low, digits)}, {_fixed(high, digits)}]"


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")
