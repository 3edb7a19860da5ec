"""Decides which families a class varies along: the strongest first, each further one beside it.

- A family is measured beside every stronger one that is credible (p < 0.05 by itself): what shear
  closes because it resembles rotation, rotation has closed before. Rotation counts there with what
  lies between its levels as well, so that no other family lives off the gaps of a coarse ladder.
- Some classes are mixtures: 7 in 10 images are turned, 3 in 10 have another hue. So each of the
  first two families that are taken divides the images by how much it concerns them as anchors (the
  cut with the least variance within), and from then on all others are searched in the lower group
  as well as in the whole class, beside all that were taken: what is found in a part stands before
  every weaker family, in the whole class too.
- What closes distance by erasing is found only where it is the strongest of its class and closes
  more than 0.1 of it; its p is 1 otherwise, and it stands before weaker families all the same.
  Wherever something varies, pictures differ in detail as well (one that is zoomed into is
  smoother), and so do pictures with noise: to take detail away brings some pairs nearer.
- A divider was measured before its part was there: it is searched in the parts of later dividers,
  beside them.

p is one-sided (`search.evidence`), and Bonferroni's for the places that a family was searched in.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from invariscope.search.closing import Before, Closed, Distances, Gains, closed
from invariscope.search.evidence import evidence

CREDIBLE = 0.05
FEWEST = 4
_FEWEST_APART = 8
_DIVIDERS = 2
_MOST = 6
_ERASED = 0.1


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


@dataclass(frozen=True)
class _Trial:
    """A family in the whole class or in a part of it."""

    share: Closed
    p: float
    beside: tuple[int, ...]

    @property
    def images(self) -> int:
        return len(self.share.anchors)


@dataclass(frozen=True)
class _Part:
    """Images of a class that are searched together; the divider left them, None: all."""

    families: Sequence[Gains]
    between_levels: Sequence[Gains]
    distances: Distances
    divider: int | None = None
    _before: dict[tuple[int, ...], Before] = field(default_factory=dict)

    def among(self, images: np.ndarray, divider: int) -> "_Part":
        return _Part(
            [gains.among(images) for gains in self.families],
            [gains.among(images) for gains in self.between_levels],
            self.distances.among(images),
            divider,
        )

    def before(self, beside: tuple[int, ...]) -> Before:
        """What some families choose, one after the other; each is joined once."""
        if beside not in self._before:
            self._before[beside] = (
                self.before(beside[:-1]).joined(self.between_levels[beside[-1]])
                if beside
                else Before(self.distances)
            )
        return self._before[beside]

    def trials(self, places: Iterable[int], beside: tuple[int, ...]) -> dict[int, _Trial]:
        before = self.before(beside)
        shares = {place: closed(self.families[place], before, self.distances) for place in places}
        return {place: _Trial(share, evidence(share), beside) for place, share in shares.items()}


def decide(
    families: Sequence[Gains],
    between_levels: Sequence[Gains],
    distances: Distances,
    erasing: Collection[int] = (),
) -> list[Decision]:
    """Decides on every family of a class.

    Args:
        families: The gains of the levels of each.
        between_levels: Those of its levels and of what lies between them.
        distances: The distances of the class, of at least `FEWEST` images.
        erasing: The places of families that close what they close by erasing.
    """
    parts = [_Part(families, between_levels, distances)]
    left, taken = list(range(len(families))), ()
    trials: dict[int, list[_Trial]] = {}
    alone: Mapping[int, Closed] = {}
    while left:
        tried = [part.trials(left, taken) for part in parts]
        trials |= {place: [of_part[place] for of_part in tried] for place in left}
        alone = alone or {place: trial.share for place, trial in tried[0].items()}
        credible = [place for place in left if _p(trials[place]) < CREDIBLE]
        if not credible or len(taken) == _MOST:
            break
        strongest = max(credible, key=lambda place: max(t.share.value for t in trials[place]))
        left.remove(strongest)
        taken = (*taken, strongest)
        apart = _others(alone[strongest].concern) if len(parts) <= _DIVIDERS else None
        if apart is not None:
            parts.append(parts[0].among(apart, strongest))
    for number, place in enumerate(taken):
        for part in parts[1:]:
            if part.divider is not None and part.divider in taken[number + 1 :]:
                beside = (*taken[:number], part.divider)
                trials[place].append(part.trials([place], beside)[place])
    sure = {place for place in taken[:1] if alone[place].value > _ERASED}
    unsure = set(erasing) - sure
    return [_decision(alone[k], trials[k], k in unsure) for k in range(len(families))]


def _p(trials: Sequence[_Trial]) -> float:
    return min(1.0, len(trials) * min(trial.p for trial in trials))


def _decision(alone: Closed, trials: Sequence[_Trial], unsure: bool) -> Decision:
    best = min(trials, key=lambda trial: trial.p)
    p = 1.0 if unsure else _p(trials)
    return Decision(alone, best.share.value, best.beside, p, best.images)


def _others(concern: np.ndarray) -> np.ndarray | None:
    """The places of the lower of two groups; None where it is small."""
    order = np.argsort(concern, kind="stable")
    cuts = range(_FEWEST_APART, len(order) - 2)
    if not cuts:
        return None
    parts = [(concern[order[:cut]], concern[order[cut:]]) for cut in cuts]
    within = [sum(((part - part.mean()) ** 2).sum() for part in both) for both in parts]
    return np.sort(order[: cuts[int(np.argmin(within))]])
