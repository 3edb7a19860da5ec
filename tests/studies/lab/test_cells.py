import json

import pytest

import oracles.cells  # noqa: F401
from invariscope.errors import InputError
from invariscope.studies.lab.cells import CELL, CELL_KINDS, DONE, Cell, CellKind, do_cell, finished


def test_the_key_is_that_of_kind_version_and_settings(monkeypatch):
    cell = Cell("double", {"number": 1, "more": [1, 2]})
    assert cell.key == Cell("double", {"more": [1, 2], "number": 1}).key
    assert cell == Cell("double", {"more": [1, 2], "number": 1})
    assert (
        len({cell.key, Cell("append", cell.settings).key, Cell("double", {"number": 1}).key}) == 3
    )
    before = cell.key
    changed = CellKind("double", CELL_KINDS.get("double").write, version=2)
    monkeypatch.setitem(CELL_KINDS._entries, "double", changed)
    assert cell.key != before


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_settings_are_what_json_holds(value):
    with pytest.raises(InputError, match="settings of a 'double' cell"):
        _ = Cell("double", {"number": value}).key


def test_an_unknown_kind_lists_the_nearest():
    with pytest.raises(InputError, match="unknown kind of cell 'doubel': did you mean double"):
        _ = Cell("doubel", {}).key


def test_a_finished_cell_never_runs_twice(tmp_path):
    cell = Cell("double", {"number": 4})
    first = do_cell(cell, tmp_path)
    (tmp_path / cell.key / "mine").write_text("")
    assert do_cell(cell, tmp_path) == first == finished(tmp_path / cell.key)
    assert len((tmp_path / cell.key / "log").read_text().split()) == 1
    assert (tmp_path / cell.key / "mine").exists()
    about = json.loads((tmp_path / cell.key / CELL).read_text())
    assert about["kind"] == "double"
    assert about["settings"] == {"number": 4}


def test_a_half_written_cell_is_redone_from_nothing(tmp_path):
    cell = Cell("double", {"number": 4})
    do_cell(cell, tmp_path)
    folder = tmp_path / cell.key
    (folder / DONE).unlink()
    (folder / "left over").write_text("")
    do_cell(cell, tmp_path)
    assert len((folder / "log").read_text().split()) == 1
    assert not (folder / "left over").exists()
    assert finished(folder) is not None


def test_a_kind_that_resumes_finds_what_it_left(tmp_path):
    cell = Cell("append", {"fails": 2})
    for _ in range(2):
        with pytest.raises(Exception, match="interrupted"):
            do_cell(cell, tmp_path)
        assert finished(tmp_path / cell.key) is None
    do_cell(cell, tmp_path)
    assert len((tmp_path / cell.key / "lines").read_text().splitlines()) == 3


def test_a_damaged_marker_is_no_marker(tmp_path):
    (tmp_path / DONE).write_text("{")
    assert finished(tmp_path) is None
    assert finished(tmp_path / "nowhere") is None


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "cells").write_text("a file")
    with pytest.raises(InputError, match=r"cannot write cells in .*; give another folder"):
        do_cell(Cell("double", {"number": 1}), tmp_path / "cells")
