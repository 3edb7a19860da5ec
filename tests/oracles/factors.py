"""The search of paper 000 §4, one pair, one operation and one formula at a time."""

import itertools
import math
from typing import Any

import numpy as np


def reference_cosine(a, b):
    """The cosine of two vectors, in float64; NaN where one has no length."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    lengths = math.sqrt(float((a * a).sum())) * math.sqrt(float((b * b).sum()))
    return float((a * b).sum()) / lengths if lengths > 0 else math.nan


def reference_pair(anchor, other, moved):
    """(s₀, s_T − s₀) of one pair."""
    before = reference_cosine(anchor, other)
    return before, reference_cosine(anchor, moved) - before


def reference_factors(before, change) -> dict[str, Any]:
    """The numbers of one class and one operation, from the s₀ and changes of its pairs."""
    pairs = [
        (s, c) for s, c in zip(before, change, strict=True) if math.isfinite(s) and math.isfinite(c)
    ]
    relative = [c / s for s, c in pairs if abs(s) >= 1e-6]
    boosts = [c / s for s, c in pairs if abs(s) >= 1e-6 and c > 0]
    boosted = [c > 0 for _, c in pairs]
    share = _mean(boosted)
    return {
        "change": _mean([c for _, c in pairs]),
        "relative_change": _mean(relative),
        "proportion_boosted": share,
        "boost": _mean(boosts),
        "weighted_boost": 0.0 if pairs and not any(boosted) else _mean(boosts) * share,
        "n": len(pairs),
        "n_guarded": sum(abs(s) < 1e-6 for s, _ in pairs),
        "n_negative": sum(s < 0 for s, _ in pairs),
        "n_undefined": len(before) - len(pairs),
        "first_half": _mean(_changes(before[::2], change[::2])),
        "second_half": _mean(_changes(before[1::2], change[1::2])),
    }


def reference_flip_p(values):
    """p over every way to choose the signs."""
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return math.nan
    observed = abs(math.fsum(values)) * (1 - 1e-9)
    ways = list(itertools.product([1, -1], repeat=len(values)))
    reached = sum(
        abs(math.fsum(s * v for s, v in zip(way, values, strict=True))) >= observed for way in ways
    )
    return reached / len(ways)


def reference_q(p):
    """Benjamini and Hochberg: the smallest rate at which each is still found."""
    order = sorted(range(len(p)), key=lambda k: p[k])
    q, smallest = [1.0] * len(p), 1.0
    for place in reversed(range(len(p))):
        smallest = min(smallest, p[order[place]] * len(p) / (place + 1))
        q[order[place]] = smallest
    return q


def _changes(before, change):
    return [c for s, c in zip(before, change, strict=True) if math.isfinite(s) and math.isfinite(c)]


def _mean(values):
    return math.fsum(values) / len(values) if values else math.nan


def reference_tops(frame, by, names):
    """The best operation of each class among some names, the first of equals; NaN never wins."""
    tops = {}
    for name in dict.fromkeys(frame["class"]):
        best, operation = -math.inf, None
        for row in frame[frame["class"] == name].to_dict("records"):
            if row["operation"] in names and row[by] > best:
                best, operation = row[by], row["operation"]
        if operation is not None:
            tops[name] = (operation, best)
    return tops


def reference_raising(frame, chosen_by, counted_by, names):
    """How many of a class's ten best operations are above 0."""
    counts = {}
    for name in dict.fromkeys(frame["class"]):
        rows = frame[(frame["class"] == name) & frame["operation"].isin(names)]
        best = sorted(rows.to_dict("records"), key=lambda row: -row[chosen_by])[:10]
        counts[name] = sum(row[counted_by] > 0 for row in best)
    return counts
