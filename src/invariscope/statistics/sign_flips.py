"""Tests whether a mean change differs from 0, by flipping signs.

If an operation did nothing but add noise that is as likely to bring a pair closer as to take it
further apart, the sign of each pair's change would be a coin's. So p is the share of all ways to
draw the signs anew in which the mean is as far from 0 as it was: all 2ⁿ of them up to 13 pairs,
else 9,999 drawn ones and the observed one, so that p is never below 1 / 10,000. The sums are exact
(see `statistics.intervals`), so ties are ties and p does not depend on the machine.
"""

from collections.abc import Iterator

import numpy as np

from invariscope.seeding import generator
from invariscope.statistics.intervals import exact_sums

FLIPS = 9_999
_EXACT = 13
_CHUNK_ELEMENTS = 1 << 20  # signs held at a time in float64: 8 MB


def sign_flip_p(values: np.ndarray, seed: int) -> np.ndarray:
    """Computes two-sided p-values of the hypothesis that the mean is 0.

    Args:
        values: [pair, cell]; what is not finite does not count.
        seed: Decides the drawn signs, together with the number of pairs.

    Returns:
        [cell], in (0, 1]; NaN where no pair counts.

    Example:
        >>> sign_flip_p(np.array([[1.0], [2.0], [3.0]]), seed=0)  # 2 of the 8 ways
        array([0.25])
    """
    sums = exact_sums(values)
    reached, ways = np.zeros(values.shape[1]), 0
    total = sums.numerators.sum(axis=0)
    for turned in _turned(len(values), seed):
        flipped = turned @ sums.numerators
        flipped *= -2.0
        flipped += total
        reached += (np.abs(flipped, out=flipped) >= np.abs(total)).sum(axis=0)
        ways += len(turned)
    return np.where(sums.counts.any(axis=0), reached / ways, np.nan)


def _turned(count: int, seed: int) -> Iterator[np.ndarray]:
    """Lists which signs are flipped: all ways, or none and drawn ones; 0 or 1 [way, pair]."""
    if count <= _EXACT:
        yield ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(np.float64)
        return
    yield np.zeros((1, count))
    draw = generator(seed, "factors:signs")
    size = max(1, _CHUNK_ELEMENTS // count)
    for first in range(0, FLIPS, size):
        shape = (min(size, FLIPS - first), count)
        packed = np.frombuffer(draw.bytes(-(-shape[0] * count // 8)), dtype=np.uint8)
        bits = np.unpackbits(packed, count=shape[0] * count).reshape(shape)
        yield bits.astype(np.float64)
