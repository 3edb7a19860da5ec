"""Studentises means by the bootstrap: by how many standard errors they miss their target.

Rows are resampled, and T = mean / standard error is computed anew in each resample (Efron 1979;
Hall 1988): its tails show how skewed a mean of so few rows is. With fewer than 12 rows Student's t
takes its place.
"""

import numpy as np

from invariscope.statistics.intervals import REPLICATES, resampling_counts, rounded

#: With fewer images resamples are too few to have a shape.
FEWEST_TO_RESAMPLE = 12
#: One-sided tails at which T is known: the third is that of a 95 % interval.
TAILS = (0.25, 0.1, 0.025, 0.01, 0.005)
INTERVAL = TAILS.index(0.025)
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
    from scipy import special

    n = counts.sum(axis=0)
    student = -special.stdtrit(np.maximum(n - 1, 1), np.array(TAILS)[:, None])
    below, above = student.copy(), student.copy()
    varied = (n >= FEWEST_TO_RESAMPLE) & contributions.any(axis=0)
    for cells in np.array_split(np.flatnonzero(varied), -(-int(varied.sum()) // _CELLS) or 1):
        if len(cells):
            drawn = _resampled(contributions[:, cells], counts[:, cells], seed)
            tails = np.array(TAILS)
            ends = np.nanquantile(drawn, [*tails, *(1 - tails)], axis=0)
            below[:, cells], above[:, cells] = -ends[: len(tails)], ends[len(tails) :]
    least = 1e-3 * student
    return (
        np.maximum.accumulate(np.fmax(below, least), axis=0),
        np.maximum.accumulate(np.fmax(above, least), axis=0),
    )


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
