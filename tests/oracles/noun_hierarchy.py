"""WordNet's similarities by walking all chains: no queue, no table, no cache."""

import math


def reference_chains(parents, synset):
    """All chains from a synset up to a root, each a list that begins with the synset."""
    if not parents[synset]:
        return [[synset]]
    return [
        [synset, *rest] for above in parents[synset] for rest in reference_chains(parents, above)
    ]


def reference_links(parents, a, b):
    best = math.inf
    for one in reference_chains(parents, a):
        for other in reference_chains(parents, b):
            for up, common in enumerate(one):
                if common in other:
                    best = min(best, up + other.index(common))
    return best


def reference_similarity(parents, names, a, b, measure):
    links = reference_links(parents, a, b)
    if links == math.inf:
        return math.nan
    longest = {s: max(map(len, reference_chains(parents, s))) for s in parents}
    shortest = {s: min(map(len, reference_chains(parents, s))) for s in parents}
    if measure == "path":
        return 1 / (links + 1)
    if measure == "lch":
        return -math.log((links + 1) / (2 * (max(longest.values()) - 1)))
    above = [set().union(*reference_chains(parents, s)) for s in (a, b)]
    common = above[0] & above[1]
    deepest = [s for s in common if shortest[s] == max(shortest[c] for c in common)]
    subsumer = a if a in deepest else min(deepest, key=lambda s: names[s])
    length = reference_links(parents, a, subsumer) + reference_links(parents, b, subsumer)
    return 2 * longest[subsumer] / (length + 2 * longest[subsumer])
