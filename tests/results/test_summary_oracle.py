"""The summary's intervals, resample by resample, and that it is computed a layer at a time."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from invariscope.metrics import METRICS
from invariscope.results import RowBuilder, RowStore, rows, summarise, summary, write_block
from oracles.intervals import reference_interval
from oracles.runs import manifest_of, tables_of


def test_every_interval_is_that_of_the_oracle():
    """Covariances of neighbours count where the manifest says that they share an image."""
    tables, truth = tables_of(images=14, size=5, undefined=(3, 6))
    frame = summarise(RowStore(tables), manifest_of(images=14, seed=5))
    cells = {
        (e["transformation"], e["level"]): e["cell"] for e in manifest_of()["settings"]["cells"]
    }
    labels = np.arange(14) % 2
    for row in frame.to_dict("records"):
        cell = cells[row["transformation"], row["level"]]
        values, weights = truth[row["layer"], row["metric"], row["control"], cell]
        chosen = np.ones(14, bool)
        if isinstance(row["class"], str):
            chosen = labels == ["cat", "dog"].index(row["class"])
        images = chosen.sum()
        theirs = reference_interval(
            values[chosen].astype(float),
            weights[chosen].astype(float),
            kind=METRICS.get(row["metric"]).estimate,
            neighbours=row["metric"] == "relative_invariance",
            bounds=(None, 1.0),
            seed=5,
        )
        ours = [row[name] for name in ("value", "ci_low", "ci_high", "n")]
        assert np.allclose(ours, theirs, rtol=0, atol=1e-6)
        assert row["n_undefined"] == images - theirs[3]
        assert row["n_undefined"] == (
            0 if row["control"] else np.isin([3, 6], chosen.nonzero()[0]).sum()
        )


def test_one_layer_is_in_memory_at_a_time(tmp_path, monkeypatch):
    for number, table in enumerate(tables_of()[0]):
        write_block(tmp_path, number, table)
    read = []
    real = rows.pq.ParquetFile.read_row_groups

    def read_row_groups(file, groups, **settings):
        read.append(list(groups))
        return real(file, groups, **settings)

    monkeypatch.setattr(rows.pq.ParquetFile, "read_row_groups", read_row_groups)
    store = RowStore(tmp_path)
    assert read == []  # the order of images is known without reading a row
    summarise(store, manifest_of())
    assert read == [[0]] * 3 + [[1]] * 3


def test_small_memory_gives_the_same_summary(monkeypatch):
    whole = summarise(RowStore(tables_of()[0]), manifest_of())
    monkeypatch.setattr(summary, "_BATCH_BYTES", 1)
    assert summarise(RowStore(tables_of()[0]), manifest_of()).equals(whole)


@settings(max_examples=15)
@given(cuts=st.sets(st.integers(1, 19)), undefined=st.sets(st.integers(0, 19)))
def test_any_division_into_blocks_gives_the_same_summary(cuts, undefined):
    """Undefined values included: NaN is counted, never averaged."""
    undefined = tuple(undefined)
    whole = tables_of(size=20, undefined=undefined)[0]
    single = tables_of(size=1, undefined=undefined)[0]
    edges = [0, *sorted(cuts), 20]
    parts = [rows.pa.concat_tables(single[first:last]) for first, last in itertools.pairwise(edges)]
    frame = summarise(RowStore(parts), manifest_of())
    assert frame.equals(summarise(RowStore(whole), manifest_of()))
    everyone = frame[frame["class"].isna() & (frame["control"] == "")]
    assert (everyone["n_undefined"] == len(undefined)).all()
    assert (everyone["n"] == 20 - len(undefined)).all()
    assert (frame["value"].isna() == (frame["n"] == 0)).all()
    assert (frame["ci_low"].isna() == (frame["n"] < 2)).all()


def test_blocks_written_in_any_order_are_read_in_theirs(tmp_path):
    tables = tables_of()[0]
    for number in (2, 0, 1):
        write_block(tmp_path, number, tables[number])
    assert RowStore(tmp_path).images == RowStore(tables).images
    assert summarise(RowStore(tmp_path), manifest_of()).equals(
        summarise(RowStore(tables), manifest_of())
    )


def labelled_run(labels, layers=("a", "embedding", "logits")):
    images = [f"{k}" for k in range(len(labels))]
    builder = RowBuilder(images, labels)
    values = np.linspace(0, 1, len(labels), dtype=np.float32)
    for layer in layers:
        for control in ("", "untrained", "shuffled", "later"):
            builder.add(
                cell="rotate=10", layer=layer, metric="unlisted", values=values, control=control
            )
    return RowStore([builder.table()])


def test_classes_without_a_name_and_what_the_manifest_does_not_list():
    manifest = manifest_of()
    frame = summarise(labelled_run([4, 0, -1, 4, 1, 0]), manifest)
    classes = frame[frame["class"].notna()]
    assert classes["layer"].tolist() == ["embedding"] * 3 + ["logits"] * 3
    assert classes["class"].tolist() == ["cat", "dog", "4"] * 2
    assert np.allclose(classes["value"], [0.6, 0.8, 0.3] * 2)
    assert classes["ci_low"].isna().tolist() == [False, True, False] * 2  # one image: no interval
    # Listed controls first, then the rest by name; a layer that is not listed has no part.
    assert list(dict.fromkeys(frame["control"])) == ["", "shuffled", "later", "untrained"]
    assert dict(zip(frame["layer"], frame["part"], strict=True)) == {
        "a": "Early", "embedding": "Pool", "logits": "",
    }  # fmt: skip


def test_no_rows_are_no_summary():
    frame = summarise(RowStore([]), manifest_of())
    assert len(frame) == 0
    assert list(frame.columns) == summary.SUMMARY_SCHEMA.names
