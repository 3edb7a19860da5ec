"""Plans looks at growing data so that all of them together err as rarely as one.

Who tests at 5 % after 3, 5, 8 and 12 seeds, and stops when something is found, finds something in
14 % of cases where nothing is. An error-spending plan (Lan and DeMets 1983, *Biometrika* 70) says
beforehand how much of the 5 % each look may use: up to a share x of the largest number,
5 % · x² (the power family of Kim and DeMets 1987, *Biometrika* 74; x is near Pocock's plan, x³ near
O'Brien and Fleming's). The first look at 3 seeds so finds large effects only, and the last one has
most of the error.

The level of each look is the two-sided level at which its own t test (n - 1 degrees of freedom) is
done, or its interval is made: these are repeated confidence intervals (Jennison and Turnbull 1989,
*JRSS B* 51). Levels that come from the normal law are too large for so few seeds (5.5 % in all for
5 %), so they are those at which sequences of t statistics spend what they may: from 2²⁰ simulated
ones (as Shao and Feng 2007, *Contemp. Clin. Trials* 28, take them), with one seed, so that the same
plan has the same levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from invariscope.errors import InputError

LOOKS = (3, 5, 8, 12)
LEVEL = 0.05
SPENDING = "0.05 · (n / largest n)²"
_POWER = 2
_FEWEST, _MOST = 3, 200
_SEQUENCES = 1 << 20


@dataclass(frozen=True)
class LookPlan:
    """When to look, and at what level.

    Attributes:
        looks: How many seeds there are at each look.
        levels: Two-sided level of each look's test.
        spent: Chance that something was found up to each look where nothing is.
    """

    looks: tuple[int, ...]
    levels: tuple[float, ...]
    spent: tuple[float, ...]


def plan_looks(looks: Sequence[int] = LOOKS) -> LookPlan:
    """Plans looks whose tests together find something in 5 % of cases where nothing is.

    Args:
        looks: How many seeds (or other independent draws) there are at each look, rising.

    Raises:
        InputError: No look, one at fewer than 3 or more than 200, or none more than before.

    Example:
        >>> plan = plan_looks([3, 12])
        >>> [round(level, 4) for level in plan.spent], plan.levels[0]
        ([0.0031, 0.05], 0.003125)
    """
    numbers = [int(n) for n in looks]
    rising = all(first < second for first, second in pairwise(numbers))
    if not numbers or not rising or numbers[0] < _FEWEST or numbers[-1] > _MOST:
        raise InputError(
            f"looks at {', '.join(map(str, numbers)) or 'no number of'} seeds: give rising numbers "
            f"from {_FEWEST} to {_MOST}, such as `looks=(3, 5, 8, 12)`"
        )
    spent = [LEVEL * (n / numbers[-1]) ** _POWER for n in numbers]
    return LookPlan(tuple(numbers), tuple(_levels(numbers, spent)), tuple(spent))


def _levels(looks: Sequence[int], spent: Sequence[float]) -> list[float]:
    """Finds the levels at which sequences without effect that are still open spend their share."""
    from scipy import stats

    levels = [spent[0]]
    statistics = t_sequences(looks, np.zeros(_SEQUENCES))
    going = statistics[0] < stats.t.isf(spent[0] / 2, looks[0] - 1)
    for k in range(1, len(looks)):
        statistic = statistics[k][going]
        share = (spent[k] - spent[k - 1]) * _SEQUENCES / len(statistic)
        bound = float(np.quantile(statistic, 1 - share))
        levels.append(float(2 * stats.t.sf(bound, looks[k] - 1)))
        going &= statistics[k] < bound
    return levels


def t_sequences(looks: Sequence[int], effects: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draws sequences of the absolute value of t, each from data that grow.

    Args:
        looks: Numbers of values at which t is taken.
        effects: Mean of each sequence's values, in units of their spread.
        seed: Of what is drawn.

    Returns:
        [look, sequence].
    """
    generator = np.random.default_rng(seed)
    count, n = len(effects), 0
    total, squares = np.zeros(count), np.zeros(count)
    statistics = np.empty((len(looks), count))
    for k, look in enumerate(looks):
        more, n = look - n, look
        part = more * effects + np.sqrt(more) * generator.standard_normal(count)
        total += part
        within = generator.chisquare(more - 1, count) if more > 1 else 0.0
        squares += part**2 / more + within
        spread = np.sqrt(np.maximum(squares - total**2 / n, 1e-300) / (n - 1))
        statistics[k] = np.abs(total) / (spread * np.sqrt(n))
    return statistics
