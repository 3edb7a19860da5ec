"""Computes paired differences of two models, cell by cell, on the same images.

The difference B − A of two values has a 95 % interval (bootstrap over images; A and B are resampled
together) and a p-value. The test swaps A and B image by image at random (a sign-flip test for
means): if the models were alike, the labels A and B would not matter. Where neighbouring values
share an image, runs of consecutive images are swapped together, as the bootstrap draws them: image
by image, one test in six or seven of two equal models would come out below 0.05. With few images
there are few runs, so a small p is out of reach: 24 images are 8 runs, and p is at least 2 / 2**8.
"""

from collections.abc import Iterator

import numpy as np

from invariscope.seeding import generator
from invariscope.statistics.intervals import (
    REPLICATES,
    Sums,
    bootstrap_replicates,
    divide,
    exact_sums,
    percentile_interval,
)
from invariscope.statistics.ranking import adjusted

SWAPS = 4999
#: The numbers of each cell; the corrected p is over the cells that are given together.
NUMBERS = (
    "value_a", "value_b", "difference", "ci_low", "ci_high", "p_value", "p_adjusted", "n",
)  # fmt: skip
_CHUNK_ELEMENTS = 1 << 18  # swaps × images held at a time


def paired_differences(
    values_a: np.ndarray,
    weights_a: np.ndarray | None,
    values_b: np.ndarray,
    weights_b: np.ndarray | None,
    *,
    run_length: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Computes the differences B − A of each cell, with interval and p-values.

    Args:
        values_a: [image, cell] of run A; what is not finite in A or B counts in neither.
        weights_a: [image, cell], or None for weights of 1.
        values_b: The same for B, image by image.
        weights_b: The same for B.
        run_length: Consecutive images drawn, and swapped, together.
        seed: Decides resamples and swaps.

    Returns:
        value_a, value_b, difference, ci_low, ci_high, p_value, p_adjusted, n; each [cell].
    """
    both = exact_sums(values_a, weights_a).counts & exact_sums(values_b, weights_b).counts
    values_a = np.where(both, values_a, np.nan)
    values_b = np.where(both, values_b, np.nan)
    a, b = exact_sums(values_a, weights_a), exact_sums(values_b, weights_b)
    value_a, value_b = a.value, b.value
    drawn = [
        bootstrap_replicates(sums, run_length=run_length, replicates=REPLICATES, seed=seed)
        for sums in (a, b)
    ]
    low, high = percentile_interval(drawn[1] - drawn[0])
    n = both.sum(axis=0)
    low[n < 2], high[n < 2] = np.nan, np.nan
    difference = value_b - value_a
    p = _swap_test(a, b, difference, run_length, seed)
    numbers = (value_a, value_b, difference, low, high, p, adjusted(p), n)
    return dict(zip(NUMBERS, numbers, strict=True))


def _swap_test(a: Sums, b: Sums, difference: np.ndarray, run_length: int, seed: int) -> np.ndarray:
    """p-values [cell]: how often swapping A and B run by run gives as large a difference."""
    reached, swaps = np.zeros(len(difference)), 0
    # Equal up to rounding is as large: a swap of two equal images changes nothing. Rounding is that
    # of the largest of the numbers that are added.
    dust = 2.0**-40 * np.maximum(_size(a), _size(b))
    for swap in _swaps(len(a.numerators), run_length, seed):
        swaps += len(swap)
        moved = [swap @ (y - x) for x, y in (
            (a.numerators, b.numerators), (a.denominators, b.denominators)
        )]  # fmt: skip
        left = divide(a.numerators.sum(0) + moved[0], a.denominators.sum(0) + moved[1])
        right = divide(b.numerators.sum(0) - moved[0], b.denominators.sum(0) - moved[1])
        reached += (np.abs(right - left) >= np.abs(difference) - dust).sum(axis=0)
    return np.where(np.isfinite(difference), reached / swaps, np.nan)


def _size(sums: Sums) -> np.ndarray:
    """The mean of |value| of each cell, weighted as the value is; 0 where no image counts."""
    mean = divide(np.abs(sums.numerators).sum(axis=0), sums.denominators.sum(axis=0))
    return np.nan_to_num(mean)


def _swaps(images: int, run_length: int, seed: int) -> Iterator[np.ndarray]:
    """Yields which images are swapped, [swap, image] of 0 and 1, in chunks.

    All possibilities where they are few, so that p is exact; else the data as they are, which count
    as one of the swaps, and random ones.
    """
    runs = -(-images // run_length)
    run = np.arange(images) // run_length
    if 2**runs <= SWAPS + 1:
        codes = np.arange(2**runs)[:, None] >> np.arange(runs)
        yield (codes & 1).astype(np.float64)[:, run]
        return
    yield np.zeros((1, images))
    draw = generator(seed, "comparison:swap")
    size = max(1, _CHUNK_ELEMENTS // images)
    for first in range(0, SWAPS, size):
        swap = draw.integers(0, 2, size=(min(size, SWAPS - first), runs))
        yield swap.astype(np.float64)[:, run]
