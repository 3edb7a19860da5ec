"""Rank correlation over models: scipy, the naive forms, and what must come out exactly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invariscope.statistics import correlation
from invariscope.statistics.correlation import permutation_p, spearman
from oracles.many import reference_permutation_p, reference_spearman

few = st.lists(st.integers(0, 4), min_size=4, max_size=5)


@given(st.integers(0, 1000))
def test_rho_is_that_of_scipy_and_of_the_oracle(seed):
    one, other = np.random.default_rng(seed).integers(0, 5, (2, 7)).astype(float)
    rho = spearman(one[:, None], other[:, None])[0]
    assert np.isclose(rho, reference_spearman(one, other), atol=1e-12, equal_nan=True)
    if not math.isnan(rho):
        theirs = stats.spearmanr(one, other)
        assert np.isclose(rho, theirs[0], atol=1e-12)  # type: ignore[index]


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
