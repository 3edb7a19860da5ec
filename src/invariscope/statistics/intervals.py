"""Resamples images with exact sums, for all cells at once.

Images are resampled, the units that were drawn, never image × cell pairs; all cells share the same
resamples. A value is sum(value * weight) / sum(weight) in float64 over the images that count:
finite value, finite weight other than 0. The others are left out cell by cell.

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
        return Sums(rounded(np.where(counts, values, 0.0)), counts.astype(np.float64), counts)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != values.shape:
        raise InputError(f"weights have shape {weights.shape}, but values have {values.shape}")
    counts = np.isfinite(values) & np.isfinite(weights) & (weights != 0)
    weights = np.where(counts, weights, 0.0)
    return Sums(rounded(np.where(counts, values, 0.0) * weights), rounded(weights), counts)


def rounded(array: np.ndarray) -> np.ndarray:
    """Rounds each column to a power of two that leaves room for the sum of any resample."""
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


def resampling_counts(images: int, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each resample holds each image: float64 `[replicate, image]`, in chunks.

    Depends on the arguments alone.
    """
    generator = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_ELEMENTS // max(images, 1))
    for first in range(0, replicates, chunk):
        rows = min(chunk, replicates - first)
        drawn = generator.integers(0, images, size=(rows, images))
        drawn = drawn + images * np.arange(rows)[:, None]
        yield (
            np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images).astype(float)
        )


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
