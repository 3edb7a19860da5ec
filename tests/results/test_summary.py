"""The summary: every column against the rows it comes from."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.results import RowBuilder, RowStore, summarise, write_summary
from invariscope.results.summary import undefined
from invariscope.statistics.estimates import estimate
from oracles.runs import manifest_of, tables_of


def one(frame, **conditions):
    for column, wanted in conditions.items():
        frame = frame[frame[column].isna() if wanted is None else frame[column] == wanted]
    assert len(frame) == 1
    return frame.iloc[0]


def test_every_column_of_every_row():
    tables, truth = tables_of(undefined=(3, 11))
    frame = summarise(RowStore(tables), manifest_of())
    cells = {
        (e["transformation"], e["level"]): e["cell"] for e in manifest_of()["settings"]["cells"]
    }
    seen = 0
    for row in frame.to_dict("records"):
        cell = cells[row["transformation"], row["level"]]
        values, weights = truth[row["layer"], row["metric"], row["control"], cell]
        name = row["class"]
        chosen = np.isfinite(values)
        if isinstance(name, str):
            chosen &= np.arange(20) % 2 == ["cat", "dog"].index(name)
        expected = (values * weights)[chosen].sum() / weights[chosen].sum()
        assert np.isclose(row["value"], expected, atol=1e-6)
        assert row["n"] == chosen.sum()
        assert row["ci_low"] <= row["value"] <= row["ci_high"]
        assert row["part"] == {"a": "Early", "embedding": "Pool"}[row["layer"]]
        if row["metric"] == "relative_invariance":
            assert np.isclose(row["median"], np.median(values[chosen]), atol=1e-6)
            assert np.isclose(row["q25"], np.quantile(values[chosen], 0.25), atol=1e-6)
        else:
            assert np.isnan(row["median"])
        seen += 1
    # 7 entries × (2 layers × 2 metrics for all, 1 layer × 2 metrics × 2 classes, 1 control)
    assert seen == 7 * (4 + 4 + 1)
    assert set(frame[frame["class"].isna() & (frame.control == "")]["n_undefined"]) == {2}


def test_cells_are_shown_wherever_they_belong():
    frame = summarise(RowStore(tables_of()[0]), manifest_of())
    at = {"metric": "relative_invariance", "layer": "embedding", "class": None, "control": ""}
    second = one(frame, transformation="shear_x", level=2, **at)
    third = one(frame, transformation="shear_x", level=3, **at)
    assert (second.value, second.ci_low) == (third.value, third.ci_low)
    for name in ("rotate", "shear_x"):
        identity = one(frame, transformation=name, level=0, **at)
        assert identity.value == identity.ci_low == identity.ci_high == 1


def test_classes_at_headline_layers_only():
    frame = summarise(RowStore(tables_of()[0]), manifest_of())
    assert set(frame[frame["class"].notna()]["layer"]) == {"embedding"}
    assert set(frame[frame["class"].notna()]["control"]) == {""}


def test_nothing_but_undefined_values_gives_no_value():
    tables, _ = tables_of(undefined=range(20))
    frame = summarise(RowStore(tables), manifest_of())
    measured = frame[frame.control == ""]
    assert (measured.n == 0).all()
    assert measured[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert (frame.value.isna() == (frame.n == 0)).all()


@given(order=st.permutations(range(3)), size=st.sampled_from([5, 8, 20]))
def test_blocks_and_their_order_do_not_matter(order, size):
    whole = summarise(RowStore(tables_of(size=20)[0]), manifest_of())
    tables = tables_of(size=8)[0]
    other = summarise(RowStore([tables[k] for k in order]), manifest_of())
    parts = summarise(RowStore(tables_of(size=size)[0]), manifest_of())
    assert parts.equals(whole)  # the same order of images: the same bytes
    keys = ["control", "metric", "transformation", "level", "layer", "class"]
    pd.testing.assert_frame_equal(other[keys], whole[keys])
    assert np.allclose(other.value, whole.value, atol=1e-9)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        frame = summarise(RowStore(tables_of()[0]), manifest_of())
        write_summary(tmp_path / name, frame)
    assert (tmp_path / "a/summary.parquet").read_bytes() == (
        tmp_path / "b/summary.parquet"
    ).read_bytes()
    # the names of library versions that pandas puts there would make other bytes
    assert pq.read_schema(tmp_path / "a/summary.parquet").metadata is None


def test_rows_come_in_the_order_of_the_manifest():
    manifest = manifest_of()
    manifest["settings"]["cells"].reverse()
    manifest["settings"]["layers"].reverse()
    manifest["settings"]["metrics"].reverse()
    frame = summarise(RowStore(tables_of()[0]), manifest)
    frame = frame[frame["class"].isna() & (frame.control == "")]
    assert list(dict.fromkeys(frame.metric)) == ["mean_relative_invariance", "relative_invariance"]
    first = frame.iloc[:14]
    assert first.transformation.tolist() == ["shear_x"] * 8 + ["rotate"] * 6
    assert first.level.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2]
    assert first.layer.tolist() == ["embedding", "a"] * 7


def small_run(labels=(0, 1, -1), cell="rotate=10", control_on=3):
    rows = RowBuilder(["a", "b", "c"], list(labels))
    rows.add(cell=cell, layer="embedding", metric="relative_invariance", values=[0.1, 0.2, 0.9])
    rest = RowBuilder(["a", "b", "c"][:control_on], list(labels)[:control_on])
    rest.add(
        cell=cell, layer="embedding", metric="relative_invariance", control="shuffled",
        values=[0.1, 0.2, 0.9][:control_on],
    )  # fmt: skip
    merged = {
        name: rows.table()[name].to_pylist() + rest.table()[name].to_pylist()
        for name in rows.table().column_names
    }
    return RowStore([pa.table(merged)])


def test_images_without_a_label_are_in_no_class():
    frame = summarise(small_run(), manifest_of())
    classes = frame[frame["class"].notna()]
    assert classes["class"].tolist() == ["cat", "dog"]
    assert classes["n"].tolist() == [1, 1]
    assert frame[frame["class"].isna()]["n"].tolist() == [3, 3]


def test_a_control_on_fewer_images_is_a_sample_of_those():
    """Images without a row are neither undefined nor drawn."""
    frame = summarise(small_run(control_on=2), manifest_of())
    control = one(frame, control="shuffled")
    assert (control["n"], control["n_undefined"]) == (2, 0)
    low, high = estimate(np.array([[0.1], [0.2]], np.float32)).interval(seed=0)
    assert (control["ci_low"], control["ci_high"]) == (low[0], high[0])


def test_rows_of_another_run_are_refused():
    with pytest.raises(InputError, match="name the cell 'blur=3', which the manifest does not"):
        summarise(small_run(cell="blur=3"), manifest_of())


def test_a_table_that_lacks_a_column_is_refused():
    with pytest.raises(InputError, match="a table of rows lacks the column 'label'"):
        RowStore([pa.table({"image": ["a"]})])


def test_what_is_undefined_for_every_image_is_said():
    frame = summarise(small_run(), manifest_of())
    assert undefined(frame) == []
    nowhere = frame.assign(n=frame["n"].where(frame["level"] != 1, 0))
    (note,) = undefined(nowhere)
    assert note.startswith("relative_invariance is undefined for every image at 1 of ")
    assert "the first: rotate at level 1, embedding" in note
