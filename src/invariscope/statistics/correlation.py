"""Computes Spearman's rank correlation over models, its interval and its p-value.

ρ is Pearson's correlation of the ranks (average ranks for ties), from -1 to 1; undefined (NaN)
where all models share one rank. Two statements of different kinds go with it:

- The interval is over images, given these models: images are resampled, every model's number is
  computed anew on the same images, and so is ρ; 2.5 % to 97.5 % of it. Other images could give such
  a ρ for the same models. Resampling adds noise, so the interval leans towards 0.
- The p-value is over models: the share of all orders of the models in which |ρ| is as large or
  larger. Exact, over all n! orders, for up to 8 models; beyond that over 9,999 random ones and the
  order as it is. n models cannot give less than 2 / n!.
"""

import itertools
import math
from functools import cache

import numpy as np

from invariscope.seeding import generator
from invariscope.statistics.ranking import ranked

#: With fewer models no order is surprising: 2 / 3! is a third.
FEWEST_MODELS = 4
LARGEST_EXACT = 8
ORDERS = 9999


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
