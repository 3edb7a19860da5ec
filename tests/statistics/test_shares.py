"""Intervals of means of shares of few images: what they achieve of the 95 % that they claim."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from invariscope.statistics.estimates import estimate
from invariscope.statistics.shares import exact_share

LEVELS, RUNS = 9, 600


def thresholds(rng, n):
    """An image flips from a level of its own on."""
    return rng.uniform(0, 1.3, (n, 1)) <= np.arange(1, LEVELS + 1) / LEVELS


def alike(rng, n):
    """All images flip as easily."""
    return rng.random((n, LEVELS)) < 0.3


def unlike(rng, n):
    """Most hardly flip or nearly always."""
    return rng.random((n, LEVELS)) < rng.beta(0.5, 1, (n, 1))


def rare(rng, n):
    """One image in seven flips, the others hardly."""
    return rng.random((n, LEVELS)) < rng.choice([0.02, 0.9], (n, 1), p=[0.85, 0.15])


def achieved(law: Any, n: int) -> float:
    rng = np.random.default_rng(n)
    truth = law(np.random.default_rng(99), 200_000).mean()
    made = [estimate(law(rng, n).astype(float), kind="share").mean() for _ in range(RUNS)]
    share, error = (np.array([getattr(one, k)[0] for one in made]) for k in ("value", "error"))
    low, high = exact_share(share, error, np.full(RUNS, n), anytime=False)
    assert np.isfinite(low).all()
    assert np.isfinite(high).all()
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize("law", [thresholds, alike, unlike])
@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
def test_the_interval_holds_the_truth_as_often_as_it_says(law, n):
    assert achieved(law, n) >= 0.925


def test_what_few_images_have_not_seen_they_cannot_tell():
    """Ten images without one that flips know nothing of it: 84 % instead of 95 %."""
    assert achieved(rare, 5) >= 0.95
    assert 0.8 <= achieved(rare, 10) < 0.9
    assert achieved(rare, 30) >= 0.95


def test_a_plain_share_is_that_of_clopper_and_pearson():
    low, high = exact_share(
        np.array([0.5, 0.0]), np.array([np.sqrt(0.25 / 7), 0.0]), np.array([8, 8]), anytime=False
    )
    tests: Any = [stats.binomtest(k, 8) for k in (4, 0)]
    exact = [one.proportion_ci(method="exact") for one in tests]
    np.testing.assert_allclose(low, [one.low for one in exact])
    np.testing.assert_allclose(high, [one.high for one in exact])


def test_rounding_is_no_variance():
    """Both images flip at one level of three; their errors are 1e-17 instead of 0."""
    low, high = exact_share(np.array([1 / 3]), np.array([1e-17]), np.array([2]), anytime=False)
    assert low[0] < 0.05
    assert high[0] > 0.85
