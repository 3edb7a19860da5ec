"""Damaged files of a run: found, and named in one line; never other numbers, never a traceback."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from invariscope.errors import InputError
from invariscope.results import (
    ROW_SCHEMA,
    Result,
    RowStore,
    read_summary,
    summarise,
    write_block,
    write_summary,
)
from invariscope.results.row_table import read_contents
from oracles.runs import completed_blocks, manifest_of, tables_of


def flipped(content, place, bit):
    damaged = bytearray(content)
    damaged[place] ^= 1 << bit
    return bytes(damaged)


def flips(content, count, seed=0):
    """Single flipped bits, half of them in the last third, where parquet keeps what has no sum."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        first = 0 if k % 2 else 2 * len(content) // 3
        yield flipped(content, int(rng.integers(first, len(content))), int(rng.integers(8)))


def everything(store):
    return [
        (layer, s.metric, s.control, s.cells, s.values.tobytes(), s.present.tobytes())
        for layer in store.layers()
        for s in store.dense(layer)
    ] + [store.images, store.labels.tolist()]


def test_a_block_is_complete_only_if_it_reads_as_it_was_written(tmp_path):
    path = write_block(tmp_path, 0, tables_of(images=8)[0][0])
    good, truth = path.read_bytes(), everything(RowStore(tmp_path))
    found = 0
    for damaged in flips(good, 700):
        path.write_bytes(damaged)
        if completed_blocks(tmp_path):
            # Such as a bit of a statistic that nobody reads.
            assert everything(RowStore(tmp_path)) == truth
        else:
            found += 1
    assert found > 400


def test_damage_is_an_error_of_one_line(tmp_path):
    path = write_block(tmp_path, 0, tables_of(images=8)[0][0])
    good, messages = path.read_bytes(), set()
    for damaged in flips(good, 500, seed=1):
        path.write_bytes(damaged)
        try:
            everything(RowStore(tmp_path))
        except InputError as problem:
            messages.add(str(problem))
    assert messages == {
        f"{path} is damaged: run `invariscope measure … --resume` on its run folder to measure "
        "that block again, or delete the file to go without it"
    }


def file_with_contents(path, table, contents):
    """A block whose pages are right, with other contents in its footer."""
    metadata = {b"invariscope.contents": json.dumps(contents).encode()}
    with pq.ParquetWriter(path, ROW_SCHEMA.with_metadata(metadata)) as writer:
        start = 0
        for entry in read_contents(table.schema)["layers"]:
            part = table.slice(start, entry["rows"]).replace_schema_metadata(metadata)
            writer.write_table(part)
            start += entry["rows"]


def contradictions(contents):
    """The contents, and contents that name another image, layer, label, or number of rows."""
    yield "none", contents
    yield "image", {**contents, "images": ["other", *contents["images"][1:]]}
    yield "label", {**contents, "labels": [1, *contents["labels"][1:]]}
    first, *rest = contents["layers"]
    for key, value in (("name", "b"), ("rows", first["rows"] + 1), ("series", [])):
        yield key, {**contents, "layers": [{**first, key: value}, *rest]}


def test_contents_that_contradict_the_rows(tmp_path):
    """Before this was checked, the rows of an unknown image were taken for the last image's."""
    table = tables_of(images=8)[0][0]
    path = tmp_path / "block-00000.parquet"
    for what, contents in contradictions(read_contents(table.schema)):
        file_with_contents(path, table, contents)
        assert completed_blocks(tmp_path) == ([0] if what == "none" else [])
        if what in ("image", "name", "rows"):  # what would put numbers in wrong places
            with pytest.raises(InputError, match=r"block-00000.parquet is damaged: run `invar"):
                everything(RowStore(tmp_path))


def test_a_file_of_other_columns_is_no_block(tmp_path):
    table = tables_of(images=8)[0][0]
    pq.write_table(table.drop_columns("weight"), tmp_path / "block-00000.parquet")
    assert completed_blocks(tmp_path) == []
    with pytest.raises(InputError, match=r"block-00000.parquet is damaged"):
        RowStore(tmp_path)


def test_other_files_are_no_blocks(tmp_path):
    write_block(tmp_path, 3, tables_of(images=8)[0][0])
    for name in ("block-1.parquet", "block-00004.parquet.bak", "notes.txt"):
        (tmp_path / name).write_text("of the user")
    assert completed_blocks(tmp_path) == [3]
    assert RowStore(tmp_path).blocks == [3]


def test_a_damaged_summary_gives_no_other_numbers(tmp_path):
    frame = summarise(RowStore(tables_of(images=8)[0]), manifest_of())
    path = write_summary(tmp_path, frame)
    good, messages = path.read_bytes(), []
    for place in range(4, 3 * len(good) // 4, 23):  # the pages, and some of the footer
        path.write_bytes(flipped(good, place, 2))
        try:
            read = read_summary(tmp_path)
        except InputError as problem:
            messages.append(str(problem))
        else:
            assert read.equals(frame)
    assert len(messages) > 100
    assert all("delete the file, and it is computed again" in text for text in messages)


def test_a_summary_of_other_columns(tmp_path):
    frame = summarise(RowStore(tables_of(images=8)[0]), manifest_of())
    frame.drop(columns="median").to_parquet(tmp_path / "summary.parquet")
    with pytest.raises(InputError, match=r"cannot read .*summary.parquet .*: delete the file"):
        read_summary(tmp_path)


def test_a_damaged_example_is_named(run, tmp_path):
    folder = run[0].save(tmp_path / "run")
    path = folder / "example.png"
    good, messages = path.read_bytes(), []
    for damaged in [*flips(good, 60), good[:-20], good[:40], b""]:
        path.write_bytes(damaged)
        try:
            Result.load(folder)
        except InputError as problem:
            messages.append(str(problem))
    assert len(messages) > 30
    assert all("example.png: delete it, the report does without" in text for text in messages)
