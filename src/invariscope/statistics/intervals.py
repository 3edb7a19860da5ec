"""Computes intervals: the percentile bootstrap over images, for all cells at once.

Images are resampled, the units that were drawn, never image × cell pairs; all cells
share the same resamples. Where the values of neighbouring images share an image (metrics that pair
image i with the next one), runs of consecutive images are resampled instead, with the run's end
joined to its start: single images would treat neighbours as independent and give intervals that
are too narrow.

A value is sum(value * weight) / sum(weight) in float64 over the images that count: finite value,
finite weight above 0. The others are left out cell by cell.

The sums are exact: values are first rounded to a common power of two so fine (2**-39 of the
largest, for 5,000 images) that no partial sum needs rounding. So no order of summation, thread
count or matrix library changes a single bit, and a run that was resumed gives the same file.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from invariscope.errors import InputError

REPLICATES = 2000
_CHUNK_ELEMENTS = 1 << 18  # resampling counts held at a time: 2 MB in float64, 10 MB in all


def interval_run_length(count: int, paired: bool) -> int:
    """Returns how many consecutive images a resample draws together: ceil(count ** (1/3)) or 1.

    Example:
        >>> interval_run_length(64, True), interval_run_length(65, True)
        (4, 5)
        >>> interval_run_length(64, False)
        1
    """
    length = 1
    while paired and length**3 < count:  # in integers: 64 ** (1/3) is not 4 in floating point
        length += 1
    return length


@dataclass(frozen=True)
class Sums:
    """Numerators and denominators whose column sums are exact, and what is undefined.

    Attributes:
        numerators: float64 `[image, cell]`: value * weight, 0 where the image does not count.
        denominators: float64 `[image, cell]`: weight, 0 where the image does not count.
        counts: bool `[image, cell]`: whether the image counts.
    """

    numerators: np.ndarray
    denominators: np.ndarray
    counts: np.ndarray

    @property
    def value(self) -> np.ndarray:
        """float64 `[cell]`; NaN where no image counts."""
        return divide(self.numerators.sum(axis=0), self.denominators.sum(axis=0))


def exact_sums(values: np.ndarray, weights: np.ndarray | None = None) -> Sums:
    """Splits values `[image, cell]` and their weights into numerators and denominators.

    Raises:
        InputError: The array is not two-dimensional, or the shapes differ.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2:
        raise InputError(f"values have shape {values.shape}: [image, cell] is needed")
    if weights is None:
        counts = np.isfinite(values)
        return Sums(_rounded(np.where(counts, values, 0.0)), counts.astype(np.float64), counts)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != values.shape:
        raise InputError(f"weights have shape {weights.shape}, but values have {values.shape}")
    counts = np.isfinite(values) & np.isfinite(weights) & (weights > 0)
    weights = np.where(counts, weights, 0.0)
    return Sums(_rounded(np.where(counts, values, 0.0) * weights), _rounded(weights), counts)


def _rounded(array: np.ndarray) -> np.ndarray:
    """Rounds each column to a power of two that leaves room for every sum of a resample."""
    if not array.size:
        return array
    largest = np.abs(array).max(axis=0)
    _, exponent = np.frexp(largest)
    room = int(array.shape[0]).bit_length()
    quantum = np.ldexp(1.0, np.maximum(exponent + room - 53, -1022))
    return np.round(array / quantum) * quantum


