import math

import numpy as np
import pytest
from scipy import stats

from invariscope.studies.claims import above, below, correlation_over_models, rank_p

DRAW = np.random.default_rng(0)


def models(count, correlation, seeds=2, noise=0.0):
    """Two numbers per model with this correlation, and noise between seeds."""
    x = DRAW.normal(size=count)
    y = correlation * x + math.sqrt(1 - correlation**2) * DRAW.normal(size=count)
    return tuple(a[:, None] + noise * DRAW.normal(size=(count, seeds)) for a in (x, y))


def test_it_is_spearmans_of_the_means_over_seeds():
    x, y = models(9, 0.6, noise=0.3)
    found = correlation_over_models(x, y)
    assert found.value == pytest.approx(stats.spearmanr(x.mean(1), y.mean(1)).statistic)
    assert (found.n, found.unit) == (9, "models")
    assert found.low < found.value < found.high


def test_more_seeds_are_no_more_models():
    x, y = models(8, 0.7)
    few, many = (correlation_over_models(np.repeat(x, k, 1), np.repeat(y, k, 1)) for k in (1, 30))
    assert (few.low, few.high) == (many.low, many.high)


def test_models_in_order_are_not_certain():
    x = np.arange(6.0)[:, None]
    found = correlation_over_models(x, x)
    assert found.value == found.high == 1
    assert 0 < found.low < 0.5
    assert math.isnan(correlation_over_models(x[:3], x[:3]).low)


def decided(count, truth, threshold, times):
    """How often `above` and `below` are supported."""
    found = np.zeros(2)
    pearson = 2 * math.sin(math.pi / 6 * truth)
    for _ in range(times):
        number = correlation_over_models(*models(count, pearson))
        p = rank_p(number.value, number.n, threshold)
        for k, rule in enumerate((above, below)):
            part = rule(number, threshold, p=p)
            found[k] += part.verdict == "supported" and part.p <= 0.05
    return found / times


@pytest.mark.parametrize(("count", "threshold"), [(6, 0.0), (10, 0.0), (12, 0.5)])
def test_no_more_than_the_level_is_decided_on_the_threshold(count, threshold):
    assert decided(count, threshold, threshold, 150).max() <= 0.06


def test_power():
    assert decided(12, 0.95, 0.5, 60)[0] >= 0.7
    assert decided(12, -0.8, 0.0, 60)[1] >= 0.8
