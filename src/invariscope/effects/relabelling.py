"""Relabels which runs had the augmentation, to learn what chance alone would give.

Runs are relabelled for all classes at once, so what makes one run better in many classes stays in
it: over all ways to choose the runs "with" where these are no more than 5,000, else over random
ones and the labels as they are.

- p of a class: the share of ways with as large a difference. That is the exact permutation test of
  "the augmentation does nothing to this class".
- Chance of a class: how often it would be consistently hurt if the augmentation did nothing to it,
  given that its mean accuracy is lower: the share of ways in which it is hurt among those in which
  its mean is lower. Pairs of seeds share seeds, so that is more than independent pairs would give.
- The number of classes hurt is held against these chances, over the classes whose mean is lower: a
  sum of independent trials, one per class (binomial, where all chances are equal). A class whose
  mean is not lower says nothing about who is hurt by chance, and one that is helped in truth, yet
  lower here, is hurt less often than by chance: the number may only come out too small.
- Classes are not quite independent: one run may be better in all of them. So the number's score,
  (hurt − expected) / its standard deviation, is also held against those of all ways, after the mean
  difference of each class has been taken off, to a whole image. The larger of both p counts.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from invariscope.seeding import generator

MOST = 5000


@dataclass(frozen=True)
class Relabelled:
    """The results of all ways of labelling the runs.

    Attributes:
        shares: The mean over classes of the share of pairs in which they are hurt, where the
            augmentation does nothing.
        p: The share of ways with as large a |difference| of mean accuracies as the labels as they
            are.
        chance: See the module; 0 where a class is lower in no way.
        scores: Of the number of hurt classes, where the augmentation does nothing.
    """

    shares: Float64[np.ndarray, " way"]
    p: Float64[np.ndarray, " class"]
    chance: Float64[np.ndarray, " class"]
    scores: Float64[np.ndarray, " way"]


@dataclass(frozen=True)
class HurtByChance:
    """The number of classes hurt, of those whose mean is lower, against chance.

    Attributes:
        count: The number.
        expected: Its mean, if the augmentation did nothing to them.
        low: 2.5 % point of its law.
        high: 97.5 % point.
        p: How often as many or more would be hurt.
    """

    count: int
    expected: float
    low: int
    high: int
    p: float


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
    runs = len(right)
    after = runs - before
    ways = relabellings(runs, after, seed)
    total = right.sum(axis=0)

    def size(chosen: np.ndarray) -> np.ndarray:
        """The |difference| of the means times something positive, in whole numbers."""
        ones = right[chosen].sum(axis=0)
        return np.abs(ones * before - (total - ones) * after)

    observed = size(np.arange(before, runs))
    p = sum(size(way) >= observed for way in ways) / len(ways)
    hurt, lower, _ = _consistent(right, ways, enough)
    level = right.copy()
    difference = right[before:].mean(axis=0) - right[:before].mean(axis=0)
    level[before:] -= np.rint(difference).astype(np.int64)
    level_hurt, level_lower, shares = _consistent(level, ways, enough)
    chance = chance_of(level_hurt, level_lower)
    scores = np.array(
        [score(*of_way, chance) for of_way in zip(level_hurt, level_lower, strict=True)]
    )
    return Relabelled(shares, np.asarray(p), chance_of(hurt, lower), scores)


def _consistent(
    right: Int64[np.ndarray, "run class"], ways: np.ndarray, enough: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who is consistently hurt and who is lower on average, in each way; mean share of pairs."""
    shape = len(ways), right.shape[1]
    hurt, lower, shares = np.empty(shape, bool), np.empty(shape, bool), np.empty(len(ways))
    for number, way in enumerate(ways):
        rest, chosen = np.delete(right, way, axis=0), right[way]
        lost = (rest[:, None] > chosen[None]).sum(axis=(0, 1))
        hurt[number] = lost >= enough
        lower[number] = is_lower(rest, chosen)
        shares[number] = lost.mean() / (len(rest) * len(chosen))
    return hurt, lower, shares


def is_lower(
    rest: Int64[np.ndarray, "run class"], chosen: Int64[np.ndarray, "other class"]
) -> Bool[np.ndarray, " class"]:
    """Says whose mean is lower in the chosen runs, in whole numbers."""
    return chosen.sum(axis=0) * len(rest) < rest.sum(axis=0) * len(chosen)


def chance_of(
    hurt: Bool[np.ndarray, "way class"], lower: Bool[np.ndarray, "way class"]
) -> Float64[np.ndarray, " class"]:
    """Computes how often a class is hurt among the ways in which its mean is lower."""
    rest = lower.sum(axis=0)
    return np.divide((hurt & lower).sum(axis=0), rest, out=np.zeros(len(rest)), where=rest > 0)


def score(
    hurt: Bool[np.ndarray, " class"],
    lower: Bool[np.ndarray, " class"],
    chance: Float64[np.ndarray, " class"],
) -> float:
    """Computes (hurt − expected) / standard deviation; 0 where nothing can be hurt by chance."""
    own = chance[lower]
    spread = math.sqrt(float((own * (1 - own)).sum()))
    return (float((hurt & lower).sum()) - float(own.sum())) / spread if spread > 0 else 0.0


def hurt_by_chance(
    hurt: Bool[np.ndarray, " class"], lower: Bool[np.ndarray, " class"], null: Relabelled
) -> HurtByChance:
    """Holds the number of classes hurt against chance.

    Args:
        hurt: Who is consistently hurt.
        lower: Whose mean accuracy is lower.
        null: The results of relabelling.
    """
    count = int((hurt & lower).sum())
    chances = null.chance[lower]
    law = number_law(chances)
    upto = np.cumsum(law)
    own, ways = score(hurt, lower, null.chance), len(null.scores)
    # The labels as they are, whose differences have been taken off, are one way too.
    more = (float((null.scores >= own - 1e-9).sum()) + 1) / (ways + 1)
    return HurtByChance(
        count=count,
        expected=float(chances.sum()),
        low=int(np.searchsorted(upto, 0.025)),
        high=int(np.searchsorted(upto, 0.975)),
        p=min(1.0, max(float(law[count:].sum()), more)),
    )


def number_law(chances: Float64[np.ndarray, " class"]) -> Float64[np.ndarray, " number"]:
    """Computes the law of how many of some independent trials succeed (Poisson's binomial).

    Example:
        >>> number_law(np.array([0.5, 0.5])).tolist()
        [0.25, 0.5, 0.25]
    """
    law = np.ones(1)
    for chance in chances:
        law = np.convolve(law, [1 - chance, chance])
    return law


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
