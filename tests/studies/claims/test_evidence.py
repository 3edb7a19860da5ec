import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invariscope.errors import InputError
from invariscope.statistics.estimates import mean_interval
from invariscope.studies.claims import (
    accuracy_over_seeds,
    correlation_over_seeds,
    interval,
    over_images,
    over_seeds,
    paired,
    resampled,
    share,
)

numbers = st.lists(st.floats(-5, 5), min_size=2, max_size=12).filter(lambda v: np.std(v) > 1e-6)


@given(numbers)
def test_seeds_are_a_one_sample_t_test(values):
    found, test = over_seeds(values), stats.ttest_1samp(values, 0.3)
    expected = test.confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-9, atol=1e-12)
    above = stats.ttest_1samp(values, 0.3, alternative="greater").pvalue
    assert found.tail(0.3) == pytest.approx(above, rel=1e-9, abs=1e-12)
    assert found.lower_tail(0.3) == pytest.approx(1 - above, rel=1e-9, abs=1e-12)


def test_pairs_are_a_paired_t_test():
    one, other = np.random.default_rng(0).normal(size=(2, 6))
    found, expected = paired(one, other), stats.ttest_rel(one, other).confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high], expected)
    with pytest.raises(InputError, match=r"\(2,\) values against \(3,\): a pair needs both"):
        paired([1, 2], [1, 2, 3])


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ([0.5], "one seed has no interval"),
        ([], "no seed has a value"),
        ([0.5, math.nan], "undefined for 1 of 2 seeds; one seed has no interval"),
    ],
)
def test_fewer_than_two_have_no_interval(values, note):
    found = over_seeds(values)
    assert math.isnan(found.low)
    assert math.isnan(found.tail(0))
    assert found.note == note


def test_undefined_seeds_are_counted():
    found, other = over_seeds([1, math.nan, 2, 3]), over_seeds([1, 2, 3])
    assert (found.value, found.low, found.n) == (other.value, other.low, 3)
    assert found.note == "undefined for 1 of 4 seeds"


@given(st.floats(-1, 1), st.integers(2, 9))
def test_equal_seeds_have_no_interval(value, count):
    found = over_seeds([value] * count)
    assert found.value == value
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert math.isnan(found.tail(value - 1))
    assert found.note == f"{count} equal seeds do not say how far others would lie"


def test_equal_differences_that_rounding_keeps_apart_are_equal():
    assert 0.9 - 0.6 != 0.6 - 0.3
    assert math.isnan(paired([0.9, 0.6], [0.6, 0.3]).low)


@given(st.floats(-1, 1), st.integers(2, 9), st.integers(10, 1000))
def test_equal_seeds_are_as_sure_as_their_step(value, count, images):
    found = over_seeds([value] * count, resolution=1 / images)
    half = stats.t.ppf(0.975, count - 1) / images / math.sqrt(count)
    assert (found.low, found.high) == pytest.approx((value - half, value + half))


@given(numbers)
def test_a_step_below_the_spread_changes_nothing(values):
    assert over_seeds(values, resolution=0.9 * float(np.std(values, ddof=1))) == over_seeds(values)


def test_the_step_of_a_rank_correlation_is_that_of_two_neighbours():
    ranks = np.arange(9)
    swapped = np.array([0, 1, 2, 3, 5, 4, 6, 7, 8])
    step = 1 - stats.spearmanr(ranks, swapped).statistic
    found = correlation_over_seeds([1.0, 1.0, 1.0], ranked=9)
    assert found.error == pytest.approx(step / math.sqrt(3))


def test_equal_images_are_known_to_a_rounding():
    found = over_images(np.ones(20))
    assert 1 - 1e-6 < found.low < 1 < found.high
    assert found.tail(1 - 1e-5) < 1e-6
    assert found.lower_tail(1.0) > 0.2


def test_what_never_varies_is_no_interval():
    assert math.isnan(resampled(0.0, np.zeros(50), n=5, unit="pairs").low)
    assert math.isnan(interval(0.0, 0.0, 0.0, n=5, unit="pairs").low)


def test_images_have_the_interval_of_results():
    values = np.random.default_rng(1).normal(size=40)
    values[3] = np.nan
    found = over_images(values, seed=5)
    value, low, high, n = mean_interval(values[:, None], seed=5)
    assert (found.value, found.low, found.high, found.n) == (value[0], low[0], high[0], n[0])
    assert math.isnan(over_images([0.5]).low)


def test_the_error_is_the_spread_of_the_mean():
    values = np.random.default_rng(2).normal(size=400)
    assert over_images(values).error == pytest.approx(values.std() / 20, rel=0.1)


@given(st.integers(1, 40), st.data())
def test_a_share_is_the_binomial_test(trials, data):
    successes = data.draw(st.integers(0, trials))
    found = share(successes, trials, unit="classes")
    exact = stats.binomtest(successes, trials, 0.5).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    sign_test = stats.binomtest(successes, trials, 0.5, alternative="greater").pvalue
    assert found.tail(0.5) == pytest.approx(sign_test)
    less = stats.binomtest(successes, trials, 0.5, alternative="less").pvalue
    assert found.lower_tail(0.5) == pytest.approx(less)
    # The interval is the set of shares that the two-sided test at 5 % does not reject.
    assert (found.low > 0.5) == (found.tail(0.5) <= 0.025)


@pytest.mark.parametrize("wrong", [(3, 2), (-1, 2), (0, 0)])
def test_a_share_of_nothing_is_none(wrong):
    with pytest.raises(InputError, match="give 0 ≤ successes ≤ trials"):
        share(*wrong, unit="classes")


def test_resamples_give_percentiles_and_spread():
    drawn = np.random.default_rng(3).normal(0.3, 0.1, size=4000)
    found = resampled(0.3, drawn, n=12, unit="pairs")
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    assert found.tail(0.3 - 0.196) == pytest.approx(0.025, abs=0.003)
    assert math.isnan(resampled(0.3, np.full(4, np.nan), n=1, unit="pairs").low)


def test_a_given_interval_is_that_of_a_normal_law():
    found = interval(0.5, 0.5 - 1.96, 0.5 + 1.96, n=9, unit="images")
    assert found.error == pytest.approx(1, abs=1e-4)
    assert found.tail(0.5 - 1.96) == pytest.approx(0.025, abs=1e-4)


def test_intervals_at_another_level():
    known = np.random.default_rng(0).normal(0, 1, 20_000)
    drawn = resampled(0.0, known, n=5, unit="seeds")
    assert drawn.at(0.01).high == pytest.approx(2.58, abs=0.06)
    counted = share(9, 10, unit="classes")
    expected = stats.binomtest(9, 10).proportion_ci(0.99, method="exact")
    assert (counted.at(0.01).low, counted.at(0.01).high) == (expected.low, expected.high)
    given = interval(1.0, 0.0, 3.0, n=5, unit="models").at(0.01)
    assert (given.low, given.high) == pytest.approx(
        (1 - 2.5758 / 1.96, 1 + 2 * 2.5758 / 1.96), abs=1e-3
    )
    for evidence in (drawn, counted, over_seeds([0.1, 0.2, 0.4]), accuracy_over_seeds([0.9, 1.0])):
        same = evidence.at(0.05)
        assert (same.low, same.high) == pytest.approx((evidence.low, evidence.high))
    assert accuracy_over_seeds([0.9, 1.0]).at(0.01).high == 1.0
