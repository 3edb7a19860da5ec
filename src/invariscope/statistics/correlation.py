"""Computes Spearman's rank correlation over models, its interval and its p-value.

ρ is Pearson's correlation of the ranks (average ranks for ties), from -1 to 1; undefined (NaN)
where all models share one rank. Two statements of different kinds go with it:

- The interval is over images, given these models: it is to hold the ρ that all images would give.
  Images are resampled, every model's number is computed anew on the same images, and so is ρ; from
  2.5 % to 97.5 % of it. But noise takes order away: ρ of few images leans towards 0, and that of
  resamples twice as far, so that a ρ of 0.9 over 20 models may lie beyond all of them. So either
  end is taken outwards by a test (test inversion with resampled noise; Chuang and Lai 2000): the
  models' numbers are moved along the straight line to the nearest ones in perfect order (isotonic
  regression of both along their sum in standard errors), no farther than their joint 95 % region
  reaches. As long as they, with the resamples' noise, give a ρ as far from perfect order as the
  observed one in more than 0.5 % of cases, their ρ belongs to the interval. (With 2.5 % it held a
  ρ of 0.9 over 20 models in 88 % of samples: observed numbers lie farther apart than the true ones,
  so noise disturbs them less.)
- The p-value is over models: the share of all orders of the models in which |ρ| is as large or
  larger. Exact, over all n! orders, for up to 8 models; beyond that over 9,999 random ones and the
  order as it is. n models cannot give less than 2 / n!.
"""

import itertools
import math
from functools import cache

import numpy as np

from invariscope.seeding import generator
from invariscope.statistics.intervals import percentile_interval
from invariscope.statistics.ranking import ranked

#: With fewer models no order is surprising: 2 / 3! is a third.
FEWEST_MODELS = 4
LARGEST_EXACT = 8
ORDERS = 9999
_RARE = 0.005
_STEPS = 8  # on the line to perfect order
_TESTED = 500  # resamples whose noise is added at each step
_TIE = 1e-6  # of a standard error: what parts models that isotonic regression ties


