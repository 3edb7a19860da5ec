"""Averages over cells, layers and transformations, one resample and one cell at a time."""

import math

from oracles.intervals import reference_draws, reference_quantile, reference_ratio


def reference_mean(numbers):
    """The mean of those that are numbers; NaN if none is."""
    known = [number for number in numbers if not math.isnan(number)]
    return math.fsum(known) / len(known) if known else math.nan


def reference_average(places, images):
    """Mean over layers of the mean over transformations of the mean over cells.

    `places` is a list (layers) of lists (transformations) of lists (cells) of (values, weights).
    """
    return reference_mean(
        reference_mean(
            reference_mean(reference_ratio(v[images], w[images])[0] for v, w in cells)
            for cells in transformations
        )
        for transformations in places
    )


def reference_average_interval(places, *, run_length, replicates, seed):
    """(value, low, high) of an average whose cells are all defined somewhere."""
    images = len(places[0][0][0][0])
    value = reference_average(places, list(range(images)))
    drawn = [
        reference_average(places, resample)
        for resample in reference_draws(images, run_length, replicates, seed)
    ]
    return value, reference_quantile(drawn, 0.025), reference_quantile(drawn, 0.975)
