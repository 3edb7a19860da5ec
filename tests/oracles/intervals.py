"""Estimates, one image and one resample at a time: contributions by hand, studentised by draws."""

import itertools
import math

import numpy as np
from scipy import stats

REPLICATES = 2000


def reference_quantile(numbers, share):
    """Linear interpolation between the sorted numbers around place share · (count - 1)."""
    numbers = sorted(numbers)
    place = share * (len(numbers) - 1)
    below = math.floor(place)
    above = min(below + 1, len(numbers) - 1)
    return numbers[below] + (place - below) * (numbers[above] - numbers[below])


def reference_ratio(values, weights):
    """(sum(w·v) / sum(w), images that count) of the pairs that are finite, of a weight but 0."""
    pairs = [
        (float(v), float(w))
        for v, w in zip(values, weights, strict=True)
        if math.isfinite(v) and math.isfinite(w) and w
    ]
    if not pairs:
        return math.nan, 0
    return math.fsum(v * w for v, w in pairs) / math.fsum(w for _, w in pairs), len(pairs)


def reference_contributions(values, weights, kind="ratio"):
    """What each image adds to the value, to first order; None where it does not count.

    A ratio's is the derivative by the image's weight, taken numerically from both sides.
    """
    counts = [
        math.isfinite(v) and math.isfinite(w) and w != 0
        for v, w in zip(values, weights, strict=True)
    ]
    n = sum(counts)
    a = [float(v) * float(w) if c else 0.0 for v, w, c in zip(values, weights, counts, strict=True)]
    b = [float(w) if c else 0.0 for w, c in zip(weights, counts, strict=True)]
    twice = 2 * (n - 1) / (n - 2) if n > 2 else 2
    own, pairs = {
        "ratio to pairs": (1, twice),
        "ratio of pairs": (twice, twice),
        "one minus ratio to pairs": (1, twice),
    }.get(kind, (1, 1))
    if kind == "one minus ratio to pairs":  # of the distances d = w - v·w, with the sign turned
        a = [y - x for x, y in zip(a, b, strict=True)]
    mean_a, mean_b = math.fsum(a) / n, math.fsum(b) / n
    sign = -1 if kind == "one minus ratio to pairs" else 1

    def moved(x, y):
        return (mean_a + x) / (mean_b + y)

    result = []
    step = 1e-5
    for x, y, counted in zip(a, b, counts, strict=True):
        up = own * (x - mean_a) * step / n, pairs * (y - mean_b) * step / n
        change = (moved(*up) - moved(-up[0], -up[1])) / (2 * step)
        result.append(sign * change if counted else None)
    return result


def reference_error(contributions, neighbours=False):
    """Standard error of a value from contributions; those of neighbours add where they agree."""
    known = [c for c in contributions if c is not None]
    squares = math.fsum(c * c for c in known)
    if neighbours:
        filled = [c or 0.0 for c in contributions]
        beside = math.fsum(x * y for x, y in itertools.pairwise(filled))
        squares += 2 * max(beside, 0)
    return math.sqrt(squares * len(known) / (len(known) - 1))


def reference_draws(images, seed):
    """The images of each resample, the chunks of the random numbers as ours draws them."""
    rng = np.random.default_rng(seed)
    chunk = max(1, (1 << 18) // images)
    for first in range(0, REPLICATES, chunk):
        yield from rng.integers(0, images, size=(min(chunk, REPLICATES - first), images))


def reference_tails(contributions, seed, tails=(0.025,)):
    """How far T goes below and above 0 in each tail: ([below], [above])."""
    n = sum(c is not None for c in contributions)
    if n < 12 or not any(contributions):
        student = [float(stats.t.isf(tail, n - 1)) for tail in tails]
        return student, student
    drawn = []
    for images in reference_draws(len(contributions), seed):
        sample = [contributions[i] for i in images if contributions[i] is not None]
        if len(sample) < 2 or max(sample) - min(sample) < 1e-14:
            continue
        error = np.std(sample, ddof=1) / math.sqrt(len(sample))
        # numpy's variance has n - 1 below; so has ours, of the resample's own size
        drawn.append(float(np.mean(sample)) / error)
    return (
        [reference_held(-reference_quantile(drawn, tail), tail, n) for tail in tails],
        [reference_held(reference_quantile(drawn, 1 - tail), tail, n) for tail in tails],
    )


def reference_held(quantile, tail, n):
    """A quantile of resamples: its excess a little larger, and 0.95 to 1.7 times Student's.

    For the tail of a 95 % interval only.
    """
    assert tail == 0.025
    student = float(stats.t.isf(tail, n - 1))
    ratio = quantile / student
    if ratio > 1:
        ratio = 1 + (1 + 0.8 / math.sqrt(n)) * (ratio - 1)
    return student * min(max(ratio, 0.95), 1.7)


def reference_interval(
    values, weights, *, kind="ratio", neighbours=False, seed, bounds=(None, None)
):
    """(value, low, high, n) of one cell."""
    value, n = reference_ratio(values, weights)
    if n < 2:
        return value, math.nan, math.nan, n
    contributions = reference_contributions(values, weights, kind)
    return (value, *reference_ends(value, contributions, neighbours, seed, bounds), n)


def reference_ends(value, contributions, neighbours, seed, bounds=(None, None)):
    """Both ends of an interval from contributions."""
    below, above = reference_tails(contributions, seed)
    error = reference_error(contributions, neighbours)
    low, high = value - above[0] * error, value + below[0] * error
    if bounds[0] is not None:
        low = max(low, bounds[0])
    if bounds[1] is not None:
        high = min(high, bounds[1])
    return low, high
