"""Paired differences, swap by swap and resample by resample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from invariscope.statistics import paired
from invariscope.statistics.intervals import interval_run_length
from invariscope.statistics.paired import paired_differences
from oracles.intervals import (
    reference_paired_interval,
    reference_ratio,
    reference_swap_test,
)


def pair_of_runs(images, seed, undefined=True):
    """(values, weights) of A and of B, [image, cell], undefined in other places of each."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal([0.5, 0.2, 0.8], 0.2, (2, images, 3))
    b += [0.0, 0.1, 0.3]
    wa, wb = rng.uniform(0.3, 2, (2, images, 3))
    if undefined:
        a[1, 0] = b[4, 1] = np.nan
        wa[2, 2] = 0
    return (a, wa), (b, wb)


def common(a, b, cell):
    """Both runs of one cell; what counts in one only is undefined in both."""
    (va, wa), (vb, wb) = ((v[:, cell].copy(), w[:, cell]) for v, w in (a, b))
    left_out = ~(np.isfinite(va) & np.isfinite(vb) & (wa > 0) & (wb > 0))
    va[left_out] = vb[left_out] = np.nan
    return (va, wa), (vb, wb)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("images", "run_length"), [(9, 1), (18, 2), (20, 3)])
def test_every_number_is_that_of_the_oracle(monkeypatch, images, run_length, weighted):
    monkeypatch.setattr(paired, "REPLICATES", 150)
    a, b = pair_of_runs(images, seed=images)
    if not weighted:
        a, b = ((values, np.ones_like(values)) for values, _ in (a, b))
    arguments = (a[0], a[1], b[0], b[1]) if weighted else (a[0], None, b[0], None)
    ours = paired_differences(*arguments, run_length=run_length, seed=4)
    for cell in range(3):
        one, other = common(a, b, cell)
        value_a, n = reference_ratio(*one)
        value_b, _ = reference_ratio(*other)
        assert ours["n"][cell] == n
        assert np.isclose(ours["value_a"][cell], value_a, atol=1e-9)
        assert np.isclose(ours["difference"][cell], value_b - value_a, atol=1e-9)
        ends = reference_paired_interval(one, other, run_length=run_length, replicates=150, seed=4)
        assert np.allclose([ours["ci_low"][cell], ours["ci_high"][cell]], ends, atol=1e-9)
        assert ours["p_value"][cell] == reference_swap_test(one, other, run_length)


def test_random_swaps_are_close_to_all_of_them():
    """13 runs are 8192 ways, 4999 random ones are taken."""
    a, b = pair_of_runs(13, seed=1)
    ours = paired_differences(*a, *b, run_length=1, seed=0)
    for cell in range(3):
        exact = reference_swap_test(*common(a, b, cell), 1)
        # four standard errors
        assert abs(ours["p_value"][cell] - exact) < 4 * np.sqrt(exact * (1 - exact) / 4999) + 1e-3


@given(power=st.integers(-40, 40), shift=st.sampled_from([0.0, 1e5]))
def test_p_does_not_depend_on_the_unit(power, shift):
    """Neither tiny nor large numbers are taken for rounding, or rounding for a difference."""
    (a, _), (b, _) = pair_of_runs(8, seed=3, undefined=False)
    a, b = np.round(a * 64), np.round(b * 64)  # sums of these are exact, with a shift and without
    expected = paired_differences(a, None, b, None, run_length=1, seed=0)["p_value"]
    scale = 10.0**power
    moved = paired_differences(
        (a + shift) * scale, None, (b + shift) * scale, None, run_length=1, seed=0
    )
    assert moved["p_value"].tolist() == expected.tolist()


def test_runs_of_unlike_size_keep_an_exact_p():
    """A swap of all images is as large as none: p is even. Rounding must not lose it."""
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1e7, (10, 20))
    b = rng.normal(0, 1e3, (10, 20))
    p = paired_differences(a, None, b, None, run_length=1, seed=0)["p_value"]
    assert ((p * 2**10) % 2 == 0).all()


