"""Paired differences of two models, cell by cell, on the same images.

The difference B − A of two values is an estimate like any other: what image i contributes to it is
what it contributes to B minus what it contributes to A (`statistics.estimates`), so that what moves
both alike cancels. It is tested whether the *means* are equal, whatever the shapes of the rows:
T = difference / standard error is held against the T of resamples, as the interval is. So an
interval holds 0 if and only if p > 0.05. Both come from `statistics.studentised`, which also says
how rare a T is beyond what 2,000 resamples show, so that p has no least value.

Where a run stopped by itself, interval and p hold whenever one looks (`statistics.sequences`).

The difference of two shares has the adjusted interval of Bonett and Price (2012): one image more
on each side that only one model gets right, so that two models of equal answers are not said to be
equal for certain.
"""

import numpy as np

from invariscope.statistics.estimates import Estimates, estimate
from invariscope.statistics.intervals import divide, exact_sums
from invariscope.statistics.ranking import adjusted
from invariscope.statistics.sequences import reach, sequence_p
from invariscope.statistics.studentised import INTERVAL, as_students, studentised, students

#: The numbers of each cell; the corrected p is over the cells that are given together.
NUMBERS = (
    "value_a", "value_b", "difference", "ci_low", "ci_high", "p_value", "p_adjusted", "n",
)  # fmt: skip


def paired_differences(
    values_a: np.ndarray,
    weights_a: np.ndarray | None,
    values_b: np.ndarray,
    weights_b: np.ndarray | None,
    *,
    kind: str = "mean",
    neighbours: bool = False,
    classes: np.ndarray | None = None,
    anytime: bool = False,
    against: float = 0.0,
    seed: int,
) -> dict[str, np.ndarray]:
    """Computes the difference B − A of each cell, with its interval and p-values.

    Args:
        values_a: [image, cell] of run A; what is not finite in A or B counts in neither.
        weights_a: [image, cell], or None for weights of 1.
        values_b: The same for B, image by image.
        weights_b: The same for B.
        kind: One of `statistics.estimates.KINDS`.
        neighbours: Whether a row depends on the next image as well.
        classes: [image], as of `statistics.estimates.estimate`.
        anytime: Whether interval and p are to hold whenever one looks (`statistics.sequences`).
        against: The difference that p is about: how surely the true one is another.
        seed: Decides the resamples.

    Returns:
        value_a, value_b, difference, ci_low, ci_high, p_value, p_adjusted, n; each [cell].

    Example:
        >>> a, b = np.array([[1.0], [0.0], [1.0], [1.0]]), np.array([[1.0], [1.0], [1.0], [0.0]])
        >>> numbers = paired_differences(a, None, b, None, kind="share", seed=0)
        >>> [round(float(numbers[key][0]), 2) for key in ("difference", "ci_low", "ci_high")]
        [0.0, -0.65, 0.65]
    """
    both = exact_sums(values_a, weights_a).counts & exact_sums(values_b, weights_b).counts
    a, b = (
        estimate(
            np.where(both, values, np.nan), weights,
            kind=kind, neighbours=neighbours, classes=classes,
        )
        for values, weights in ((values_a, weights_a), (values_b, weights_b))
    )  # fmt: skip
    difference, n = b.value - a.value, both.sum(axis=0)
    if kind == "share":
        low, high, p = _of_shares(values_a, values_b, both, anytime, against)
    else:
        contributions = b.contributions - a.contributions
        change = Estimates(difference, contributions, both, a.share, neighbours, anytime=anytime)
        low, high, p = _of_means(change, seed, against)
    for numbers in (low, high, p):
        numbers[n < 2] = np.nan
    columns = (a.value, b.value, difference, low, high, p, adjusted(p), n)
    return dict(zip(NUMBERS, columns, strict=True))


def _of_means(
    change: Estimates, seed: int, against: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interval and p of differences of means or ratios."""
    from scipy import stats

    n, error = change.n, change.error
    below, above = studentised(change.contributions, change.counts, seed)
    low, high = change.ends(below[INTERVAL], above[INTERVAL])
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = change.value - against
        t = np.where(gap == 0, 0.0, gap / error)  # 0 / 0: nothing differs
    known = np.where(t > 0, above, below)
    if change.anytime:
        p = sequence_p(np.abs(t) * students(n)[INTERVAL] / known[INTERVAL], np.maximum(n, 1))
    else:
        p = 2 * stats.t.sf(as_students(np.abs(t), known, n), np.maximum(n - 1, 1))
    # The same difference on every image: a coin for every image does as much in 2 of 2ⁿ cases.
    return low, high, np.where(np.isinf(t), 2.0 ** (1 - n.astype(float)), p)


def _of_shares(
    values_a: np.ndarray, values_b: np.ndarray, both: np.ndarray, anytime: bool, against: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interval and p of differences of two shares of the same images."""
    from scipy import stats

    change = np.where(both, np.nan_to_num(values_b) - np.nan_to_num(values_a), 0.0)
    n = both.sum(axis=0) + 2
    more, less = ((change * sign).clip(min=0).sum(axis=0) + 1 for sign in (1, -1))
    middle = (more - less) / n
    error = np.sqrt(divide(more + less, n) - middle**2) / np.sqrt(n)
    misses = np.abs(middle - against) / error
    errors, p = (
        (reach(n), sequence_p(misses, n))
        if anytime
        else (stats.norm.isf(0.025), 2 * stats.norm.sf(misses))
    )
    return (middle - errors * error).clip(-1, 1), (middle + errors * error).clip(-1, 1), p
