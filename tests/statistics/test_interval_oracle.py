"""Intervals, resample by resample: the same draws in the naive form give the same ends."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.statistics.intervals import (
    bootstrap_interval,
    exact_sums,
    interval_run_length,
    resampling_counts,
)
from oracles.intervals import reference_draws, reference_run_bootstrap


def cells_of_every_kind(images, rng):
    """Values and weights: ordinary, undefined in places, almost all undefined, one image, none."""
    values = rng.normal(0.4, 0.3, (images, 5))
    values[rng.random(images) < 0.3, 1] = np.nan
    values[2:, 2] = np.inf
    values[1:, 3] = np.nan
    values[:, 4] = -np.inf
    weights = rng.uniform(0.1, 2, values.shape)
    weights[images // 2, 0] = 0
    weights[images // 3, 0] = np.nan
    return values, weights


@pytest.mark.parametrize("run_length", [1, 2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("images", [7, 20])
def test_the_same_draws_give_the_same_ends(images, run_length, weighted):
    values, weights = cells_of_every_kind(images, np.random.default_rng(images))
    ones = np.ones_like(values)
    ours = bootstrap_interval(
        values, weights if weighted else None, run_length=run_length, replicates=200, seed=9
    )
    for cell in range(5):
        theirs = reference_run_bootstrap(
            values[:, cell],
            (weights if weighted else ones)[:, cell],
            run_length=run_length,
            replicates=200,
            seed=9,
        )
        assert np.allclose([x[cell] for x in ours], theirs, rtol=0, atol=1e-9, equal_nan=True)


def test_resamples_hold_runs_that_go_round():
    counts = np.concatenate(list(resampling_counts(11, 4, 50, seed=3)))
    drawn = [np.bincount(images, minlength=11) for images in reference_draws(11, 4, 50, seed=3)]
    assert np.array_equal(counts, drawn)
    assert (counts.sum(axis=1) == 11).all()
    # End joined to start: every image is as likely to be drawn as any other.
    many = np.concatenate(list(resampling_counts(11, 4, 20_000, seed=0))).mean(axis=0)
    assert np.allclose(many, 1, atol=0.05)


@given(confidence=st.floats(0.5, 0.999), seed=st.integers(0, 50))
def test_more_confidence_is_a_wider_interval(confidence, seed):
    values = np.random.default_rng(seed).normal(size=(12, 2))
    settings = {"replicates": 60, "seed": seed}
    _, low, high, _ = bootstrap_interval(values, confidence=confidence, **settings)
    _, lower, higher, _ = bootstrap_interval(values, confidence=(1 + confidence) / 2, **settings)
    assert (lower <= low).all()
    assert (higher >= high).all()
    theirs = reference_run_bootstrap(
        values[:, 0], np.ones(12), run_length=1, confidence=confidence, **settings
    )
    assert np.allclose([low[0], high[0]], theirs[1:3], atol=1e-9)


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


def test_the_seed_decides_and_only_the_seed():
    values = np.random.default_rng(0).normal(size=(30, 2))
    first, again, other = (bootstrap_interval(values, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    assert (first[1] != other[1]).all()
    assert np.array_equal(first[0], other[0])


@given(st.integers(0, 3000))
def test_runs_are_the_cube_root_long(images):
    length = interval_run_length(images, True)
    assert (length - 1) ** 3 < max(images, 1) <= length**3
    assert interval_run_length(images, False) == 1


@pytest.mark.parametrize("weighted", [False, True])
def test_a_constant_cell_keeps_its_neighbours(weighted):
    """Constant cells take no part in the resampling; the others are what they are alone."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(15, 3))
    values[:, 1] = 0.1  # not a sum of powers of two: dust would show
    values[3, 1] = np.nan
    weights = rng.uniform(1, 3, values.shape) if weighted else None
    value, low, high, n = bootstrap_interval(values, weights, seed=0)
    assert value[1] == low[1] == high[1] == 0.1
    assert n.tolist() == [15, 14, 15]
    for cell in (0, 2):
        column = None if weights is None else weights[:, [cell]]
        alone = bootstrap_interval(values[:, [cell]], column, seed=0)
        assert [x[0] for x in alone] == [value[cell], low[cell], high[cell], n[cell]]


@pytest.mark.parametrize("settings", [{"replicates": 0}, {"confidence": 1.0}, {"confidence": 0.0}])
def test_settings_that_make_no_sense(settings):
    name, value = next(iter(settings.items()))
    with pytest.raises(InputError, match=rf"{name}={value}.*: needed are at least 1"):
        bootstrap_interval(np.ones((3, 1)), seed=0, **settings)
