"""Class similarity against similarity of ranks, pair by pair and copy by copy."""

import itertools

import numpy as np
import pandas as pd

from invariscope.seeding import generator


def spearman(one, other):
    return pd.Series(one).rank().corr(pd.Series(other).rank())


def reference_outcomes(values, types):
    """{(a, b): (ρ, IoU of 25, IoU of 5)} for values {class: {operation: value}}."""
    found = {}
    for a, b in itertools.combinations(values, 2):
        best = [{}, {}]
        tops = []
        for side, name in enumerate((a, b)):
            for operation, value in values[name].items():
                kind = types[operation]
                best[side][kind] = max(value, best[side].get(kind, -np.inf))
            ranked = sorted(values[name], key=lambda o, n=name: -values[n][o])
            tops.append([{types[o] for o in ranked[:top]} for top in (25, 5)])
        rho = spearman([best[0][k] for k in best[0]], [best[1][k] for k in best[0]])
        overlap = [len(x & y) / len(x | y) for x, y in zip(*tops, strict=True)]
        found[a, b] = (rho, *overlap)
    return found


def reference_p(similarity, outcome, classes):
    """Mantel's p over all orders, for {(a, b): number} of both."""

    def rho(order):
        rename = dict(zip(classes, order, strict=True))
        pairs = list(similarity)
        moved = [(rename[a], rename[b]) for a, b in pairs]
        there = [outcome[p] if p in outcome else outcome[p[::-1]] for p in moved]
        return spearman([similarity[p] for p in pairs], there)

    observed = abs(rho(classes))
    return np.mean([abs(rho(o)) >= observed - 1e-9 for o in itertools.permutations(classes)])


def reference_interval(similarity, outcome, classes, seed, replicates):
    """The percentile interval of Spearman's ρ over resampled classes, with real copies."""
    drawing = generator(seed, "hierarchy:resamples")
    counts = drawing.multinomial(len(classes), np.full(len(classes), 1 / len(classes)), replicates)
    rhos = []
    for row in counts:
        copies = [name for name, count in zip(classes, row, strict=True) for _ in range(count)]
        pairs = [(a, b) for a, b in itertools.combinations(copies, 2) if a != b]
        one, other = [similarity[p] for p in pairs], [outcome[p] for p in pairs]
        if len(set(one)) > 1 and len(set(other)) > 1:
            rhos.append(spearman(one, other))
    return np.quantile(rhos, [0.025, 0.975])
