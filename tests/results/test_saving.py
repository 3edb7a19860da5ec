"""Saving: whole or not at all, whatever goes wrong on the way."""

import pytest

from invariscope.errors import InputError
from invariscope.results import Result, RowStore, write_block
from oracles.runs import completed_blocks, manifest_of, tables_of


def test_a_run_whose_rows_are_damaged_leaves_nothing(tmp_path):
    paths = [
        write_block(tmp_path / "rows", number, table) for number, table in enumerate(tables_of()[0])
    ]
    path = paths[-1]
    result = Result(manifest_of(), RowStore(tmp_path / "rows"))
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"block-00002.parquet is damaged"):
        result.save(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_an_interrupted_save_leaves_nothing(run, tmp_path, monkeypatch):
    result, _ = run

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("invariscope.results.result.write_summary", interrupted)
    with pytest.raises(KeyboardInterrupt):
        result.save(tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_the_user_is_left_alone(run, tmp_path):
    result, _ = run
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match=r"is not empty: give a new or empty folder"):
            result.save(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert Result.load(result.save(tmp_path / "empty")).frame.equals(result.frame)


def test_blocks_keep_their_numbers(tmp_path):
    """A run that lacks block 1 can still be taken up where it was saved."""
    result = Result(manifest_of(), RowStore(tables_of()[0], blocks=[0, 2]))
    folder = result.save(tmp_path / "run")
    assert completed_blocks(folder / "rows") == [0, 2]
    loaded = Result.load(folder)
    assert loaded.store.images == result.store.images
    assert loaded.rows.equals(result.rows)
    assert loaded.example is None
    assert loaded.folder == folder


def test_the_same_run_saved_twice_is_the_same_bytes(run, tmp_path):
    result, _ = run
    once = result.save(tmp_path / "once")
    again = Result.load(once).save(tmp_path / "again")
    files = [path.relative_to(once) for path in once.rglob("*") if path.is_file()]
    assert len(files) == 6  # manifest, summary, example, 3 blocks
    for file in files:
        assert (once / file).read_bytes() == (again / file).read_bytes()


def test_overview_of_a_metric_that_only_logits_have():
    manifest = manifest_of()
    result = Result(manifest, RowStore(tables_of()[0]))
    result.frame["layer"] = "logits"
    table = result.overview()
    assert table.columns.name == "relative_invariance at the logits"
    assert sorted(table.index) == ["rotate", "shear_x"]
    assert (table["min"] <= table["mean"]).all()
    assert (table["mean"] <= table["max"]).all()


def test_overview_of_a_metric_of_maps_is_of_the_deepest_layer():
    result = Result(manifest_of(), RowStore(tables_of()[0]))
    result.frame["layer"] = "layer4"
    table = result.overview()
    assert table.columns.name == "relative_invariance at the layer4"
    assert len(table) == 2
