"""Paired comparison: sign, p-values, correction, what is in common."""

import numpy as np
import pytest
from scipy import stats

from invariscope.errors import InputError
from invariscope.results import Result, RowStore
from invariscope.results.comparison import compare_values
from invariscope.statistics.intervals import interval_run_length
from oracles.runs import manifest_of, tables_of


def result(images=20, size=8, settings=None, **rows):
    manifest = manifest_of(images)
    manifest["settings"].update(settings or {})
    return Result(manifest, RowStore(tables_of(images=images, size=size, **rows)[0]))


def test_a_run_against_itself():
    frame = result().compare(result()).frame
    assert (frame.difference == 0).all()
    assert (frame.p_value == 1).all()
    assert (frame.p_adjusted == 1).all()
    assert (frame[["ci_low", "ci_high"]] == 0).all(axis=None)
    assert (frame.n == 20).all()


def test_a_shift_is_found_with_its_sign():
    """B is A plus 0.1 everywhere but at the identity."""
    frame = result().compare(result(shift=0.1)).frame
    moved = frame[frame.level > 0]
    assert np.allclose(moved.difference, 0.1, atol=1e-6)
    assert (moved.p_adjusted < 0.02).all()  # 20 images are 7 runs: p is at least 2 / 2**7
    assert (moved.ci_low > 0.09).all()
    identity = frame[frame.level == 0]
    assert (identity.difference == 0).all()
    assert (identity.p_value == 1).all()
    back = result(shift=0.1).compare(result()).frame
    assert np.allclose(back.difference, -frame.difference)


def test_p_values_agree_with_scipy():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, (15, 3))
    b = a + rng.normal([0.0, 0.3, 0.8], 1, (15, 3))
    ours = compare_values(a, None, b, None, run_length=1, seed=0)
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
    ours = compare_values(a, None, b, None, run_length=run, seed=0)
    runs = (b - a).reshape(4, run, 2).mean(1)
    for cell in range(2):
        theirs = stats.permutation_test(
            (runs[:, cell],), np.mean, permutation_type="samples", n_resamples=100
        ).pvalue
        assert ours["p_value"][cell] == theirs


def test_the_data_as_they_are_count_as_one_of_the_swaps():
    sure = np.ones((40, 1))
    ours = compare_values(0 * sure, None, sure, None, run_length=1, seed=0)
    assert ours["p_value"][0] == 1 / 5000


def test_neighbours_that_share_an_image_do_not_make_differences_sure():
    """Two models that are alike: about 5 % of the tests are below 0.05, not 15 or 20 %."""
    noise = np.random.default_rng(0).normal(size=(64, 400))
    difference = (noise + np.roll(noise, -1, axis=0)) / 2
    nothing = np.zeros_like(difference)
    found = {
        run: (compare_values(nothing, None, difference, None, run_length=run, seed=1)["p_value"])
        for run in (1, interval_run_length(64, True))
    }
    assert (found[1] < 0.05).mean() > 0.13
    assert (found[4] < 0.05).mean() < 0.09


def test_ratios_swap_numerators_and_denominators():
    rng = np.random.default_rng(1)
    a, b, wa, wb = (rng.uniform(0.2, 1, (9, 1)) for _ in range(4))
    ours = compare_values(a, wa, b, wb, run_length=1, seed=0)
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


def test_equal_cells_count_once_in_the_correction():
    """The manifest shows shear_x=20 at two levels; p is corrected over 5 cells, not 7 rows."""
    frame = result().compare(result(shift=0.1, seed=3)).frame
    part = frame[(frame.metric == "relative_invariance") & (frame.layer == "a")]
    assert len(part) == 7
    cells = part.drop_duplicates(["difference", "p_value"])
    cells = cells[(cells.level != 0) | (cells.transformation == "rotate")]
    assert len(cells) == 5
    assert np.allclose(cells.p_adjusted, stats.false_discovery_control(cells.p_value))


def test_what_is_undefined_in_one_run_counts_in_neither():
    frame = result().compare(result(undefined=(0, 1, 2))).frame
    assert (frame.n == 17).all()


def test_the_order_of_images_may_differ():
    tables = tables_of()[0]
    turned = Result(manifest_of(), RowStore(tables[::-1]))
    frame = result().compare(turned).frame
    assert (frame.difference.abs() < 1e-9).all()
    assert (frame.p_value == 1).all()


def test_other_images_and_other_cells_are_noted():
    comparison = result().compare(result(images=12))
    assert (comparison.frame.n == 12).all()
    assert "compared on the 12 images that both runs have" in comparison.notes
    fewer = result()
    fewer.manifest["settings"]["cells"] = fewer.manifest["settings"]["cells"][:3]
    comparison = result().compare(fewer)
    assert set(comparison.frame.transformation) == {"rotate"}
    assert "4 levels are left out" in comparison.notes[0]
    assert "the seeds differ" in result().compare(result(settings={"seed": 1})).notes[0]


def test_runs_that_cannot_be_compared():
    with pytest.raises(InputError, match="the runs are on different data"):
        result().compare(result(settings={"data": "others"}))
    with pytest.raises(InputError, match="the runs share 1 images"):
        result().compare(result(images=1))
    fewer = result()
    fewer.manifest["settings"]["cells"] = []
    with pytest.raises(InputError, match="no metric, layer and cell in common"):
        result().compare(fewer)


def test_the_text_fits_a_terminal():
    text = result().compare(result(shift=0.1)).to_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "relative_invariance at the embedding, n = 20" in text
    assert "+0.100 [+0.100, +0.100]" in text
    assert "note: compared on the 12" in result().compare(result(images=12)).to_text()
