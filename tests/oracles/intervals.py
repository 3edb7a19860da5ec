"""The bootstrap and the swap test, one resample, one swap and one image at a time."""

import itertools
import math

import numpy as np


def reference_bootstrap(values, weights, replicates, seed):
    """Percentile interval of sum(w·v) / sum(w), images drawn one by one with replacement."""
    rng = np.random.default_rng(seed)
    count = len(values)
    means = []
    for _ in range(replicates):
        drawn = rng.integers(0, count, count)
        means.append((values[drawn] * weights[drawn]).sum() / weights[drawn].sum())
    return np.quantile(means, [0.025, 0.975])


def reference_quantile(numbers, share):
    """Linear interpolation between the sorted numbers around place share · (count - 1)."""
    numbers = sorted(numbers)
    place = share * (len(numbers) - 1)
    below = math.floor(place)
    above = min(below + 1, len(numbers) - 1)
    return numbers[below] + (place - below) * (numbers[above] - numbers[below])


def reference_ratio(values, weights):
    """(sum(w·v) / sum(w), images that count) of the pairs that are finite, of weight above 0."""
    pairs = [
        (float(v), float(w))
        for v, w in zip(values, weights, strict=True)
        if math.isfinite(v) and math.isfinite(w) and w > 0
    ]
    if not pairs:
        return math.nan, 0
    return math.fsum(v * w for v, w in pairs) / math.fsum(w for _, w in pairs), len(pairs)


def reference_draws(images, run_length, replicates, seed):
    """The images of each resample: runs of consecutive ones, end joined to start, the last cut."""
    rng = np.random.default_rng(seed)
    for _ in range(replicates):
        drawn = []
        for start in rng.integers(0, images, -(-images // run_length)):
            drawn += [(int(start) + step) % images for step in range(run_length)]
        yield drawn[:images]


def reference_run_bootstrap(values, weights, *, run_length, replicates, seed, confidence=0.95):
    """(value, low, high, n) of one cell; resamples without any image that counts are left out."""
    value, n = reference_ratio(values, weights)
    if n < 2:
        return value, math.nan, math.nan, n
    drawn = [
        reference_ratio(values[images], weights[images])[0]
        for images in reference_draws(len(values), run_length, replicates, seed)
    ]
    drawn = [number for number in drawn if not math.isnan(number)]
    tail = (1 - confidence) / 2
    return value, reference_quantile(drawn, tail), reference_quantile(drawn, 1 - tail), n


def reference_paired_interval(a, b, *, run_length, replicates, seed):
    """95 % interval of B - A; A and B are (values, weights), resampled together."""
    drawn = []
    for images in reference_draws(len(a[0]), run_length, replicates, seed):
        one, other = (reference_ratio(v[images], w[images])[0] for v, w in (a, b))
        drawn.append(other - one)
    return reference_quantile(drawn, 0.025), reference_quantile(drawn, 0.975)


def reference_swap_test(a, b, run_length):
    """p over every way to swap A and B, (values, weights) each, in whole runs of images."""
    images = len(a[0])
    differences = []
    for choice in itertools.product([False, True], repeat=-(-images // run_length)):
        swapped = [choice[image // run_length] for image in range(images)]
        one = [np.where(swapped, y, x) for x, y in zip(a, b, strict=True)]
        other = [np.where(swapped, x, y) for x, y in zip(a, b, strict=True)]
        differences.append(reference_ratio(*other)[0] - reference_ratio(*one)[0])
    observed = abs(differences[0])  # the first choice swaps nothing
    return sum(abs(d) >= observed * (1 - 1e-9) for d in differences) / len(differences)
