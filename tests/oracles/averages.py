"""Averages over cells, layers and transformations, one image and one cell at a time."""

import math

from oracles.intervals import reference_contributions, reference_ends, reference_ratio


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


def reference_average_interval(places, *, kind, neighbours, bounds, seed):
    """(value, low, high) of an average whose cells are all defined somewhere."""
    images = len(places[0][0][0][0])
    value = reference_average(places, list(range(images)))
    contributions = reference_average_contributions(places, kind)
    return value, *reference_ends(value, contributions, neighbours, seed, bounds)


def reference_average_contributions(places, kind):
    """What each image contributes: the mean over layers, transformations and cells of its parts."""
    of_layers = (
        _mean_of(_mean_of(reference_contributions(v, w, kind) for v, w in own) for own in names)
        for names in places
    )
    return _mean_of(of_layers)


def _mean_of(lists):
    columns = zip(*lists, strict=True)
    return [None if column[0] is None else math.fsum(column) / len(column) for column in columns]
