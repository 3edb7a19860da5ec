"""Estimates: against a naive oracle, theorems of influences, exact shares, simulated coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invariscope.errors import InputError
from invariscope.statistics import intervals as resampling
from invariscope.statistics.estimates import KINDS, estimate, intervals, join, mean_interval
from oracles.intervals import reference_contributions, reference_interval

RATIOS = [kind for kind in KINDS if "ratio" in kind]


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


@pytest.mark.parametrize("kind", ["mean", *RATIOS])
@pytest.mark.parametrize(("images", "neighbours"), [(7, False), (20, True)])
def test_every_number_is_that_of_the_oracle(images, neighbours, kind):
    values, weights = cells_of_every_kind(images, np.random.default_rng(images))
    weighted = kind != "mean"
    made = estimate(values, weights if weighted else None, kind=kind, neighbours=neighbours)
    ours = (made.value, *made.interval(seed=9), made.n)
    for cell in range(5):
        theirs = reference_interval(
            values[:, cell],
            weights[:, cell] if weighted else np.ones(images),
            kind=kind if weighted else "ratio",
            neighbours=neighbours,
            seed=9,
        )
        assert np.allclose([x[cell] for x in ours], theirs, rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("kind", RATIOS)
def test_contributions_are_derivatives(kind):
    rng = np.random.default_rng(3)
    values, weights = rng.normal(0.5, 0.2, (12, 1)), rng.uniform(0.5, 2, (12, 1))
    values[4] = np.nan
    made = estimate(values, weights, kind=kind)
    wanted = [c or 0.0 for c in reference_contributions(values[:, 0], weights[:, 0], kind)]
    assert np.allclose(made.contributions[:, 0], wanted, rtol=1e-6, atol=1e-9)
    assert abs(made.contributions.sum()) < 1e-14


def test_a_mean_over_pairs_has_the_error_of_the_jackknife():
    """Leaving image i out takes its own pairs, and itself out of all others' means."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(9, 3))
    pairs = np.linalg.norm(points[:, None] - points[None], axis=2)
    means = pairs.sum(1) / 8
    made = estimate(means[:, None], np.ones((9, 1)), kind="ratio of pairs")
    without = [np.delete(np.delete(pairs, i, 0), i, 1).sum() / (8 * 7) for i in range(9)]
    assert np.allclose(9 * made.contributions[:, 0], 8 * (means.mean() - np.array(without)))


@given(level=st.floats(-5, 5), images=st.integers(2, 40), kind=st.sampled_from(["mean", *RATIOS]))
def test_equal_values_give_exactly_that_value(level, images, kind):
    weights = None if kind == "mean" else np.arange(1.0, images + 1)[:, None]
    made = estimate(np.full((images, 1), level), weights, kind=kind)
    low, high = made.interval(seed=0)
    assert made.value[0] == low[0] == high[0] == level


@pytest.mark.parametrize(("right", "n"), [(32, 32), (0, 32), (31, 32), (5, 16)])
def test_a_share_has_the_exact_interval(right, n):
    rows = (np.arange(n) < right).astype(float)[:, None]
    low, high = estimate(rows, kind="share").interval(seed=0)
    theirs = stats.binomtest(right, n).proportion_ci(method="exact")
    assert np.allclose([low[0], high[0]], [theirs.low, theirs.high], atol=1e-9)


def test_an_average_of_shares_is_one_of_more_images():
    """Ten cells that flip independently say as much as one cell of ten times as many images."""
    rows = (np.random.default_rng(1).random((200, 10)) < 0.9).astype(float)
    low, high = estimate(rows, kind="share").mean().interval(seed=0)
    theirs = stats.binomtest(int(rows.sum()), 2000).proportion_ci(method="exact")
    assert high[0] - low[0] == pytest.approx(theirs.high - theirs.low, rel=0.2)
    certain = estimate(np.ones((32, 10)), kind="share").mean().interval(seed=0)
    assert certain[0][0] == pytest.approx(0.025 ** (1 / 32))  # all right: as many as there are


def test_contributions_of_a_mean_over_cells_are_the_mean_of_theirs():
    values, weights = cells_of_every_kind(20, np.random.default_rng(0))
    made = estimate(values, weights, kind="ratio")
    mean = made.mean()
    assert mean.value[0] == pytest.approx(made.value[:4].mean())  # the last has no value
    assert np.allclose(mean.contributions[:, 0], made.contributions[:, :4].mean(1))
    assert mean.n[0] == 1
    nothing = made.pick([4]).mean()
    assert np.isnan(nothing.value[0])
    assert nothing.n[0] == 0


def test_intervals_of_several_metrics_are_those_of_each():
    rng = np.random.default_rng(2)
    parts = [
        estimate(rng.gamma(2, 1, (30, 2))),
        estimate((rng.random((30, 1)) < 0.8) * 1.0, kind="share"),
        estimate(rng.normal(0.9, 0.2, (30, 3)), bounds=(None, 1), neighbours=True),
    ]
    for part, together in zip(parts, intervals(parts, seed=4), strict=True):
        assert np.array_equal(part.interval(seed=4), together)
    assert np.array_equal(join([parts[0], parts[0]]).interval(seed=4)[0][:2], together_low(parts))


def together_low(parts):
    return parts[0].interval(seed=4)[0]


def test_ends_keep_to_the_range():
    values = 1 - np.random.default_rng(0).exponential(0.5, (10, 1)) ** 3
    values[:8] = 1.0
    _, free = estimate(values).interval(seed=0)
    _, held = estimate(values, bounds=(None, 1.0)).interval(seed=0)
    assert free[0] > held[0] == 1.0


