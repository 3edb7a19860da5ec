"""Says how many seeds an undecided claim would take, if effect and spread are those seen.

Each undecided part is taken as its value and the spread of one seed (its standard error times √n),
and its number of seeds is that which decides it with a power of 80 % (`statistics/power.py`): for a
threshold the t test, for `within` the two tests of an equivalence. A claim whose undecided parts
all lie on its side takes the most of their numbers; one with a part beyond takes the fewest that
contradict it.
"""

import math
from dataclasses import dataclass, replace

from invariscope.statistics.power import MOST_SEEDS, seeds_to_enclose, seeds_to_tell
from invariscope.studies.claims.verdict import LARGEST_P, UNDECIDED, ClaimResult, Part

SEEDS = "seeds"


@dataclass(frozen=True)
class _Need:
    """What a part takes: a number of seeds (infinite: too many), or why there is none."""

    part: Part
    seeds: float
    why: str = ""


def with_needed(claim: ClaimResult, level: float = LARGEST_P) -> ClaimResult:
    """Adds what an undecided claim would take, and nothing to others.

    Args:
        claim: The claim.
        level: That at which the further seeds would be tested.
    """
    words = needed(claim, level) if claim.verdict == UNDECIDED else ""
    return replace(claim, needed=words)


def needed(claim: ClaimResult, level: float = LARGEST_P) -> str:
    """Says in words how many seeds an undecided claim would take.

    Example:
        >>> from invariscope.studies.claims import above, decide
        >>> claim = decide("000.c2", above([0.4, 0.9, 0.5, 0.8], 0.5, name="share of the gain"))
        >>> needed(claim)
        'about 22 seeds (18 more) with this effect and spread'
    """
    undecided = [part for part in claim.parts if part.verdict == UNDECIDED]
    against = [part for part in undecided if _beyond(part)]
    if against:  # one is enough, but it is corrected for all parts
        needs = [_need(part, level / len(claim.parts)) for part in against]
        most = min(needs, key=lambda need: (bool(need.why), need.seeds))
    else:
        needs = [_need(part, level) for part in undecided]
        most = max(needs, key=lambda need: (bool(need.why), need.seeds))
    of = f" ({most.part.name})" if len(claim.parts) > 1 and most.part.name else ""
    if most.why:
        return f"more seeds may not help: {most.why}{of}"
    if math.isinf(most.seeds):
        return f"more than {MOST_SEEDS:,} seeds with this effect and spread{of}"
    seeds, more = int(most.seeds), int(most.seeds) - most.part.n
    if more <= 0:
        return f"{seeds} seeds are enough for such an effect in 80 % of cases only{of}"
    return f"about {seeds:,} seeds ({more:,} more) with this effect and spread{of}"


def thresholds(rule: str) -> list[float]:
    """The numbers in a part's rule.

    Example:
        >>> thresholds("> 0.5"), thresholds("-0.05 to 0.05")
        ([0.5], [-0.05, 0.05])
    """
    found = []
    for word in rule.split():
        try:
            found.append(float(word))
        except ValueError:
            continue
    return found


def _beyond(part: Part) -> bool:
    """Says whether the value lies on the side that contradicts the rule."""
    ends = thresholds(part.rule)
    if len(ends) == 2:
        return part.value < ends[0] or part.value > ends[1]
    over = part.value > ends[0]
    return part.value != ends[0] and over != part.rule.startswith((">", "≥"))


def _need(part: Part, level: float) -> _Need:
    if part.unit != SEEDS:
        return _Need(part, math.inf, f"its interval is over {part.unit}, {part.n} of them")
    if not part.error > 0 or part.n < 2:
        return _Need(part, math.inf, part.note or "it has no spread over seeds to reckon with")
    if not math.isfinite(part.low):
        return _Need(part, math.inf, part.note or "it has no interval")
    spread = part.error * math.sqrt(part.n)
    ends = thresholds(part.rule)
    if len(ends) == 2 and not _beyond(part):
        seeds = seeds_to_enclose(
            (part.value - ends[0]) / spread, (ends[1] - part.value) / spread, level
        )
    else:
        seeds = seeds_to_tell(min(abs(part.value - end) for end in ends) / spread, level)
    return _Need(part, math.inf if seeds is None else seeds)
