"""Independent float64 NumPy forms of every metric: loops, straight from the formulas, slow on
purpose.

They share no code with the package. Where the formula is a sum over pairs, the sum is written out.
"""

import math

import numpy as np


def reference_distance(a, b, distance):
    """One distance between two vectors, with Python sums."""
    a, b = [float(x) for x in a], [float(x) for x in b]
    if distance == "l2":
        return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return 1.0 - dot / norms


def reference_relative_invariance(z, moved, pairing, distance):
    """Paper 000, eq. 1, image by image."""
    values = []
    for i in range(len(z)):
        own = reference_distance(z[i], moved[i], distance)
        baseline = reference_distance(z[i], moved[pairing[i]], distance)
        values.append((baseline - own) / baseline)
    return np.array(values, dtype=np.float64)


def reference_mean_relative_invariance(z, moved, distance):
    """1 - mean own distance / mean distance over all pairs of different images."""
    count = len(z)
    own = sum(reference_distance(z[i], moved[i], distance) for i in range(count)) / count
    pairs = [
        reference_distance(z[i], moved[j], distance)
        for i in range(count)
        for j in range(count)
        if i != j
    ]
    return 1.0 - own / (sum(pairs) / len(pairs))


def reference_top1(scores):
    """The first of the largest scores, row by row."""
    return [max(range(len(row)), key=lambda k: (row[k], -k)) for row in np.asarray(scores).tolist()]


def reference_prediction_consistency(logits, moved):
    """1 where the top-1 class stays."""
    pairs = zip(reference_top1(logits), reference_top1(moved), strict=True)
    return np.array([float(a == b) for a, b in pairs])


def reference_accuracy(logits, labels):
    """1 where the top-1 class is the label."""
    return np.array([float(a == b) for a, b in zip(reference_top1(logits), labels, strict=True)])
