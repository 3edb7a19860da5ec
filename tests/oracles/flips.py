"""Naive float64 forms of what is said of flips: loops, exact fractions."""

from fractions import Fraction
from math import comb

import numpy as np


def reference_softmax(logits):
    shifted = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def reference_flips(before, after, distances):
    """Rows (image, place of the level, class before, class after, scores) from logits.

    ``after`` is [level, image, class]; the nearest level at which the class is another one counts.
    """
    rows = {}
    for image, logits in enumerate(before):
        first = int(np.argmax(logits))
        for level in sorted(range(len(after)), key=lambda k: distances[k]):
            now = int(np.argmax(after[level][image]))
            if now != first:
                scores = (
                    reference_softmax(logits)[first],
                    reference_softmax(after[level][image])[now],
                )
                rows[image] = (level, first, now, *map(float, scores))
                break
    return rows


def reference_confidence_lost(before, after):
    """[level]: mean over images of the first class's probability, before minus after."""
    lost = []
    for moved in after:
        values = []
        for image, logits in enumerate(before):
            first = int(np.argmax(logits))
            values.append(reference_softmax(logits)[first] - reference_softmax(moved[image])[first])
        lost.append(float(np.mean(values)))
    return lost


def reference_fisher(inside, size, some, n):
    """Twice the smaller tail of the hypergeometric law, by counting."""
    ways = [comb(some, k) * comb(n - some, size - k) if size >= k else 0 for k in range(size + 1)]
    above = Fraction(sum(ways[inside:]), comb(n, size))
    below = Fraction(sum(ways[: inside + 1]), comb(n, size))
    return float(min(Fraction(1), 2 * min(above, below)))


def reference_adjusted(p):
    """Benjamini and Hochberg: q of the k-th smallest is the least p·m/j over j ≥ k."""
    p = np.asarray(p, np.float64)
    order, m = np.argsort(p, kind="stable"), len(p)
    q = np.empty(m)
    for k in range(m):
        q[order[k]] = min(1.0, *(p[order[j]] * m / (j + 1) for j in range(k, m)), 1.0)
    return q
