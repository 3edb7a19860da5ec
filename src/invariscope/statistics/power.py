"""How large an effect a number of seeds can tell, and how many seeds an effect takes.

Effects are in units of the spread (standard deviation) of one seed's value. A one-sample t test,
two-sided at a level, finds an effect d with the power P(T > t) of the noncentral t law with n - 1
degrees of freedom and noncentrality d·√n. An equivalence, the interval of that level lying within
two ends, takes both one-sided tests (Schuirmann 1987): its power is at least one minus the
chances that either fails.
"""

import math
from collections.abc import Callable
from functools import cache

from invariscope.statistics.group_sequential import LEVEL, LookPlan, t_sequences

POWER = 0.8
MOST_SEEDS = 10_000
_SEQUENCES = 1 << 14


def power(effect: float, n: int, level: float = LEVEL) -> float:
    """The chance that n seeds tell an effect from 0, on its side.

    Example:
        >>> round(power(0.89, 12), 2)
        0.8
    """
    from scipy import special

    if n < 2:
        return 0.0
    bound = -special.stdtrit(n - 1, level / 2)
    shift = effect * math.sqrt(n)
    missed = float(special.nctdtr(n - 1, shift, bound))
    return 1 - missed if math.isfinite(missed) else float(shift > bound)  # far beyond the law


@cache
def detectable(n: int, level: float = LEVEL) -> float:
    """The smallest effect that n seeds tell with a power of 80 %; infinite for one seed.

    Example:
        >>> [round(detectable(n), 2) for n in (2, 3, 5, 12)]
        [11.55, 3.26, 1.68, 0.89]
    """
    if n < 2:
        return math.inf
    return _crossing(lambda effect: power(effect, n, level))


@cache
def detectable_by(plan: LookPlan) -> float:
    """The smallest effect that a plan of looks tells with a power of 80 %, by simulation."""
    import numpy as np
    from scipy import stats

    looks = zip(plan.looks, plan.levels, strict=True)
    bounds = np.array([stats.t.isf(level / 2, n - 1) for n, level in looks])[:, None]

    def found(effect: float) -> float:
        statistics = t_sequences(plan.looks, np.full(_SEQUENCES, effect))
        return float((statistics >= bounds).any(axis=0).mean())

    return _crossing(found)


def seeds_to_tell(effect: float, level: float = LEVEL) -> int | None:
    """How many seeds tell an effect with a power of 80 %; None if more than 10,000.

    Example:
        >>> seeds_to_tell(0.89), seeds_to_tell(0.001)
        (12, None)
    """
    return _fewest(lambda n: power(abs(effect), n, level))


def seeds_to_enclose(below: float, above: float, level: float = LEVEL) -> int | None:
    """How many seeds show that a value lies between two ends, with a power of 80 %.

    Args:
        below: How far the lower end is below the value, in spreads of one seed.
        above: How far the upper end is above it.
        level: That of the interval which is to lie within.

    Returns:
        The number; None if more than 10,000.

    Example:
        >>> seeds_to_enclose(1, 1), seeds_to_enclose(2, 0.5)
        (13, 34)
    """
    return _fewest(lambda n: power(below, n, level) + power(above, n, level) - 1)


def _fewest(chance: Callable[[int], float]) -> int | None:
    low, high = 1, 2
    while chance(high) < POWER:
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= POWER else (middle, high)
    return high


def _crossing(chance: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    while chance(high) < POWER:
        low, high = high, 2 * high
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) >= POWER else (middle, high)
    return high
