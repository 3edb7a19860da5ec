"""Resampling: exact sums in any order, and draws that the seed alone decides."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invariscope.statistics.intervals import (
    REPLICATES,
    divide,
    exact_sums,
    percentile_interval,
    resampling_counts,
)
from oracles.intervals import reference_draws


def drawn_means(values):
    """The mean of each cell in each resample: `[cell, replicate]`."""
    sums = exact_sums(values)
    counts = np.concatenate(list(resampling_counts(len(values), REPLICATES, seed=0)))
    return divide((counts @ sums.numerators).T, (counts @ sums.denominators).T)


def test_agrees_with_scipy():
    values = np.random.default_rng(0).gamma(2.0, 1.0, (60, 3))
    low, high = percentile_interval(drawn_means(values))
    for cell in range(3):
        theirs = stats.bootstrap(
            (values[:, cell],), np.mean, n_resamples=20_000, method="percentile", rng=1
        ).confidence_interval
        width = theirs.high - theirs.low
        assert abs(low[cell] - theirs.low) < 0.08 * width
        assert abs(high[cell] - theirs.high) < 0.08 * width


def test_each_resample_has_as_many_images_as_the_data():
    counts = np.concatenate(list(resampling_counts(11, 2000, seed=3)))
    drawn = [np.bincount(images, minlength=11) for images in reference_draws(11, seed=3)]
    assert np.array_equal(counts, drawn)
    assert (counts.sum(axis=1) == 11).all()


@given(
    order=st.permutations(range(20)),
    scale=st.sampled_from([1e-9, 1.0, 1e9]),
    weighted=st.booleans(),
)
def test_sums_are_exact_in_any_order(order, scale, weighted):
    """Otherwise a resumed run, or another number of threads, would give another last bit."""
    rng = np.random.default_rng(0)
    values = scale * rng.normal(size=(20, 3)) * 10.0 ** rng.integers(-6, 1, (20, 3))
    weights = rng.uniform(0.1, 5, values.shape) if weighted else None
    sums = exact_sums(values, weights)
    for array in (sums.numerators, sums.denominators):
        assert np.array_equal(array[list(order)].sum(axis=0), array.sum(axis=0))
        assert array.sum(axis=0).tolist() == [math.fsum(column) for column in array.T]


def test_resamples_in_which_a_cell_is_undefined_are_left_out():
    values = np.full((5, 1), np.nan)
    values[0] = 0.3
    drawn = drawn_means(values)
    assert np.isnan(drawn).any()
    low, high = percentile_interval(drawn)
    assert low[0] == high[0] == pytest.approx(0.3)
