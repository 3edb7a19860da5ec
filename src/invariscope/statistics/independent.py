"""Differences of two groups of different images, with intervals and p-values.

The difference of two means (or ratios, by what each image contributes) has Welch's interval
(1947): its error is that of both sides, and Student's t has the degrees of freedom of
Satterthwaite, which fall to those of the smaller side where that one varies most.

Of shares, and means of shares, each side is given one image more that has it and one that has not
(Agresti and Caffo 2000), so that five images that all kept their answer are not taken to be sure of
it; the interval lies about the difference of these. An interval holds 0 if and only if p > 0.05.

Where a run stopped by itself, both hold whenever one looks (`statistics.sequences`), by the number
of images of the smaller side.
"""

import numpy as np

from invariscope.statistics.estimates import Estimates
from invariscope.statistics.sequences import reach, sequence_p

_TAIL = 0.025


def independent_difference(
    inside: Estimates, outside: Estimates
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Computes inside − outside of each cell.

    Args:
        inside: Of some images.
        outside: Of others; the same cells of the same metric.

    Returns:
        difference, the ends of its 95 % interval, p; each [cell], the last three NaN where a side
        has fewer than two images, or where neither side varies and they are no shares.

    Example:
        >>> from invariscope.statistics.estimates import estimate
        >>> five, twenty = np.ones((5, 1)), np.zeros((20, 1))
        >>> sides = (estimate(values, kind="share") for values in (five, twenty))
        >>> [round(float(number[0]), 3) for number in independent_difference(*sides)]
        [1.0, 0.485, 1.0, 0.001]
    """
    from scipy import stats

    sides = [_side(part) for part in (inside, outside)]
    (middle, error, n), (other, others_error, others_n) = sides
    total = np.sqrt(error**2 + others_error**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = total**4 / (error**4 / (n - 1) + others_error**4 / (others_n - 1))
        misses = np.abs(middle - other) / total
    fewest = np.maximum(np.minimum(n, others_n), 1)
    if inside.anytime or outside.anytime:
        errors, p = reach(fewest), sequence_p(misses, fewest)
    else:
        errors, p = stats.t.isf(_TAIL, freedom), 2 * stats.t.sf(misses, freedom)
    low, high = middle - other - errors * total, middle - other + errors * total
    share = inside.share & outside.share
    low, high = np.where(share, low.clip(-1), low), np.where(share, high.clip(None, 1), high)
    unknown = (np.minimum(inside.n, outside.n) < 2) | ~(total > 0)
    low, high, p = (np.where(unknown, np.nan, numbers) for numbers in (low, high, p))
    return inside.value - outside.value, low, high, p


def _side(part: Estimates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middle of a side, its standard error, and how many images that rests on."""
    n = part.n.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        more = n + 2
        middle = (n * part.value + 1) / more
        rows = np.where(part.counts, n * part.contributions + part.value, middle)
        squares = ((rows - middle) ** 2).sum(axis=0) + middle**2 + (1 - middle) ** 2
        shares = np.sqrt(squares / more / more)
    return (
        np.where(part.share, middle, part.value),
        np.where(part.share, shares, part.error),
        np.where(part.share, more, n),
    )