def spearman(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Computes Spearman's ρ of each column over the first axis.

    Args:
        values: [model, column]; a column with a NaN gives NaN.
        others: [model, column], or [model, 1] for the same numbers in every column.

    Returns:
        float64 [column].

    Example:
        >>> spearman(np.array([[0.1], [0.5], [0.9]]), np.array([[3.0], [2.0], [1.0]])).tolist()
        [-1.0]
    """
    ranks, others_ranks = _centred_ranks(values), _centred_ranks(others)
    product = (ranks * others_ranks).sum(axis=0)
    size = np.sqrt((ranks**2).sum(axis=0) * (others_ranks**2).sum(axis=0))
    known = (size > 0) & np.isfinite(values).all(axis=0) & np.isfinite(others).all(axis=0)
    return np.divide(product, size, out=np.full(product.shape, np.nan), where=known)


def permutation_p(values: np.ndarray, others: np.ndarray, *, seed: int) -> float:
    """Computes the two-sided p of ρ over the orders of the models; NaN where ρ is undefined.

    Args:
        values: [model], finite.
        others: [model], finite.
        seed: Decides the orders where there are too many to take all.

    Example:
        >>> permutation_p(np.arange(5.0), np.arange(5.0) ** 2, seed=0) == 2 / 120
        True
    """
    ranks, others_ranks = (_centred_ranks(array[:, None])[:, 0] for array in (values, others))
    if not ranks.any() or not others_ranks.any():
        return math.nan
    # Doubled, centred ranks are whole numbers, so equal products are equal to the last bit.
    products = np.abs(ranks[_orders(len(ranks), seed)] @ others_ranks)
    return float(np.mean(products >= abs(ranks @ others_ranks)))


def interval_over_images(
    values: np.ndarray, others: np.ndarray, drawn_values: np.ndarray, drawn_others: np.ndarray
) -> tuple[float, float]:
    """Computes the 95 % interval of ρ over images, for given models.

    Args:
        values: [model], finite.
        others: [model], finite.
        drawn_values: The same in resamples of the images, [model, replicate].
        drawn_others: [model, replicate] of the same resamples, or [model, 1] where they are known.

    Returns:
        Both ends; NaN where ρ is undefined.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> values, noise = np.arange(6.0), rng.normal(0, 1, (6, 500))
        >>> drawn = values[:, None] + noise
        >>> low, high = interval_over_images(values, values, drawn, values[:, None])
        >>> low > 0.3, high
        (True, 1.0)
    """
    rho = float(spearman(values[:, None], others[:, None])[0])
    if math.isnan(rho):
        return math.nan, math.nan
    drawn_others = np.broadcast_to(drawn_others, drawn_values.shape)
    low, high = (float(end[0]) for end in percentile_interval(
        spearman(drawn_values, drawn_others)[None]
    ))  # fmt: skip
    noise = drawn_values - values[:, None], drawn_others - others[:, None]
    upper = _farthest(values, others, *noise, rho)
    lower = -_farthest(values, -others, noise[0], -noise[1], -rho)
    return float(np.fmin(low, lower)), float(np.fmax(high, upper))


def _farthest(
    values: np.ndarray, others: np.ndarray, noise: np.ndarray, others_noise: np.ndarray, rho: float
) -> float:
    """The largest ρ on the line to perfect order that could give the observed one."""
    from scipy import stats

    error, others_error = (
        max(math.sqrt(np.mean(own**2)), 1e-9 * np.ptp(numbers))  # what is given has no noise
        for numbers, own in ((values, noise), (others, others_noise))
    )
    place = np.argsort(np.argsort(values / error + others / others_error, kind="stable"))
    ordered = _isotonic(values, place) + _TIE * error * place
    others_ordered = _isotonic(others, place) + _TIE * others_error * place
    away = _distance(ordered - values, noise) + _distance(others_ordered - others, others_noise)
    region = stats.chi2.isf(0.05, 2 * (len(values) - 1))
    steps = np.arange(1, _STEPS + 1) / _STEPS * min(1.0, math.sqrt(region / max(away, 1e-9)))
    moved = values[:, None] + (ordered - values)[:, None] * steps
    others_moved = others[:, None] + (others_ordered - others)[:, None] * steps
    noisy, others_noisy = (
        (numbers[:, :, None] + own[:, None, :_TESTED]).reshape(len(values), -1)
        for numbers, own in ((moved, noise), (others_moved, others_noise))
    )
    seen = spearman(noisy, others_noisy).reshape(_STEPS, -1)
    could = (seen <= rho + 1e-9).mean(axis=1) > _RARE
    return max([rho, *spearman(moved, others_moved)[could]])


def _isotonic(numbers: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The nearest numbers that do not fall along the places."""
    from scipy import optimize

    return optimize.isotonic_regression(numbers[np.argsort(place)]).x[place]


def _distance(moved: np.ndarray, noise: np.ndarray) -> float:
    """The squared distance of a move in standard errors; what moves all models alike is none."""
    variance = ((noise - noise.mean(axis=0)) ** 2).mean(axis=1)
    squares = (moved - moved.mean()) ** 2
    return float(np.divide(squares, variance, out=np.zeros(len(moved)), where=variance > 0).sum())


def _centred_ranks(array: np.ndarray) -> np.ndarray:
    """2 · rank - (n + 1) over the first axis: whole numbers that sum to 0; NaN counts as a tie."""
    ranks = ranked(np.nan_to_num(array))
    return 2 * ranks - (len(array) + 1)


@cache
def _orders(models: int, seed: int) -> np.ndarray:
    """Orders of the models [order, model]: all of them, or the order as it is and random ones."""
    if models <= LARGEST_EXACT:
        return np.array(list(itertools.permutations(range(models))))
    draw = generator(seed, "correlation:orders")
    shuffled = draw.permuted(np.tile(np.arange(models), (ORDERS, 1)), axis=1)
    return np.concatenate([np.arange(models)[None], shuffled])
