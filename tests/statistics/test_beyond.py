"""p-values of one side agree with the interval, whatever the kind of estimate."""

import numpy as np
import pytest

from invariscope.statistics.beyond import beyond
from invariscope.statistics.estimates import estimate
from invariscope.statistics.sequences import reach, sequence_p

LAWS = {
    "mean": lambda rng, n: 1 - rng.exponential(0.2, (n, 40)),
    "share": lambda rng, n: (rng.random((n, 40)) < np.linspace(0.02, 0.98, 40)).astype(float),
    "one minus ratio to pairs": lambda rng, n: rng.normal(0.7, 0.2, (n, 40)),
}


@pytest.mark.parametrize("anytime", [False, True])
@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize("n", [8, 32, 200])
def test_p_is_below_5_percent_where_the_interval_lies_beyond(kind, n, anytime):
    rows = LAWS[kind](np.random.default_rng(n), n)
    weights = None if kind in ("mean", "share") else np.full(rows.shape, 0.5)
    made = estimate(rows, weights, kind=kind).at_any_time(anytime)
    low, high = made.interval(seed=3)
    ends = np.concatenate([low[::9], high[::9]])
    seen = set()
    for value in np.unique(np.concatenate([ends - 1e-4, ends + 1e-4]).round(6)):
        if kind == "share" and not 0 < value < 1:
            continue
        above, below = beyond(made, float(value), seed=3)
        np.testing.assert_array_equal(above <= 0.05, low >= value)
        np.testing.assert_array_equal(below <= 0.05, high <= value)
        seen |= {*(above <= 0.05).tolist(), *(below <= 0.05).tolist()}
    assert seen == {True, False}


def test_smaller_levels_need_a_wider_gap():
    made = estimate(1 - np.random.default_rng(0).exponential(0.2, (64, 1)))
    low, _ = made.interval(seed=0)
    above = [float(beyond(made, low[0] - gap, seed=0)[0][0]) for gap in (0.0, 0.01, 0.03, 0.1)]
    assert above[0] == pytest.approx(0.05)
    assert above == sorted(above, reverse=True)
    assert above[-1] < 0.01


def test_equal_rows_are_judged_by_a_coin_for_each():
    for n, expected in ((2, 0.5), (5, 2.0**-4), (6, 2.0**-5)):
        above, below = beyond(estimate(np.full((n, 1), 0.9)), 0.8, seed=0)
        assert (float(above[0]), float(below[0])) == (expected, 1.0)
    above, below = beyond(estimate(np.full((9, 1), 1.0)), 1.0, seed=0)
    assert above[0] < 0.05  # at least 1 is what was asked
    assert below[0] == 1.0


def test_one_image_says_nothing():
    above, below = beyond(estimate(np.array([[0.9], [np.nan]])), 0.8, seed=0)
    assert np.isnan([*above, *below]).all()


def test_a_cell_that_stopped_is_judged_by_its_own_images():
    rows = np.random.default_rng(0).normal(0.9, 0.1, (128, 2))
    rows[64:, 0] = np.nan
    both = beyond(estimate(rows).at_any_time(), 0.86, seed=0)[0]
    alone = beyond(estimate(rows[:64, :1]).at_any_time(), 0.86, seed=0)[0]
    assert both[0] == pytest.approx(alone[0])
    assert both[1] != pytest.approx(both[0], rel=0.01)


def test_far_out_a_skewed_mean_needs_more_than_its_interval_says():
    rows = np.random.default_rng(0).lognormal(0, 1, (64, 1))
    made = estimate(rows).at_any_time()
    arm = float(made.interval(seed=0)[1][0] - made.value[0])
    n = np.array([64])
    for times, least in ((1.0, 1.0), (1.2, 1.5), (1.5, 3.0)):
        below = beyond(made, float(made.value[0] + times * arm), seed=0)[1][0]
        by_the_interval = sequence_p(times * reach(n), n)[0]
        assert below >= 0.999 * least * by_the_interval
    assert below < 0.05
