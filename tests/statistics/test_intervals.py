"""Intervals: against SciPy and a naive bootstrap, exactness, coverage of neighbouring values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invariscope.errors import InputError
from invariscope.statistics import intervals
from invariscope.statistics.intervals import bootstrap_interval, interval_run_length
from oracles.intervals import reference_bootstrap


def sample(images=60, cells=3, seed=0):
    return np.random.default_rng(seed).gamma(2.0, 1.0, (images, cells))


def test_agrees_with_scipy():
    values = sample()
    value, low, high, n = bootstrap_interval(values, replicates=20_000, seed=0)
    for cell in range(3):
        theirs = stats.bootstrap(
            (values[:, cell],), np.mean, n_resamples=20_000, method="percentile", rng=1
        ).confidence_interval
        width = theirs.high - theirs.low
        assert abs(low[cell] - theirs.low) < 0.03 * width
        assert abs(high[cell] - theirs.high) < 0.03 * width
    assert np.allclose(value, values.mean(0), rtol=1e-9)
    assert (n == 60).all()


def test_ratios_agree_with_the_naive_form():
    values, weights = sample(seed=1), sample(seed=2) + 0.1
    value, low, high, _ = bootstrap_interval(values, weights, replicates=20_000, seed=0)
    assert np.allclose(value, (values * weights).sum(0) / weights.sum(0), rtol=1e-9)
    for cell in range(3):
        ends = reference_bootstrap(values[:, cell], weights[:, cell], 10_000, 5)
        assert np.allclose([low[cell], high[cell]], ends, atol=0.05 * (ends[1] - ends[0]))


@given(level=st.floats(-5, 5), images=st.integers(2, 40), run=st.integers(1, 4))
def test_equal_values_give_exactly_that_value(level, images, run):
    values = np.full((images, 1), level)
    value, low, high, _ = bootstrap_interval(
        values, run_length=min(run, images), replicates=50, seed=0
    )
    assert value[0] == low[0] == high[0] == level


def test_what_is_undefined_counts_in_its_cell_only():
    values = sample()
    values[:10, 1] = np.nan
    values[:, 2] = np.nan
    value, low, _, n = bootstrap_interval(values, seed=0)
    assert n.tolist() == [60, 50, 0]
    assert np.isclose(value[1], values[10:, 1].mean())
    assert np.isnan(value[2])
    assert np.isnan(low[2])
    assert value[0] == bootstrap_interval(values[:, :1], seed=0)[0][0]


def test_images_without_weight_do_not_count():
    values, weights = sample(), np.ones((60, 3))
    weights[:58, 0], weights[:, 1], weights[0, 2] = 0, 0, -1
    value, low, _, n = bootstrap_interval(values, weights, seed=0)
    assert n.tolist() == [2, 0, 59]
    assert np.isclose(value[0], values[58:, 0].mean())
    assert np.isclose(value[2], values[1:, 2].mean())
    assert np.isnan([value[1], low[1]]).all()


def test_one_image_has_a_value_and_no_interval():
    value, low, high, n = bootstrap_interval(np.array([[0.3]]), seed=0)
    assert (value[0], n[0]) == (0.3, 1)
    assert np.isnan(low[0])
    assert np.isnan(high[0])


def test_cells_share_their_resamples():
    values = sample()
    _, low, high, _ = bootstrap_interval(np.hstack([values, 2 * values]), seed=0)
    assert np.allclose(2 * low[:3], low[3:])
    assert np.allclose(2 * high[:3], high[3:])


def test_runs_cover_neighbours_that_share_an_image():
    """Cyclic moving averages of neighbours: single images give intervals that are too narrow."""
    rng = np.random.default_rng(0)
    images, trials = 64, 400
    noise = rng.normal(size=(trials, images))
    values = ((noise + np.roll(noise, -1, axis=1)) / 2).T
    covered = {}
    for run in (1, interval_run_length(images, True)):
        _, low, high, _ = bootstrap_interval(values, run_length=run, replicates=400, seed=1)
        covered[run] = ((low <= 0) & (high >= 0)).mean()
    # 0.95 is wanted; the worst case of this dependence, 64 images: 0.83 becomes 0.89
    assert covered[1] < 0.85
    assert covered[4] > 0.87


def test_the_chunks_of_resamples_change_nothing(monkeypatch):
    whole = bootstrap_interval(sample(), replicates=300, seed=0)
    monkeypatch.setattr(intervals, "_CHUNK_ELEMENTS", 60 * 7)
    chunked = bootstrap_interval(sample(), replicates=300, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(whole, chunked, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": np.ones(3)}, r"values have shape \(3,\): \[image, cell\] is needed"),
        ({"values": np.ones((3, 1)), "weights": np.ones((2, 1))}, "weights have shape"),
        ({"values": np.ones((3, 1)), "run_length": 0}, "run_length=0"),
    ],
)
def test_messages(arguments, message):
    with pytest.raises(InputError, match=message):
        bootstrap_interval(
            arguments.pop("values"), arguments.pop("weights", None), seed=0, **arguments
        )
