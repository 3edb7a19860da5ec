"""Independent float64 forms of the channel metrics: one pair of maps at a time, in Python sums.

They share no code with the package. A map is dead if it is exactly constant (pearson) or zero
(cosine): what is dead by rounding is tested on its own.
"""

import math

import numpy as np


def reference_similarity(a, b, similarity):
    """Similarity of two maps [H, W]; NaN if one is dead."""
    a, b = [float(x) for x in np.ravel(a)], [float(x) for x in np.ravel(b)]
    if similarity == "pearson":
        if len(set(a)) == 1 or len(set(b)) == 1:
            return math.nan
        mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
        a, b = [x - mean_a for x in a], [x - mean_b for x in b]
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    norms = math.sqrt(math.fsum(x * x for x in a)) * math.sqrt(math.fsum(y * y for y in b))
    return dot / norms if norms else math.nan


def reference_channel_invariance(acted, transformed, similarity):
    """Paper 002, eq. 4, with the maps moved along: [B, C]."""
    return np.array(
        [
            [reference_similarity(moved, own, similarity) for own, moved in zip(*maps, strict=True)]
            for maps in zip(acted, transformed, strict=True)
        ]
    )


def reference_channel_match(acted, transformed, similarity):
    """Paper 002, eq. 7: the largest similarity and its channel, [B, C] each."""
    values, indices = [], []
    for own, moved in zip(acted, transformed, strict=True):
        for channel in moved:
            best, where = math.nan, -1
            for index, candidate in enumerate(own):
                score = reference_similarity(channel, candidate, similarity)
                if not math.isnan(score) and (math.isnan(best) or score > best):
                    best, where = score, index
            values.append(best)
            indices.append(where)
    shape = np.shape(acted)[:2]
    return np.reshape(values, shape), np.reshape(indices, shape)


def reference_channel_eed(acted, transformed):
    """Paper 003, eq. 5, for one group element: minus the mean over channels that are not zero."""
    deviations = []
    for own, moved in zip(acted, transformed, strict=True):
        scores = [reference_similarity(b, a, "cosine") for a, b in zip(own, moved, strict=True)]
        scores = [score for score in scores if not math.isnan(score)]
        deviations.append(-math.fsum(scores) / len(scores) if scores else math.nan)
    return np.array(deviations)
