"""Rows on the disk: whole or not there, read layer by layer, in the run's order."""

import os
import signal

import numpy as np
import pytest

from children import Child
from invariscope.errors import InputError, RunError
from invariscope.results import (
    RowBuilder,
    RowStore,
    summarise,
    write_block,
)
from oracles.runs import completed_blocks, manifest_of, tables_of


def test_written_rows_come_back(tmp_path):
    tables, truth = tables_of()
    for number, table in enumerate(tables):
        write_block(tmp_path, number, table)
    disk, memory = RowStore(tmp_path), RowStore(tables)
    assert completed_blocks(tmp_path) == [0, 1, 2]
    assert disk.images == memory.images == tuple(f"image-{k:03}" for k in range(20))
    assert disk.labels.tolist() == [0, 1] * 10
    assert disk.layers() == ("a", "embedding")
    for store in (disk, memory):
        series = {(s.metric, s.control): s for s in store.dense("embedding")}
        assert set(series) == {
            ("relative_invariance", ""),
            ("relative_invariance", "shuffled"),
            ("mean_relative_invariance", ""),
        }
        ratio = series["mean_relative_invariance", ""]
        column = ratio.cells.index("rotate=20")
        values, weights = truth["embedding", "mean_relative_invariance", "", "rotate=20"]
        assert (ratio.values[:, column] == values).all()
        assert ratio.weights is not None
        assert (ratio.weights[:, column] == weights).all()
    assert disk.read("nowhere").num_rows == 0


@pytest.mark.parametrize("damage", [slice(0, 300), slice(0, 0), slice(0, -8)])
def test_a_damaged_block_is_not_complete(tmp_path, damage):
    for number, table in enumerate(tables_of()[0]):
        write_block(tmp_path, number, table)
    path = tmp_path / "block-00001.parquet"
    path.write_bytes(path.read_bytes()[damage])
    assert completed_blocks(tmp_path) == [0, 2]
    with pytest.raises(
        InputError, match=r"block-00001.parquet is damaged: run the same `invariscope"
    ):
        RowStore(tmp_path)
    rest = RowStore(tmp_path, blocks=[0, 2])
    assert rest.blocks == [0, 2]
    assert len(rest.images) == 12
    assert RowStore(tables_of()[0], blocks=[0, 2]).images == rest.images


def test_a_flipped_bit_is_found(tmp_path):
    path = write_block(tmp_path, 0, tables_of()[0][0])
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(bytes(content))
    assert completed_blocks(tmp_path) == []


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    table = tables_of()[0][0]
    write_block(tmp_path, 0, table)

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match=r"cannot write block-00001.parquet .*No space.*to resume"):
        write_block(tmp_path, 1, table)
    assert [path.name for path in tmp_path.iterdir()] == ["block-00000.parquet"]


def test_what_a_killed_write_leaves_is_no_block(tmp_path):
    write_block(tmp_path, 0, tables_of()[0][0])
    (tmp_path / ".block-00001.parquet.123.part").write_bytes(b"half")
    assert completed_blocks(tmp_path) == [0]
    assert completed_blocks(tmp_path / "nowhere") == []


def test_a_killed_write_loses_its_own_block_only(tmp_path):
    """The process dies by SIGKILL when block 2 is on the disk but has not taken its name yet."""
    code = """
import os, signal, sys
from invariscope.results import write_block
from oracles.runs import tables_of
tables = tables_of()[0]
write_block(sys.argv[1], 0, tables[0])
write_block(sys.argv[1], 1, tables[1])
os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
write_block(sys.argv[1], 2, tables[2])
"""
    with Child(code, tmp_path, said=tmp_path.with_name("said")) as child:
        assert child.ended()[0] == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 3
    assert completed_blocks(tmp_path) == [0, 1]
    write_block(tmp_path, 2, tables_of()[0][2])
    manifest = manifest_of()
    whole = summarise(RowStore(tables_of()[0]), manifest)
    assert summarise(RowStore(tmp_path), manifest).equals(whole)


def test_an_image_in_two_blocks_is_refused():
    table = tables_of()[0][0]
    with pytest.raises(InputError, match="'image-000' is in block 0 and in block 1"):
        RowStore([table, table])


def test_the_builder_checks_shapes():
    rows = RowBuilder(["a", "b"], [0, 1])
    with pytest.raises(InputError, match=r"values of m at l: shape \(3,\), but the block has 2"):
        rows.add(cell="c", layer="l", metric="m", values=np.ones(3))
    with pytest.raises(InputError, match="2 images, but 1 labels"):
        RowBuilder(["a", "b"], [0])


def test_a_block_without_rows_is_complete(tmp_path):
    write_block(tmp_path, 0, RowBuilder(["a"], [0]).table())
    assert completed_blocks(tmp_path) == [0]
    assert RowStore(tmp_path).layers() == ()
