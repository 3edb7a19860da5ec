"""Independent float64 forms of the channel measures over a data set, and of what maps go through.

They hold all maps at once and share no code with the package.
"""

import math

import numpy as np


def reference_pooled_correlation(acted, transformed):
    """Correlations over images and positions [C, C] of maps [N, C, H, W]; NaN where constant."""
    columns = [
        np.asarray(maps, dtype=np.float64).transpose(1, 0, 2, 3).reshape(np.shape(maps)[1], -1)
        for maps in (transformed, acted)
    ]
    table = np.full((len(columns[0]), len(columns[1])), math.nan)
    for c, own in enumerate(columns[0]):
        for other, theirs in enumerate(columns[1]):
            if own.min() < own.max() and theirs.min() < theirs.max():
                table[c, other] = np.corrcoef(own, theirs)[0, 1]
    return table


def reference_pooled(acted, transformed):
    """Invariance, equivariance and match of each channel over the data set."""
    table = reference_pooled_correlation(acted, transformed)
    known = ~np.isnan(table).all(1)
    filled = np.where(np.isnan(table), -np.inf, table)
    best = np.where(known, filled.max(1), math.nan)
    return np.diagonal(table).copy(), best, np.where(known, filled.argmax(1), -1)


def reference_delete_one_error(acted, transformed, channel, other):
    """Jackknife standard error of one pooled correlation: each image left out in turn."""
    count = len(acted)
    values = [
        np.corrcoef(
            np.delete(transformed, image, 0)[:, channel].ravel(),
            np.delete(acted, image, 0)[:, other].ravel(),
        )[0, 1]
        for image in range(count)
    ]
    return math.sqrt((count - 1) / count * np.var(values) * count)
