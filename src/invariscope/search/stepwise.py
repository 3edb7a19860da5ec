"""Decides which families a class varies along: the strongest first, each further one beside it.

- A family is measured beside every stronger one that is credible (p < 0.05 by itself): what shear
  closes because it resembles rotation, rotation has closed before. Rotation counts there with what
  lies between its levels as well, so that no other family lives off the gaps of a coarse ladder.
- Some classes are mixtures: 7 in 10 images are turned, 3 in 10 have another hue. So each of the two
  largest families, where it is credible, divides the images by their shares as anchors into two
  groups (the cut with the least variance within), and the lower group, which it concerns less, is
  searched by itself as well, every family beside the one that divided.
- The hypothesis is that the share closed is at most `MARGIN` above that of other classes: every
  class has something of its own, and what is below is not worth an augmentation. Two tests: of
  √W − √(B + margin) by Student's t, and of the number of images whose share as an anchor lies more
  than 0.1 above that of every stranger (exceedance; Epstein 1954), which sees a minority. p is
  one-sided, 1 where the share is not above the margin, and Bonferroni's for the tests that a
  family had.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from invariscope.search.closing import Closed, Distances, Gains, closed

MARGIN = 0.02
CREDIBLE = 0.05
FEWEST = 4
_FEWEST_APART = 8
_EXCESS = 0.1
_MOST = 6


@dataclass(frozen=True)
class Decision:
    """The decision on a family.

    Attributes:
        alone: The share that it closes by itself.
        added: The share that it adds beside the stronger ones.
        beside: The places of the stronger ones.
        p: See the module.
        images: How many images the decision rests on.
    """

    alone: Closed
    added: float
    beside: tuple[int, ...]
    p: float
    images: int


def decide(
    families: Sequence[Gains], between_levels: Sequence[Gains], distances: Distances
) -> list[Decision]:
    """Decides on every family of a class.

    Args:
        families: The gains of the levels of each.
        between_levels: Those of its levels and of what lies between them.
        distances: The distances of the class, of at least `FEWEST` images.
    """
    whole = _chain(families, between_levels, distances)
    rests = []
    for divider in sorted(whole, key=lambda k: -whole[k].alone.value)[:2]:
        apart = _others(whole[divider].alone.anchors)
        if whole[divider].p < CREDIBLE and apart is not None:
            parts = [gains.among(apart) for gains in families]
            finer = [gains.among(apart) for gains in between_levels]
            rests.append((divider, _chain(parts, finer, distances.among(apart), divider)))
    decisions = []
    for place in range(len(families)):
        mine = [rest[place] for divider, rest in rests if divider != place]
        best = min([whole[place], *mine], key=lambda decision: decision.p)
        p = min(1.0, best.p * (1 + len(mine)))
        decisions.append(Decision(whole[place].alone, best.added, best.beside, p, best.images))
    return decisions


def _chain(
    families: Sequence[Gains],
    between_levels: Sequence[Gains],
    distances: Distances,
    divider: int | None = None,
) -> dict[int, Decision]:
    """Takes the strongest credible family, measures the others beside it, and so on."""
    images = distances.own.shape[1]
    before, beside = distances.nothing(), ()
    left = list(range(len(families)))
    alone = {place: closed(families[place], before, distances) for place in left}
    decisions: dict[int, Decision] = {}
    shares = alone
    if divider is not None:
        left.remove(divider)
        before, beside = between_levels[divider], (divider,)
        shares = {place: closed(families[place], before, distances) for place in left}
    while left:
        p = {place: _p(shares[place], images, not beside) for place in left}
        for place in left:
            decisions[place] = Decision(alone[place], shares[place].value, beside, p[place], images)
        credible = [place for place in left if p[place] < CREDIBLE]
        if not credible or len(beside) == _MOST:
            break
        strongest = max(credible, key=lambda place: shares[place].value)
        left.remove(strongest)
        before = before.joined(between_levels[strongest])
        beside = (*beside, strongest)
        shares = {place: closed(families[place], before, distances) for place in left}
    return decisions


def _p(share: Closed, images: int, alone: bool) -> float:
    """The p of a share that is at most `MARGIN` above that of other classes."""
    if share.value <= MARGIN or share.within <= 0:
        return 1.0
    value, error = share.on_roots(MARGIN)
    p = float(special.stdtr(images - 1, -value / error)) if error > 0 else 0.0
    return min(1.0, 2 * min(p, _exceedance(share)) if alone else p)


def _exceedance(share: Closed) -> float:
    """P(so many of the largest shares as an anchor are the class's own), were all of one law."""
    own, strangers = len(share.anchors), len(share.strangers)
    above = int((share.anchors > share.strangers.max() + _EXCESS).sum())
    places = np.arange(above)
    return float(np.prod((own - places) / (own + strangers - places)))


def _others(shares: np.ndarray) -> np.ndarray | None:
    """The places of the lower of two groups; None where it is small."""
    order = np.argsort(shares, kind="stable")
    cuts = range(_FEWEST_APART, len(order) - 2)
    if not cuts:
        return None
    parts = [(shares[order[:cut]], shares[order[cut:]]) for cut in cuts]
    within = [sum(((part - part.mean()) ** 2).sum() for part in both) for both in parts]
    return np.sort(order[: cuts[int(np.argmin(within))]])
