"""Studentises means by the bootstrap: by how many standard errors they miss their target.

Rows are resampled, and T = mean / standard error is computed anew in each resample (Efron 1979;
Hall 1988): its tails show how skewed a mean of so few rows is. With fewer than 12 rows Student's t
takes its place.

The skewness of few rows is a poor guide to that of their law, and worst where it matters: a sample
without its rare large rows has a mean that is too low, a standard error that is too small, and no
skewness that would say so; a sample with one too many has an interval that is far too long
(Polansky 2000). So what the resamples say is held to a range and corrected, tail by tail, with r
the resamples' quantile over Student's:

    quantile = Student's · r, or 1 + (1 + c / √n) (r - 1) in place of r above 1,
    but at least `LEAST` and at most `MOST` times Student's

- At least: a sample of a symmetric law with heavy tails is skewed by chance, to the wrong side.
- At most: beyond it, an interval says more about one row than about the mean.
- What exceeds Student's is multiplied by 1 + c / √n, with c of `GROWTH`: 1 for many rows, as the
  bootstrap's own error goes to 0 (Hall 1992), and more for rare tails. These constants were
  chosen by simulation over fourteen laws (`docs/statistics.md`).

Beyond the last tail, the quantile goes on as Student's does, times what it has grown by then and
times its last step.
"""

import numpy as np

from invariscope.statistics.intervals import REPLICATES, resampling_counts, rounded

#: With fewer images resamples are too few to have a shape.
FEWEST_TO_RESAMPLE = 12
#: One-sided tails at which T is known: the third is that of a 95 % interval.
TAILS = (0.25, 0.1, 0.025, 0.01, 0.005)
INTERVAL = TAILS.index(0.025)
LEAST = (0.95, 0.95, 0.95, 1.0, 1.0)
MOST = (1.7, 1.7, 1.7, 2.2, 2.5)
GROWTH = (0.0, 0.0, 0.8, 4.0, 7.0)
_CELLS = 1 << 10  # cells whose resamples are held at a time: 2,000 each


def studentised(
    contributions: np.ndarray, counts: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """By how many standard errors a mean of such rows misses its target, at each of `TAILS`.

    Args:
        contributions: [image, cell], as of `Estimates`.
        counts: [image, cell].
        seed: Decides the resamples.

    Returns:
        below, above, [tail, cell], positive and growing: T falls below −below, or goes above
        `above`, as rarely as the tail says.
    """
    n = counts.sum(axis=0)
    student = students(n)
    below, above = student.copy(), student.copy()
    varied = (n >= FEWEST_TO_RESAMPLE) & contributions.any(axis=0)
    for cells in np.array_split(np.flatnonzero(varied), -(-int(varied.sum()) // _CELLS) or 1):
        if len(cells):
            ends = _quantiles(_resampled(contributions[:, cells], counts[:, cells], seed))
            for side, drawn in ((below, -ends[0]), (above, ends[1])):
                side[:, cells] = _corrected(drawn, student[:, cells], n[cells])
    return below, above


def students(n: np.ndarray) -> np.ndarray:
    """Student's quantiles at each of `TAILS` for means of n rows, [tail, cell]."""
    from scipy import special

    return -special.stdtrit(np.maximum(n - 1, 1), np.array(TAILS)[:, None])


def as_students(t: np.ndarray, known: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Turns T into that t of Student's law which is exceeded as rarely.

    Args:
        t: By how many standard errors a mean misses, 0 or more, [cell].
        known: The quantiles on the side to which it misses, [tail, cell].
        n: The number of rows, [cell].

    Returns:
        [cell]; at `TAILS` exactly Student's quantiles.

    Example:
        >>> n = np.array([32])
        >>> as_students(np.array([3.0]), 1.5 * students(n), n).round(12).tolist()
        [2.0]
    """
    student = students(n)
    below = (known < t).sum(axis=0)
    ends = [np.concatenate([np.zeros((1, len(t))), numbers]) for numbers in (known, student)]
    at = np.arange(len(t))
    step = np.minimum(below, len(TAILS) - 1)
    (start, stop), (low, high) = ((numbers[step, at], numbers[step + 1, at]) for numbers in ends)
    within = low + (high - low) * (t - start) / np.maximum(stop - start, 1e-12)
    grown = known[-1] / student[-1]
    last = np.maximum((known[-1] - known[INTERVAL]) / (student[-1] - student[INTERVAL]), grown)
    beyond = student[-1] + (t - known[-1]) / (last * grown)
    return np.where(below < len(TAILS), within, beyond)


def _corrected(drawn: np.ndarray, student: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The quantiles of resamples, corrected as the module says, [tail, cell]."""
    least, most, growth = (np.array(numbers)[:, None] for numbers in (LEAST, MOST, GROWTH))
    excess = np.nan_to_num(drawn / student - 1)  # 0 where no resample varies
    excess = np.where(excess > 0, (1 + growth / np.sqrt(n)) * excess, excess)
    return np.maximum.accumulate(np.clip(1 + excess, least, most) * student, axis=0)


def _quantiles(drawn: np.ndarray) -> np.ndarray:
    """The quantiles at `TAILS` from either end, [side, tail, cell]; NaN at the end of resamples."""
    drawn.sort(axis=0)
    last = np.isfinite(drawn).sum(axis=0) - 1
    cells = np.arange(drawn.shape[1])
    ends = []
    for shares in (np.array(TAILS), 1 - np.array(TAILS)):
        place = shares[:, None] * np.maximum(last, 0)
        first = place.astype(np.int64)
        low, high = (drawn[k, cells] for k in (first, np.minimum(first + 1, np.maximum(last, 0))))
        ends.append(low + (place - first) * (high - low))
    return np.stack(ends)


def _resampled(contributions: np.ndarray, counts: np.ndarray, seed: int) -> np.ndarray:
    """T in each resample, [replicate, cell]; NaN where a resample does not vary."""
    size = np.abs(contributions).max(axis=0)
    scaled = contributions / size
    first, second = rounded(scaled), rounded(scaled**2)
    complete, taken = bool(counts.all()), counts.astype(np.float64)
    drawn = []
    for draw in resampling_counts(len(contributions), REPLICATES, seed):
        n = np.float64(len(contributions)) if complete else draw @ taken
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = draw @ first / n
            variance = (draw @ second / n - mean**2) / (n - 1)
            drawn.append(np.where(variance > 1e-9 / n, mean / np.sqrt(variance), np.nan))
    return np.concatenate(drawn)
