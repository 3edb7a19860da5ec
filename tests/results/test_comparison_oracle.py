"""Comparison of two runs, swap by swap and resample by resample, and what its text says."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.results import Result, RowStore, comparison
from invariscope.results.comparison import compare_values
from oracles.intervals import (
    reference_paired_interval,
    reference_ratio,
    reference_swap_test,
)
from oracles.runs import manifest_of, tables_of


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
    monkeypatch.setattr(comparison, "REPLICATES", 150)
    a, b = pair_of_runs(images, seed=images)
    if not weighted:
        a, b = ((values, np.ones_like(values)) for values, _ in (a, b))
    arguments = (a[0], a[1], b[0], b[1]) if weighted else (a[0], None, b[0], None)
    ours = compare_values(*arguments, run_length=run_length, seed=4)
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
    ours = compare_values(*a, *b, run_length=1, seed=0)
    for cell in range(3):
        exact = reference_swap_test(*common(a, b, cell), 1)
        # four standard errors
        assert abs(ours["p_value"][cell] - exact) < 4 * np.sqrt(exact * (1 - exact) / 4999) + 1e-3


@given(power=st.integers(-40, 40), shift=st.sampled_from([0.0, 1e5]))
def test_p_does_not_depend_on_the_unit(power, shift):
    """Neither tiny nor large numbers are taken for rounding, or rounding for a difference."""
    (a, _), (b, _) = pair_of_runs(8, seed=3, undefined=False)
    a, b = np.round(a * 64), np.round(b * 64)  # sums of these are exact, with a shift and without
    expected = compare_values(a, None, b, None, run_length=1, seed=0)["p_value"]
    scale = 10.0**power
    moved = compare_values(
        (a + shift) * scale, None, (b + shift) * scale, None, run_length=1, seed=0
    )
    assert moved["p_value"].tolist() == expected.tolist()


def test_runs_of_unlike_size_keep_an_exact_p():
    """A swap of all images is as large as none: p is even. Rounding must not lose it."""
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1e7, (10, 20))
    b = rng.normal(0, 1e3, (10, 20))
    p = compare_values(a, None, b, None, run_length=1, seed=0)["p_value"]
    assert ((p * 2**10) % 2 == 0).all()


def test_chunks_of_swaps_change_nothing(monkeypatch):
    a, b = pair_of_runs(30, seed=2)
    whole = compare_values(*a, *b, run_length=1, seed=0)
    monkeypatch.setattr(comparison, "_CHUNK_ELEMENTS", 30 * 7)
    chunked = compare_values(*a, *b, run_length=1, seed=0)
    assert whole["p_value"].tolist() == chunked["p_value"].tolist()


def test_cells_that_never_count_have_no_p_and_do_not_correct_others():
    a, b = pair_of_runs(9, seed=5)
    alone = compare_values(*a, *b, run_length=1, seed=0)
    a[0][:, 1] = np.nan
    ours = compare_values(*a, *b, run_length=1, seed=0)
    assert ours["n"][1] == 0
    assert np.isnan([ours[name][1] for name in ("p_value", "p_adjusted", "ci_low")]).all()
    p = alone["p_value"][[0, 2]]
    assert ours["p_value"][[0, 2]].tolist() == p.tolist()
    # Benjamini and Hochberg by hand, two cells
    small, large = sorted(p)
    assert sorted(ours["p_adjusted"][[0, 2]]) == [min(2 * small, large), large]


def changed(change, settings=None):
    """A run whose rows, as a pandas frame, went through `change`."""
    tables = []
    for table in tables_of()[0]:
        frame = table.to_pandas()
        change(frame)
        tables.append(pa.Table.from_pandas(frame, preserve_index=False))
    manifest = manifest_of()
    manifest["settings"].update(settings or {})
    return Result(manifest, RowStore(tables))


def nothing(frame):
    """Leaves the rows as they are."""


def test_n_is_that_of_the_metric_that_is_shown():
    def undefined(frame):
        gone = (frame["metric"] == "relative_invariance") & (
            frame["image"].astype(str) < "image-003"
        )
        frame.loc[gone, "value"] = np.nan

    frame = changed(nothing).compare(other := changed(undefined)).frame
    assert sorted(set(frame["n"])) == [17, 20]
    assert "relative_invariance at the embedding, n = 17" in other.compare(other).to_text()


def test_large_numbers_keep_the_table_in_80_columns():
    def large(frame):
        frame["value"] *= np.where(frame["cell"] == "identity", 1, -5000)

    text = changed(nothing).compare(changed(large)).to_text()
    rows = [line for line in text.splitlines() if line.startswith(("rotate", "shear_x"))]
    assert len(rows) == 5
    assert all(len(line) <= 80 for line in text.splitlines())
    assert all(len(line.split()) in (8, 9) for line in rows)  # columns do not run together


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"border": "reflect"}, "border differs: zeros in A, reflect in B"),
        ({"fill": 0.5}, "fill differs: 0.0 in A, 0.5 in B"),
        ({"interpolation": "bicubic"}, "interpolation differs: bilinear in A, bicubic in B"),
    ],
)
def test_images_that_were_moved_in_other_ways_are_noted(settings, note):
    usual = {"border": "zeros", "fill": 0.0, "interpolation": "bilinear"}
    a, b = changed(nothing, usual), changed(nothing, {**usual, **settings})
    assert a.compare(b).notes == [note]
    assert a.compare(changed(nothing, usual)).notes == []
    assert f"note: {note}" in a.compare(b).to_text()


def test_layers_of_one_run_only_are_noted():
    def renamed(frame):
        frame["layer"] = frame["layer"].cat.rename_categories({"a": "other"})

    compared = changed(nothing).compare(changed(renamed))
    assert set(compared.frame["layer"]) == {"embedding"}
    assert compared.notes == ["layers of one run only are left out: 2"]


def test_levels_of_another_magnitude_are_not_compared():
    def stronger(frame):
        frame["cell"] = frame["cell"].cat.rename_categories({"rotate=20": "rotate=25"})

    cells = manifest_of()["settings"]["cells"]
    for entry in cells:
        if entry["cell"] == "rotate=20":
            entry.update(cell="rotate=25", magnitude=25.0)
    compared = changed(nothing).compare(changed(stronger, {"cells": cells}))
    levels = compared.frame.groupby("transformation")["level"].unique()
    assert levels["rotate"].tolist() == [0, 1]
    assert levels["shear_x"].tolist() == [0, 1, 2, 3]
    assert compared.notes == ["1 levels are left out: the other run has none of that magnitude"]
