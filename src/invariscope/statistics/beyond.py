"""How surely an estimate lies beyond a value: p-values that agree with its interval.

For each cell two p-values: one against the statement that the truth is at most the value, one
against the statement that it is at least the value. Both are on the scale of two-sided tests, as
the intervals are: p ≤ 0.05 if and only if the 95 % interval lies wholly beyond the value, so one
side is wrong in 2.5 % of cases. Smaller levels, as where several cells are asked about, follow the
same laws further out:

- means and ratios: T against the T of resamples (`statistics.studentised`); of runs that look again
  and again, the level at which the sequence of intervals ceases to hold the value
  (`statistics.sequences`), beyond 0.05 with the skewness of the farthest tail;
- shares: the exact binomial tails, or the mixture of coins at any time.

A number that is the same for all images has no spread to judge by. Then a coin for each image
decides: n equal images on one side of the value come about in 2 of 2ⁿ cases.
"""

import numpy as np

from invariscope.statistics.estimates import Estimates
from invariscope.statistics.sequences import ALPHA, sequence_p, share_sequence_p
from invariscope.statistics.studentised import INTERVAL, as_students, studentised, students


def beyond(made: Estimates, value: float, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Computes how surely each cell is above a value, and how surely below it.

    Args:
        made: The estimates.
        value: What they are held against.
        seed: Decides the resamples, as for the interval.

    Returns:
        p against "at most the value" and p against "at least the value", each [cell], in [0, 1];
        NaN for fewer than two images.

    Example:
        >>> from invariscope.statistics.estimates import estimate
        >>> rows = np.array([[0.9], [0.8], [0.7], [0.9], [0.8], [0.9], [0.6], [0.8]])
        >>> [round(float(p[0]), 4) for p in beyond(estimate(rows), 0.7, seed=0)]
        [0.0331, 1.0]
    """
    share = made.share
    above, below = np.ones(len(share)), np.ones(len(share))
    if not share.all():
        others = np.flatnonzero(~share)
        above[others], below[others] = _of_means(made.pick(others), value, seed)
    if share.any():
        right, n = made.value[share] * made.n[share], made.n[share]
        above[share], below[share] = _of_shares(right, n, value, anytime=made.anytime)
    few = made.n < 2
    above[few], below[few] = np.nan, np.nan
    return above, below


def _of_means(made: Estimates, value: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy import special

    n, error = made.n, made.error
    last = _last(made)
    tails = np.ones((2, *students(n).shape[:1], len(n)))
    for images in np.unique(last):  # resamples of a cell are of the images that it was measured on
        own = last == images
        tails[:, :, own] = studentised(
            made.contributions[:images, own], made.counts[:images, own], seed
        )
    gap = made.value - value
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(gap == 0, 0.0, np.abs(gap) / error)
    # a mean above the value may have missed it upwards, which T above 0 shows
    known = np.where(gap > 0, tails[1], tails[0])
    if made.anytime:
        p = _at_any_time(t, known, n)
    else:
        p = 2 * special.stdtr(np.maximum(n - 1, 1), -as_students(t, known, n))
    alike = (error == 0) & (n > 0)
    p = np.where(alike, 2.0 ** (1 - n.astype(float)), p)
    upwards = (gap > 0) | (alike & (gap == 0))
    return np.where(upwards, p, 1.0), np.where(gap < 0, p, 1.0)


def _at_any_time(t: np.ndarray, known: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The p of a sequence: down to 0.05 as its interval, beyond by the farthest tail of T.

    A skewed mean misses by more the farther out one looks, so what one of many cells says at a
    small level is scaled by the skewness there.
    """
    ratios = students(n) / known
    with np.errstate(invalid="ignore", over="ignore"):
        near = sequence_p(t * ratios[INTERVAL], np.maximum(n, 1))
        beyond_all = np.fmin(t * ratios[-1], as_students(t, known, n))
        far = sequence_p(beyond_all, np.maximum(n, 1))
    return np.where(near <= ALPHA, np.clip(far, near, ALPHA), near)


def _last(made: Estimates) -> np.ndarray:
    """How many of the first images each cell was measured in, as its interval takes them."""
    if not made.anytime:
        return np.full(len(made.value), len(made.counts))
    places = np.arange(1, len(made.counts) + 1)[:, None]
    return np.where(made.counts, places, 0).max(axis=0, initial=0)


def _of_shares(
    right: np.ndarray, n: np.ndarray, value: float, *, anytime: bool
) -> tuple[np.ndarray, np.ndarray]:
    from scipy import special

    right = np.round(right)
    if anytime:
        p = share_sequence_p(right, n, value)
        share = right / np.maximum(n, 1)
        return np.where(share > value, p, 1.0), np.where(share < value, p, 1.0)
    inside = np.clip(value, 0.0, 1.0)
    above = special.betainc(np.maximum(right, 1e-300), n - right + 1, inside)
    below = special.betainc(np.maximum(n - right, 1e-300), right + 1, 1 - inside)
    return np.minimum(2 * above, 1.0), np.minimum(2 * below, 1.0)