def divide(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Numerators over denominators, NaN where a denominator is 0."""
    quotient = np.full(np.broadcast_shapes(numerators.shape, denominators.shape), np.nan)
    return np.divide(numerators, denominators, out=quotient, where=denominators != 0)


def resampling_counts(
    images: int, run_length: int, replicates: int, seed: int
) -> Iterator[np.ndarray]:
    """Yields how often each resample holds each image: float64 `[replicate, image]`, in chunks.

    A resample draws runs of consecutive images, start uniform and end joined to start, until it has
    as many images as the data; the last run is cut to fit. Depends on the arguments alone.
    """
    generator = np.random.default_rng(seed)
    runs = -(-images // run_length)
    chunk = max(1, _CHUNK_ELEMENTS // max(images, 1))
    for first in range(0, replicates, chunk):
        rows = min(chunk, replicates - first)
        starts = generator.integers(0, images, size=(rows, runs))
        drawn = (starts[:, :, None] + np.arange(run_length)) % images
        drawn = drawn.reshape(rows, -1)[:, :images]
        drawn = drawn + images * np.arange(rows)[:, None]
        yield (
            np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images).astype(float)
        )


def bootstrap_replicates(
    sums: Sums, *, run_length: int = 1, replicates: int = REPLICATES, seed: int
) -> np.ndarray:
    """Computes each cell's value in each resample: float64 `[cell, replicate]`, or NaN."""
    images, cells = sums.numerators.shape
    result = np.empty((cells, replicates))
    complete = bool((sums.denominators == 1).all())
    first = 0
    for counts in resampling_counts(images, run_length, replicates, seed):
        last = first + len(counts)
        total = (counts @ sums.numerators).T
        # With weight 1 and nothing undefined every resample's denominator is the number of images.
        below = np.float64(images) if complete else (counts @ sums.denominators).T
        result[:, first:last] = divide(total, np.asarray(below))
        first = last
    return result


def percentile_interval(
    replicates: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ends `[cell]` of the central part of the replicates `[cell, replicate]`.

    Resamples in which a cell is undefined are left out for that cell.
    """
    tail = (1.0 - confidence) / 2.0
    low, high = np.empty(len(replicates)), np.empty(len(replicates))
    undefined = np.isnan(replicates).any(axis=1)
    if (~undefined).any():
        ends = np.quantile(replicates[~undefined], [tail, 1.0 - tail], axis=1)
        low[~undefined], high[~undefined] = ends
    for cell in np.flatnonzero(undefined):
        defined = replicates[cell][~np.isnan(replicates[cell])]
        ends = np.quantile(defined, [tail, 1.0 - tail]) if defined.size else (np.nan, np.nan)
        low[cell], high[cell] = ends
    return low, high


def bootstrap_interval(
    values: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    run_length: int = 1,
    replicates: int = REPLICATES,
    seed: int,
    confidence: float = 0.95,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Computes value, interval and number of images of each cell.

    Args:
        values: `[image, cell]`, images in the run's order; what is not finite does not count.
        weights: `[image, cell]`; None is 1 everywhere. An image of weight 0 does not count.
        run_length: Consecutive images drawn together; see `interval_run_length`.
        replicates: Number of resamples.
        seed: Decides the resamples, together with the number of images and `run_length`.
        confidence: Share of the replicates inside the interval.

    Returns:
        value, low, high, n, each `[cell]`. The value is computed directly, not from the resamples.
        NaN where n is 0; the interval is NaN where n is 1. A cell whose values are all equal gets
        exactly that number, three times.

    Raises:
        InputError: Shapes that do not fit, no positive run length, or no replicate.

    Example:
        >>> value, low, high, n = bootstrap_interval(np.array([[1.0, 0.2], [1.0, 0.4]]), seed=0)
        >>> float(value[0]), float(low[0]), float(high[0]), int(n[0])
        (1.0, 1.0, 1.0, 2)
    """
    if run_length < 1 or replicates < 1 or not 0 < confidence < 1:
        raise InputError(
            f"run_length={run_length}, replicates={replicates}, confidence={confidence}: needed "
            "are at least 1, at least 1, and a number between 0 and 1"
        )
    values = np.asarray(values, dtype=np.float64)
    sums = exact_sums(values, weights)
    n = sums.counts.sum(axis=0)
    value, low, high = sums.value, np.full(len(n), np.nan), np.full(len(n), np.nan)
    constant, level = _constant(values, sums.counts)
    value[constant] = level[constant]
    low[constant], high[constant] = level[constant], level[constant]
    varied = ~constant & (n > 1)
    if varied.any():
        part = Sums(*(a[:, varied] for a in (sums.numerators, sums.denominators, sums.counts)))
        drawn = bootstrap_replicates(part, run_length=run_length, replicates=replicates, seed=seed)
        low[varied], high[varied] = percentile_interval(drawn, confidence)
    low[n < 2], high[n < 2] = np.nan, np.nan
    return value, low, high, n


def _constant(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds cells with the same value for every image that counts, and that value."""
    low = np.where(counts, values, np.inf).min(axis=0, initial=np.inf)
    high = np.where(counts, values, -np.inf).max(axis=0, initial=-np.inf)
    return low == high, low
