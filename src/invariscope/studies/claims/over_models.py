"""Correlates ranks over models, as the claims of 002 §4.2 and §4.6 do.

What is claimed is about models, so models are what is drawn: the interval resamples them
(percentiles of the replicates). Seeds, or images, only make each model's number surer. The p that
goes with a threshold is that of Fisher's z, whose standard error under the threshold is
√((1 + ρ² / 2) / (n − 3)) for ranks (Bonett and Wright 2000), with Student's t of n − 2 degrees for
the normal law: with six to twelve models, resampling alone decides wrongly in up to 4 to 5 % of
cases on one side instead of 2.5 %. Where all models are in order, so are they in each resample; the
interval is that of Fisher's z then.
"""

import math

import numpy as np

from invariscope.seeding import generator
from invariscope.statistics.correlation import spearman
from invariscope.studies.claims.evidence import CONFIDENCE, Evidence, interval, resampled

#: With three models, Fisher's z has no standard error.
FEWEST_MODELS = 4
_REPLICATES = 2000


def correlation_over_models(values: np.ndarray, others: np.ndarray) -> Evidence:
    """Computes Spearman's ρ of two numbers of each model, with an interval that resamples models.

    Args:
        values: [model, draw]: a number for each seed or image; their mean counts.
        others: [model, draw].

    Example:
        >>> accuracy = np.array([[0.6], [0.7], [0.75], [0.8], [0.9], [0.95]])
        >>> evidence = correlation_over_models(accuracy, accuracy**2)
        >>> evidence.value, evidence.n, evidence.unit
        (1.0, 6, 'models')
    """
    pairs = np.stack([np.nanmean(values, axis=1), np.nanmean(others, axis=1)])
    count = pairs.shape[1]
    drawn = generator(0, "over models").integers(count, size=(count, _REPLICATES))
    value = float(spearman(pairs[0][:, None], pairs[1][:, None])[0])
    replicates = spearman(pairs[0][drawn], pairs[1][drawn])
    evidence = resampled(value, replicates, n=count, unit="models")
    return evidence if math.isfinite(evidence.low) or count < FEWEST_MODELS else _of_z(value, count)


def rank_p(correlation: float, models: int, threshold: float) -> float:
    """Computes the two-sided p of Spearman's ρ if the true one were the threshold.

    Returns:
        NaN for fewer than four models, or where ρ is undefined.

    Example:
        >>> round(rank_p(0.9, 12, 0.0), 5), round(rank_p(0.9, 12, 0.5), 3)
        (0.0013, 0.026)
    """
    from scipy import stats

    if models < FEWEST_MODELS or math.isnan(correlation):
        return math.nan
    error = math.sqrt((1 + threshold**2 / 2) / (models - 3))
    score = (_score(correlation, models) - math.atanh(threshold)) / error
    return float(2 * stats.t.sf(abs(score), models - 2))


def _score(correlation: float, models: int) -> float:
    """Fisher's z; a ρ of 1 is known to half of the step in which ρ can change."""
    most = 1 - 6 / (models * (models**2 - 1))
    return math.atanh(min(max(correlation, -most), most))


def _of_z(correlation: float, models: int) -> Evidence:
    from scipy import stats

    score = _score(correlation, models)
    error = math.sqrt((1 + math.tanh(score) ** 2 / 2) / (models - 3))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, models - 2)) * error
    low, high = math.tanh(score - half), math.tanh(score + half)
    ends = min(low, correlation), max(high, correlation)
    return interval(correlation, *ends, n=models, unit="models")
