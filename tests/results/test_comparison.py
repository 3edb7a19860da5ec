"""Paired comparison: sign, p-values, correction, what is in common."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from invariscope.errors import InputError
from invariscope.results import Result, RowStore
from invariscope.statistics.sequences import reach
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
    assert (moved.p_adjusted < 0.001).all()
    # Values of ratios are as sure as their weights let them be.
    least = moved.metric.map({"relative_invariance": 0.09, "mean_relative_invariance": 0.05})
    assert (moved.ci_low > least).all()
    identity = frame[frame.level == 0]
    assert (identity.difference == 0).all()
    assert (identity.p_value == 1).all()
    back = result(shift=0.1).compare(result()).frame
    assert np.allclose(back.difference, -frame.difference)


def test_p_is_corrected_over_all_cells_of_the_table_and_equal_ones_count_once():
    """Two metrics at two layers; shear_x=20 and level 0 are shown twice: 5 cells of 7 rows."""
    frame = result().compare(result(shift=0.1, seed=3)).frame
    twice = (frame.transformation == "shear_x") & frame.level.isin((0, 3))
    assert (len(frame), twice.sum()) == (28, 8)
    cells = frame[~twice]
    assert np.allclose(cells.p_adjusted, stats.false_discovery_control(cells.p_value))
    keys = ["metric", "layer", "transformation"]
    shown = frame.set_index([*keys, "level"]).p_adjusted.unstack()
    assert (shown[2] == shown[3])[shown[3].notna()].all()


def test_who_filters_the_table_sees_the_same_stars():
    """A metric by itself has fewer cells, but they are those of the table."""
    a, b = result(), result(shift=0.1, seed=3)
    own = a.compare(b).frame
    part = own[own.metric == "relative_invariance"]
    assert not np.allclose(part.p_adjusted, stats.false_discovery_control(part.p_value))


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
    assert "compared on the 12 images that all runs have" in comparison.notes
    fewer = result()
    fewer.manifest["settings"]["cells"] = fewer.manifest["settings"]["cells"][:3]
    comparison = result().compare(fewer)
    assert set(comparison.frame.transformation) == {"rotate"}
    assert "levels that not all runs have are left out: 3" in comparison.notes[0]
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
    assert "<0.0001  *" in text  # a small p is not 0
    assert max(map(len, text.splitlines())) <= 80
    assert "relative_invariance at the embedding, n = 20" in text
    assert "+0.100 [+0.100, +0.100]" in text
    assert "note: compared on the 12" in result().compare(result(images=12)).to_text()


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
        ({"border": "reflect"}, "border differs between the runs: zeros, reflect"),
        ({"fill": 0.5}, "fill differs between the runs: 0.0, 0.5"),
        ({"interpolation": "bicubic"}, "interpolation differs between the runs: bilinear, bicubic"),
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
    assert compared.notes == ["levels that not all runs have are left out: 2"]


@pytest.mark.parametrize("which", [0, 1])
def test_a_run_that_stopped_by_itself_makes_intervals_that_hold_at_any_time(which):
    fixed = result().compare(result(shift=0.01, seed=3)).frame
    runs = [result(), result(shift=0.01, seed=3)]
    runs[which].manifest["execution"]["precision"] = 0.05
    anytime = runs[0].compare(runs[1]).frame
    moved = anytime.level > 0
    width = (anytime.ci_high - anytime.ci_low)[moved] / (fixed.ci_high - fixed.ci_low)[moved]
    assert np.allclose(width, reach(np.array([20])) / stats.t.isf(0.025, 19))
    holds = (anytime.ci_low <= 0) & (anytime.ci_high >= 0)
    assert (holds == (anytime.p_value >= 0.05)).all()
    assert (anytime.p_value >= fixed.p_value).all()


def test_classes_of_as_many_images_are_taken_into_account_as_in_the_summary():
    """The difference is large in one class, small in the other: within them it varies less."""

    def in_halves(low, high):
        def change(frame):
            second = frame["image"].astype(str) >= "image-010"
            frame["value"] += np.where(second, high, low)
            frame["label"] = np.where(second, 1, 0)

        return change

    runs = [changed(in_halves(0, 0)), changed(in_halves(0.2, 0.8))]
    wide = runs[0].compare(runs[1]).frame
    for run in runs:
        run.manifest["metrics"]["relative_invariance"]["needs"] = "classes"
    frame = runs[0].compare(runs[1]).frame
    own = frame.metric == "relative_invariance"
    length, before = (table.ci_high - table.ci_low for table in (frame, wide))
    assert (length[own] < 0.2 * before[own]).all()
    assert np.allclose(length[~own], before[~own])
