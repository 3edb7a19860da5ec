"""Relabels which runs had the augmentation, to learn what chance alone would give.

Runs are relabelled for all classes at once, so what makes one run better in many classes stays in
it: over all ways to choose the runs "with" where these are no more than 5,000, else over random
ones and the labels as they are.

- For p of a class nothing else is done: that is the exact permutation test of "the augmentation
  does nothing to this class".
- For the number of classes that are hurt in most pairs, the mean difference of each class is taken
  off first, to a whole image: else a choice that undoes the labels would make the classes that are
  helped look hurt, and chance would seem to do what the augmentation does.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from invariscope.seeding import generator

MOST = 5000


@dataclass(frozen=True)
class Relabelled:
    """The results of all ways of labelling the runs.

    Attributes:
        counts: How many classes are consistently hurt.
        shares: The mean over classes of the share of pairs in which they are hurt.
        p: The share of ways with as large a |difference| of mean accuracies as the labels as they
            are.
    """

    counts: Float64[np.ndarray, " way"]
    shares: Float64[np.ndarray, " way"]
    p: Float64[np.ndarray, " class"]


def relabel(
    right: Int64[np.ndarray, "run class"], before: int, enough: int, seed: int
) -> Relabelled:
    """Counts hurt classes and differences in every way of labelling the runs.

    Args:
        right: The right answers of each run, the runs without the augmentation first.
        before: How many these are.
        enough: A class is consistently hurt in at least so many pairs.
        seed: Decides the ways where there are too many to take all.
    """
    runs, classes = right.shape
    after = runs - before
    ways = relabellings(runs, after, seed)
    total = right.sum(axis=0)

    def size(chosen: np.ndarray) -> np.ndarray:
        """The |difference| of the means times something positive, in whole numbers."""
        ones = right[chosen].sum(axis=0)
        return np.abs(ones * before - (total - ones) * after)

    observed = size(np.arange(before, runs))
    level = right.copy()
    difference = right[before:].mean(axis=0) - right[:before].mean(axis=0)
    level[before:] -= np.rint(difference).astype(np.int64)
    counts, shares, reached = np.empty(len(ways)), np.empty(len(ways)), np.zeros(classes)
    for number, way in enumerate(ways):
        rest = np.delete(level, way, axis=0)
        hurt = (rest[:, None] > level[way][None]).sum(axis=(0, 1))
        counts[number] = (hurt >= enough).sum()
        shares[number] = hurt.mean() / (before * after)
        reached += size(way) >= observed
    return Relabelled(counts, shares, reached / len(ways))


def relabellings(runs: int, chosen: int, seed: int) -> np.ndarray:
    """Lists which `chosen` of the `runs` are "with", int64 [relabelling, chosen]; 5,000 at most.

    The labels as they are, the last `chosen` runs, are among them.

    Example:
        >>> relabellings(4, 2, seed=0).tolist()
        [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    """
    if math.comb(runs, chosen) <= MOST:
        return np.array(list(itertools.combinations(range(runs), chosen)))
    draw = generator(seed, "class effects:relabellings")
    shuffled = draw.permuted(np.tile(np.arange(runs), (MOST - 1, 1)), axis=1)
    own = np.arange(runs - chosen, runs)[None]
    return np.concatenate([own, np.sort(shuffled[:, :chosen], axis=1)])
