"""Averages over levels and layers: the formula, the intervals, what counts and what does not."""

import numpy as np
import pyarrow as pa
import pytest

from invariscope.errors import InputError
from invariscope.metrics import METRICS
from invariscope.results import Result, RowStore, averages
from oracles.averages import reference_average_interval
from oracles.runs import manifest_of, tables_of

CELLS = {"rotate": ["rotate=10", "rotate=20"], "shear_x": ["shear_x=10", "shear_x=20"]}
PAIRED = {"relative_invariance": True, "mean_relative_invariance": False}


def three_layers(manifest):
    """The toy run's manifest with both layers in one part, so that a part has two."""
    for layer in manifest["settings"]["layers"]:
        layer["part"] = "Late"
    return manifest


def places(truth, metric, layers, names):
    return [
        [[truth[layer, metric, "", cell] for cell in CELLS[name]] for name in names]
        for layer in layers
    ]


def one_row(frame, **keys):
    for key, wanted in keys.items():
        frame = frame[frame[key].isna() if wanted is None else frame[key] == wanted]
    assert len(frame) == 1
    return frame.iloc[0]


@pytest.mark.parametrize("metric", list(PAIRED))
@pytest.mark.parametrize("undefined", [(), (0, 7)])
def test_every_number_is_that_of_the_oracle(metric, undefined):
    tables, truth = tables_of(undefined=undefined)
    frame = Result(three_layers(manifest_of()), RowStore(tables)).averages(metric)
    about = METRICS.get(metric)
    for name in ("rotate", "shear_x", None):
        for layer in ("a", "embedding", None):
            row = one_row(frame, transformation=name, layer=layer)
            layers = [layer] if layer else ["a", "embedding"]
            names = [name] if name else list(CELLS)
            expected = reference_average_interval(
                places(truth, metric, layers, names),
                kind=about.estimate, neighbours=PAIRED[metric], bounds=(None, about.high), seed=0,
            )  # fmt: skip
            assert np.allclose([row.value, row.ci_low, row.ci_high], expected, atol=1e-6)
            assert row.n == 20 - len(undefined)
            assert row.part == "Late"


def test_the_value_is_the_mean_of_the_summary_over_its_distinct_levels(run):
    result, _ = run
    frame = result.averages()
    assert set(frame["metric"]) == set(PAIRED)
    summary = result.frame
    summary = summary[summary["class"].isna() & (summary["level"] > 0)]
    # shear_x at level 3 is the cell of level 2 again: it counts once.
    summary = summary[summary["level"] < 3]
    for row in frame[frame["layer"].notna() & frame["transformation"].notna()].itertuples():
        same = (
            (summary["metric"] == row.metric)
            & (summary["layer"] == row.layer)
            & (summary["transformation"] == row.transformation)
        )
        assert np.isclose(summary[same]["value"].mean(), row.value, atol=1e-12)


def test_levels_that_are_the_identity_do_not_count(run):
    result, _ = run
    before = result.averages("relative_invariance", "rotate")
    cells = result.manifest["settings"]["cells"]
    full_turn = {**cells[1], "level": 7, "magnitude": 360.0, "cell": "identity"}
    result.manifest["settings"]["cells"] = [*cells, full_turn]
    assert result.averages("relative_invariance", "rotate").equals(before)


def test_the_frame_is_tidy(run):
    result, _ = run
    frame = result.averages()
    assert list(frame) == list(averages.COLUMNS)
    assert frame[["model", "data"]].drop_duplicates().to_numpy().tolist() == [["toy", "toys"]]
    # 2 metrics × (2 transformations + all) × (2 parts + 2 layers)
    assert len(frame) == 2 * 3 * 4
    first = frame[:4]
    assert first["part"].tolist() == ["Early", "Pool", "Early", "Pool"]
    assert first["layer"].isna().tolist() == [True, True, False, False]
    assert first["depth"].tolist() == [30.0, 90.0, 30.0, 90.0]
    assert frame["transformation"].isna().tolist() == 2 * (8 * [False] + 4 * [True])
    assert result.averages("mean_relative_invariance")["metric"].unique() == [
        "mean_relative_invariance"
    ]


def test_batches_of_metrics_change_nothing(run, monkeypatch):
    result, _ = run
    whole = result.averages()
    monkeypatch.setattr(averages, "_BATCH_BYTES", 1)
    assert result.averages().equals(whole)


def test_equal_values_have_an_interval_without_width():
    def constant(table):
        frame = table.to_pandas()
        frame["value"] = np.float32(0.3)
        return pa.Table.from_pandas(frame, preserve_index=False)

    tables = [constant(table) for table in tables_of()[0]]
    frame = Result(manifest_of(), RowStore(tables)).averages()
    assert np.allclose(frame["value"], np.float32(0.3), atol=1e-12)
    assert (frame["ci_low"] == frame["value"]).all()
    assert (frame["ci_high"] == frame["value"]).all()


def test_what_is_never_defined_is_left_out_and_alone_is_null():
    def without(table, cells):
        frame = table.to_pandas()
        frame.loc[frame["cell"].isin(cells), "value"] = np.nan
        return pa.Table.from_pandas(frame, preserve_index=False)

    def run(*cells):
        tables = [without(table, cells) for table in tables_of()[0]]
        return Result(manifest_of(), RowStore(tables)).averages("relative_invariance")

    one, neither = run("rotate=20"), run("rotate=10", "rotate=20")
    _, truth = tables_of()
    only = truth["a", "relative_invariance", "", "rotate=10"][0].mean(dtype=np.float64)
    assert np.isclose(one_row(one, transformation="rotate", layer="a").value, only)
    gone = neither[neither["transformation"] == "rotate"]
    assert gone[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert (gone["n"] == 0).all()
    overall = one_row(neither, transformation=None, layer="a").value
    assert overall == one_row(neither, transformation="shear_x", layer="a").value


def test_n_is_that_of_the_cell_with_the_fewest_images():
    def without(table):
        frame = table.to_pandas()
        frame.loc[
            (frame["cell"] == "rotate=20") & (frame["image"].astype(str) < "image-003"), "value"
        ] = np.nan
        return pa.Table.from_pandas(frame, preserve_index=False)

    tables = [without(table) for table in tables_of()[0]]
    frame = Result(manifest_of(), RowStore(tables)).averages("relative_invariance")
    assert one_row(frame, transformation="rotate", layer="a").n == 17
    assert one_row(frame, transformation="shear_x", layer="a").n == 20
    assert one_row(frame, transformation=None, layer=None, part="Early").n == 17


def test_one_image_has_no_interval():
    frame = Result(manifest_of(1), RowStore(tables_of(images=1)[0])).averages()
    assert frame["value"].notna().all()
    assert frame[["ci_low", "ci_high"]].isna().all(axis=None)
    assert (frame["n"] == 1).all()


def test_names_that_the_run_does_not_have(run):
    result, _ = run
    with pytest.raises(InputError, match="unknown metric of this result 'accuracy'"):
        result.averages("accuracy")
    with pytest.raises(InputError, match=r"unknown transformation of this result 'rotat'.*rotate"):
        result.averages(transformations=["rotat"])
    cells = result.manifest["settings"]["cells"]
    result.manifest["settings"]["cells"] = [entry for entry in cells if entry["level"] == 0]
    with pytest.raises(InputError, match="no level above 0 to average"):
        result.averages()
