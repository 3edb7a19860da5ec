"""The share of a distance that a family closes, pair by pair in float64."""

import math


def reference_share(gains, before, distances, same):
    """Mean over moved images of the share that a family closes beside the levels before it.

    Args:
        gains: One [anchor][moved] for each level of the family.
        before: The same for the levels that were there before.
        distances: [anchor][moved].
        same: Whether anchors and moved images are the same, so that the diagonal does not count.
    """
    anchors, moved = len(distances), len(distances[0])
    shares = []
    for j in range(moved):
        met = [i for i in range(anchors) if not (same and i == j)]

        def chosen(levels, j=j, met=met):
            best = {i: max([0.0, *(level[i][j] for level in levels)]) for i in met}
            means = [math.fsum(level[i][j] for i in met) for level in levels]
            top = max([0.0, *means])
            single = levels[means.index(top)] if top > 0 else None
            one = {i: single[i][j] if single is not None else 0.0 for i in met}
            gain = math.fsum(best[i] - one[i] for i in met)
            return gain, math.fsum(max(0.0, distances[i][j] - one[i]) for i in met)

        gain, rest = chosen([*before, *gains])
        shares.append((gain - chosen(before)[0]) / rest)
    return math.fsum(shares) / moved
