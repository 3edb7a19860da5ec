"""Differences of two groups of different images: against SciPy's Welch, and by simulation."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from invariscope.statistics.estimates import Estimates, estimate
from invariscope.statistics.independent import independent_difference


def share_of(rows) -> Estimates:
    """Means of several levels' shares, as of a run: one column a run."""
    return estimate(rows, kind="share")


def test_means_have_welchs_interval_and_p():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 3, (7, 1)), rng.normal(1, 1, (40, 1))
    difference, low, high, p = independent_difference(estimate(a), estimate(b))
    welch: Any = stats.ttest_ind(a[:, 0], b[:, 0], equal_var=False)
    interval = welch.confidence_interval()
    assert difference[0] == pytest.approx(a.mean() - b.mean())
    assert (low[0], high[0]) == pytest.approx((interval.low, interval.high))
    assert p[0] == pytest.approx(welch.pvalue)


def test_shares_have_one_image_more_on_either_side():
    a, b = np.array([1.0] * 5)[:, None], np.array([1.0] * 12 + [0.0] * 8)[:, None]
    difference, low, high, p = independent_difference(share_of(a), share_of(b))
    middle, other = 6 / 7, 13 / 22
    error = np.sqrt(middle * (1 - middle) / 7 + other * (1 - other) / 22)
    assert difference[0] == pytest.approx(0.4)
    assert (low[0] + high[0]) / 2 == pytest.approx(middle - other)
    assert 1.9 * error < (high[0] - low[0]) / 2 < 2.4 * error  # Student's t, not a normal law's
    assert (p[0] > 0.05) == (low[0] <= 0 <= high[0])


def test_a_side_of_one_image_has_no_interval():
    numbers = independent_difference(estimate(np.ones((1, 1))), estimate(np.ones((9, 1))))
    assert numbers[0][0] == 0
    assert all(np.isnan(number[0]) for number in numbers[1:])
    alike = independent_difference(estimate(np.ones((9, 1))), estimate(np.zeros((9, 1))))
    assert alike[0][0] == 1
    assert np.isnan(alike[3][0])


@pytest.mark.parametrize("n", [5, 10, 30])
@pytest.mark.parametrize(("name", "least"), [("normal", 0.935), ("skewed", 0.87), ("share", 0.94)])
def test_intervals_hold_the_difference_as_often_as_they_say(n, name, least):
    rng = np.random.default_rng(n)
    laws = {
        "normal": (lambda size: rng.normal(0.5, 0.2, size), 0.5, "mean"),
        "skewed": (lambda size: 1 - rng.exponential(0.2, size), 0.8, "mean"),
        "share": (lambda size: (rng.random(size) < 0.85).astype(float), 0.85, "share"),
    }
    law, _, kind = laws[name]
    inside, outside = estimate(law((n, 2000)), kind=kind), estimate(law((200, 2000)), kind=kind)
    _, low, high, p = independent_difference(inside, outside)
    held = float(((low <= 0) & (high >= 0)).mean())
    assert held >= least, held
    np.testing.assert_array_equal((low <= 0) & (high >= 0), p >= 0.05)
