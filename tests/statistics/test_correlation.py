"""Rank correlation over models: scipy, the naive forms, and what must come out exactly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invariscope.statistics import correlation
from invariscope.statistics.correlation import interval_over_images, permutation_p, spearman
from invariscope.statistics.intervals import resampling_counts
from oracles.many import reference_permutation_p, reference_spearman

few = st.lists(st.integers(0, 4), min_size=4, max_size=5)


@given(st.integers(0, 1000))
def test_rho_is_that_of_scipy_and_of_the_oracle(seed):
    one, other = np.random.default_rng(seed).integers(0, 5, (2, 7)).astype(float)
    rho = spearman(one[:, None], other[:, None])[0]
    assert np.isclose(rho, reference_spearman(one, other), atol=1e-12, equal_nan=True)
    if not math.isnan(rho):
        theirs = stats.spearmanr(one, other)
        assert np.isclose(rho, theirs[0], atol=1e-12)


@given(few, st.integers(0, 1000))
def test_p_is_that_of_every_order_with_ties(one, seed):
    other = np.random.default_rng(seed).integers(0, 5, len(one)).astype(float)
    one = np.array(one, dtype=float)
    p = permutation_p(one, other, seed=0)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert math.isnan(p)
    else:
        assert np.isclose(p, reference_permutation_p(one, other), atol=1e-12)


@pytest.mark.parametrize("models", [4, 5, 6, 7, 8])
def test_a_monotone_relation_is_one_order_of_all_and_its_reverse(models):
    values = np.arange(models) ** 3.0
    accuracy = np.sqrt(np.arange(models))
    assert spearman(values[:, None], accuracy[:, None])[0] == 1
    assert spearman(-values[:, None], accuracy[:, None])[0] == -1
    expected = 2 / math.factorial(models)
    assert np.isclose(permutation_p(values, accuracy, seed=0), expected, rtol=1e-12)
    assert np.isclose(permutation_p(-values, accuracy, seed=0), expected, rtol=1e-12)


def test_many_models_are_drawn_with_the_order_as_it_is():
    assert correlation.ORDERS == 9999
    assert permutation_p(np.arange(12.0), np.arange(12.0), seed=0) == 1 / (correlation.ORDERS + 1)
    one, other = np.random.default_rng(3).normal(size=(2, 9))
    drawn = permutation_p(one, other, seed=0)
    exact = reference_permutation_p_by_products(one, other)
    assert abs(drawn - exact) < 4 * math.sqrt(exact * (1 - exact) / 9999) + 1e-3
    assert drawn == permutation_p(one, other, seed=0)


def reference_permutation_p_by_products(one, other):
    """All 9! orders, quickly: without ties the product of ranks orders them as rho does."""
    import itertools

    a, b = stats.rankdata(one) - 5, stats.rankdata(other) - 5
    orders = np.array(list(itertools.permutations(a)))
    return float(np.mean(np.abs(orders @ b) >= abs(a @ b) - 1e-9))


def test_undefined_columns_are_undefined_and_leave_others_alone():
    values = np.array([[1.0, 2.0, 5.0], [2.0, np.nan, 5.0], [3.0, 1.0, 5.0]])
    rho = spearman(values, np.array([[1.0], [2.0], [3.0]]))
    assert rho[0] == 1
    assert np.isnan(rho[1:]).all()


def models_in_order(models, rho, rng):
    """Numbers [two, model] whose rank correlation is as near to rho as 300 draws come."""
    drawn = rng.standard_normal((300, 2, models))
    drawn[:, 1] = rho * drawn[:, 0] + math.sqrt(1 - rho**2) * drawn[:, 1]
    known = spearman(drawn[:, 0].T, drawn[:, 1].T)
    nearest = int(np.abs(known - rho).argmin())
    return drawn[nearest], float(known[nearest])


@pytest.mark.parametrize(
    ("models", "images", "rho", "resampled"),
    [(6, 32, 0.5, 1.0), (20, 32, 0.9, 0.5), (20, 64, 0.0, 1.0), (10, 64, 1.0, 0.5)],
)
def test_the_interval_holds_what_all_images_would_give(models, images, rho, resampled):
    """60 samples of images that share their difficulty; percentiles hold a large ρ in few."""
    rng = np.random.default_rng(0)
    counts = np.concatenate(list(resampling_counts(images, 2000, 0)))[:600] / images
    held, plain = 0, 0
    for _ in range(60):
        truth, true = models_in_order(models, rho, rng)
        common = rng.standard_normal((2, images, 1))
        rows = 0.7 * truth[:, None] + common + rng.standard_normal((2, images, models))
        drawn = [(counts @ own).T for own in rows]
        low, high = interval_over_images(*rows.mean(axis=1), *drawn)
        held += low - 1e-9 <= true <= high + 1e-9
        ends = np.quantile(spearman(*drawn), [0.025, 0.975])
        plain += ends[0] - 1e-9 <= true <= ends[1] + 1e-9
    assert held / 60 > 0.9
    assert plain / 60 <= resampled


def test_an_interval_of_given_accuracies_reaches_perfect_order_only_within_the_noise():
    accuracy = np.linspace(0.5, 0.9, 6)
    values = accuracy[[0, 1, 3, 2, 4, 5]]
    rng = np.random.default_rng(0)
    for spread, reaches in ((0.05, True), (0.002, False)):
        drawn = values[:, None] + spread * rng.standard_normal((6, 800))
        low, high = interval_over_images(values, accuracy, drawn, accuracy[:, None])
        rho = spearman(values[:, None], accuracy[:, None])[0]
        assert low <= rho <= high
        assert (high == 1) == reaches
        turned = interval_over_images(values, -accuracy, drawn, -accuracy[:, None])
        assert np.allclose(turned, (-high, -low))


def test_models_that_are_all_tied_have_no_interval():
    tied = np.ones(5)
    assert np.isnan(interval_over_images(tied, np.arange(5.0), *np.ones((2, 5, 9)))).all()
