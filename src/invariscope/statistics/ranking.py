"""Ranks, and adjusts probabilities for many comparisons, with SciPy loaded on first use.

``scipy.stats`` takes 45 MB and half a second, which a sweep saves: it needs ``scipy.special`` only.
"""

import numpy as np


def ranked(values: np.ndarray, *, method: str = "average") -> np.ndarray:
    """Ranks along the first axis, from 1; NaN is an error.

    Args:
        values: [item, ...].
        method: What equal values get: "average" or "min".

    Example:
        >>> ranked(np.array([0.3, 0.1, 0.3])).tolist()
        [2.5, 1.0, 2.5]
    """
    from scipy import stats

    return stats.rankdata(values, axis=0, method=method, nan_policy="raise")


def rank_intervals(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes the central 95 % of ranks over resamples, the smallest number first.

    Args:
        replicates: [item, replicate]; NaN is last.

    Returns:
        low, high, int [item], from 1.
    """
    ranks = ranked(np.nan_to_num(replicates, nan=np.inf), method="min")
    low, high = np.quantile(ranks, [0.025, 0.975], axis=1, method="nearest").astype(int)
    return low, high


def adjusted(p: np.ndarray) -> np.ndarray:
    """Adjusts probabilities for the false discovery rate (Benjamini and Hochberg 1995).

    Args:
        p: Of any shape, in [0, 1]; NaN was not compared, does not count and stays.

    Example:
        >>> adjusted(np.array([0.01, np.nan, 0.04])).tolist()
        [0.02, nan, 0.04]
    """
    from scipy import stats

    result, known = np.full(p.shape, np.nan), np.isfinite(p)
    if known.any():
        result[known] = stats.false_discovery_control(p[known])
    return result
