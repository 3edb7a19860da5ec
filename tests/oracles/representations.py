"""Independent float64 forms of the metrics of embeddings: loops, straight from the formulas."""

import math

import numpy as np

from oracles.metrics import reference_distance
from oracles.orbits import reference_cosine


def reference_response_alignment(z, moved, pairing, shuffle):
    """Paper 000, App. D, image by image."""
    z, moved = np.asarray(z, dtype=np.float64), np.asarray(moved, dtype=np.float64)
    count, size = z.shape
    difference = [[z[i][k] - moved[i][k] for k in range(size)] for i in range(count)]
    baseline = [[difference[shuffle[i][k]][k] for k in range(size)] for i in range(count)]
    return np.array(
        [
            reference_cosine(difference[i], difference[pairing[i]])
            - reference_cosine(baseline[i], baseline[pairing[i]])
            for i in range(count)
        ]
    )


def reference_similarity_change(anchor, other, other_transformed):
    """Paper 000, eq. 2, pair by pair."""
    changes = []
    for a, b, c in zip(anchor, other, other_transformed, strict=True):
        before, after = reference_cosine(a, b), reference_cosine(a, c)
        changes.append((after - before) / before if abs(before) >= 1e-6 else math.nan)
    return np.array(changes)


def reference_class_distance_ratio(embeddings, labels, distance):
    """Paper 004, 4.3: two lists of distances and their means."""
    within, between = [], []
    for i in range(len(embeddings)):
        for j in range(i):
            apart = reference_distance(embeddings[i], embeddings[j], distance)
            (within if labels[i] == labels[j] else between).append(apart)
    return (math.fsum(between) / len(between)) / (math.fsum(within) / len(within))


def reference_variance(values):
    """Unbiased variance of some numbers."""
    mean = math.fsum(values) / len(values)
    return math.fsum((x - mean) ** 2 for x in values) / (len(values) - 1)


def reference_normalized_variance(responses):
    """Quiroga et al., unit by unit."""
    responses = np.asarray(responses, dtype=np.float64)
    images, transformations, units = responses.shape
    ratios = []
    for k in range(units):
        rows = [[responses[i, t, k] for t in range(transformations)] for i in range(images)]
        over_transformations = [reference_variance(row) for row in rows]
        over_images = [reference_variance(column) for column in zip(*rows, strict=True)]
        ratios.append(
            (math.fsum(over_transformations) / images) / (math.fsum(over_images) / transformations)
        )
    return np.array(ratios)


def reference_linear_cka(a, b):
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of linear kernels, with the centring matrix."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    count = len(a)
    centring = np.eye(count) - np.ones((count, count)) / count

    def hsic(kernel, other):
        return np.trace(kernel @ centring @ other @ centring)

    k, m = a @ a.T, b @ b.T
    return hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))