def test_images_that_do_not_count_and_too_few():
    values, weights = np.random.default_rng(0).gamma(2, 1, (60, 3)), np.ones((60, 3))
    weights[:58, 0], weights[:, 1] = 0, 0
    made = estimate(values, weights, kind="ratio")
    low, _ = made.interval(seed=0)
    assert made.n.tolist() == [2, 0, 60]
    assert np.isclose(made.value[0], values[58:, 0].mean())
    assert np.isnan([made.value[1], low[1]]).all()
    assert np.isnan(estimate(np.array([[0.3]])).interval(seed=0)).all()


def test_two_images_have_student_and_not_a_narrow_interval():
    low, high = estimate(np.array([[0.4], [0.6]])).interval(seed=0)
    assert (high - low)[0] == pytest.approx(2 * stats.t.isf(0.025, 1) * 0.1)


def test_classes_where_no_image_has_a_value():
    made = estimate(np.full((6, 1), np.nan), classes=np.arange(6) % 2)
    assert np.isnan(made.value).all()
    assert made.n.tolist() == [0]


def test_classes_of_as_many_images_were_not_drawn_by_chance():
    rng = np.random.default_rng(0)
    classes = np.arange(40) % 4
    values = classes[:, None] + rng.normal(size=(40, 1))
    chance, given_classes = (
        estimate(values, classes=own).error[0] for own in (np.arange(40) // 13, classes)
    )
    within = math.sqrt(sum(values[classes == c, 0].var(ddof=1) for c in range(4)) / 4 / 40)
    assert given_classes == pytest.approx(within, rel=1e-9)
    assert chance == pytest.approx(values.std(ddof=1) / math.sqrt(40), rel=1e-9)


@given(order=st.permutations(range(20)))
def test_the_order_of_images_without_neighbours_changes_no_error(order):
    values = np.random.default_rng(0).normal(size=(20, 2)) * [1e-9, 1e9]
    assert estimate(values[list(order)]).error.tolist() == estimate(values).error.tolist()


def test_the_chunks_of_resamples_change_nothing_but_the_draws(monkeypatch):
    values = np.random.default_rng(0).gamma(2, 1, (60, 3))
    whole = np.array(estimate(values).interval(seed=0))
    assert np.array_equal(whole, estimate(values).interval(seed=0))
    alone = np.array([estimate(values[:, [k]]).interval(seed=0) for k in range(3)])[:, :, 0].T
    assert np.array_equal(whole, alone)
    assert not np.array_equal(whole, estimate(values).interval(seed=1))
    monkeypatch.setattr(resampling, "_CHUNK_ELEMENTS", 60 * 7)
    assert np.allclose(whole, estimate(values).interval(seed=0), atol=0.1)


def outliers(rng, size):
    """Normal numbers, one in ten of them five times as large."""
    return rng.standard_normal(size) * np.where(rng.random(size) < 0.1, 5, 1)


LAWS = {
    "normal": (lambda rng, size: rng.standard_normal(size), 0.0),
    "log-normal": (lambda rng, size: rng.lognormal(size=size), math.exp(0.5)),
    "exponential": (lambda rng, size: rng.exponential(size=size), 1.0),
    "outliers": (outliers, 0.0),
    "beta(9, 0.5)": (lambda rng, size: rng.beta(9, 0.5, size), 9 / 9.5),
}


@pytest.mark.parametrize(
    ("law", "least", "widest"),
    [
        ("normal", 0.94, 1.10),
        ("log-normal", 0.925, 1.27),  # a t interval: 0.88; resamples alone: 0.92 and 1.28
        ("exponential", 0.94, 1.25),
        ("outliers", 0.94, 1.20),  # resamples alone: 0.905
        ("beta(9, 0.5)", 0.94, 1.28),
    ],
)
def test_coverage_and_width(law, least, widest):
    """3,000 tables of 32 images each; three standard errors of the share are 0.012."""
    draw, truth = LAWS[law]
    made = estimate(draw(np.random.default_rng(0), (32, 3000)))
    low, high = made.interval(seed=0)
    covered = ((low <= truth) & (truth <= high)).mean()
    assert least < covered < 0.972
    assert (high - low).mean() < widest * 2 * 1.96 * made.value.std()


def test_coverage_of_shares():
    values = np.random.default_rng(0).random((32, 1500)) < 0.97
    low, high = estimate(values * 1.0, kind="share").interval(seed=0)
    assert ((low <= 0.97) & (high >= 0.97)).mean() > 0.95  # a bootstrap: 0.61


def test_neighbours_that_share_an_image_are_covered():
    """Moving averages of neighbours: as if they were independent, 0.84."""
    noise = np.random.default_rng(0).normal(size=(65, 1500))
    values = (noise[1:] + noise[:-1]) / 2
    covered = {}
    for neighbours in (False, True):
        low, high = estimate(values, neighbours=neighbours).interval(seed=0)
        covered[neighbours] = ((low <= 0) & (high >= 0)).mean()
    assert covered[False] < 0.86
    assert 0.92 < covered[True] < 0.97


def test_mean_interval_of_plain_rows():
    value, low, high, n = mean_interval(np.array([[1.0, 0.5], [0.0, np.nan]]), share=True, seed=0)
    assert value.tolist() == [0.5, 0.5]
    assert n.tolist() == [2, 1]
    assert (low[0], high[0]) == pytest.approx((0.012579, 0.987421), abs=1e-5)
    assert np.isnan(low[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": np.ones(3)}, r"values have shape \(3,\): \[image, cell\] is needed"),
        ({"values": np.ones((3, 1)), "weights": np.ones((2, 1))}, "weights have shape"),
        ({"values": np.ones((3, 1)), "kind": "median"}, "kind is 'median': it must be one of mean"),
    ],
)
def test_messages(arguments, message):
    with pytest.raises(InputError, match=message):
        estimate(**arguments)