def test_chunks_of_swaps_change_nothing(monkeypatch):
    a, b = pair_of_runs(30, seed=2)
    whole = paired_differences(*a, *b, run_length=1, seed=0)
    monkeypatch.setattr(paired, "_CHUNK_ELEMENTS", 30 * 7)
    chunked = paired_differences(*a, *b, run_length=1, seed=0)
    assert whole["p_value"].tolist() == chunked["p_value"].tolist()


def test_cells_that_never_count_have_no_p_and_do_not_correct_others():
    a, b = pair_of_runs(9, seed=5)
    alone = paired_differences(*a, *b, run_length=1, seed=0)
    a[0][:, 1] = np.nan
    ours = paired_differences(*a, *b, run_length=1, seed=0)
    assert ours["n"][1] == 0
    assert np.isnan([ours[name][1] for name in ("p_value", "p_adjusted", "ci_low")]).all()
    p = alone["p_value"][[0, 2]]
    assert ours["p_value"][[0, 2]].tolist() == p.tolist()
    # Benjamini and Hochberg by hand, two cells
    small, large = sorted(p)
    assert sorted(ours["p_adjusted"][[0, 2]]) == [min(2 * small, large), large]


def test_p_values_agree_with_scipy():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, (15, 3))
    b = a + rng.normal([0.0, 0.3, 0.8], 1, (15, 3))
    ours = paired_differences(a, None, b, None, run_length=1, seed=0)
    for cell in range(3):
        theirs = stats.permutation_test(
            (b[:, cell], a[:, cell]),
            lambda x, y: x.mean() - y.mean(),
            permutation_type="samples",
            n_resamples=100_000,  # all 2**15
        ).pvalue
        assert abs(ours["p_value"][cell] - theirs) < 0.02
    assert np.allclose(
        ours["p_adjusted"], stats.false_discovery_control(ours["p_value"]), atol=1e-12
    )


@pytest.mark.parametrize("run", [1, 3])
def test_few_images_are_swapped_in_every_way(run):
    """All 2**4 ways to swap 4 runs, each as likely: p is exact."""
    a, b = np.random.default_rng(4).normal(0, 1, (2, 4 * run, 2))
    ours = paired_differences(a, None, b, None, run_length=run, seed=0)
    runs = (b - a).reshape(4, run, 2).mean(1)
    for cell in range(2):
        theirs = stats.permutation_test(
            (runs[:, cell],), np.mean, permutation_type="samples", n_resamples=100
        ).pvalue
        assert ours["p_value"][cell] == theirs


def test_the_data_as_they_are_count_as_one_of_the_swaps():
    sure = np.ones((40, 1))
    ours = paired_differences(0 * sure, None, sure, None, run_length=1, seed=0)
    assert ours["p_value"][0] == 1 / 5000


def test_neighbours_that_share_an_image_do_not_make_differences_sure():
    """Two models that are alike: about 5 % of the tests are below 0.05, not 15 or 20 %."""
    noise = np.random.default_rng(0).normal(size=(64, 400))
    difference = (noise + np.roll(noise, -1, axis=0)) / 2
    nothing = np.zeros_like(difference)
    found = {
        run: (
            paired_differences(nothing, None, difference, None, run_length=run, seed=1)["p_value"]
        )
        for run in (1, interval_run_length(64, True))
    }
    assert (found[1] < 0.05).mean() > 0.13
    assert (found[4] < 0.05).mean() < 0.09


def test_ratios_swap_numerators_and_denominators():
    rng = np.random.default_rng(1)
    a, b, wa, wb = (rng.uniform(0.2, 1, (9, 1)) for _ in range(4))
    ours = paired_differences(a, wa, b, wb, run_length=1, seed=0)
    observed = (b * wb).sum() / wb.sum() - (a * wa).sum() / wa.sum()
    assert np.isclose(ours["difference"][0], observed)
    reached = []
    for code in range(2**9):
        swap = np.array([[code >> k & 1] for k in range(9)], dtype=bool)
        one, other = np.where(swap, b, a), np.where(swap, a, b)
        w_one, w_other = np.where(swap, wb, wa), np.where(swap, wa, wb)
        value = (other * w_other).sum() / w_other.sum() - (one * w_one).sum() / w_one.sum()
        reached.append(abs(value) >= abs(observed) - 1e-12)
    assert abs(ours["p_value"][0] - np.mean(reached)) < 0.03
