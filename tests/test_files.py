"""Files that are whole or not there: a failure at any step leaves what was there before."""

import builtins
import math
import os
from pathlib import Path
from typing import Any

import pytest

from invariscope.errors import RunError
from invariscope.files import read_json, remove_leftovers, write_file, write_json


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "rows" / "a.parquet"
    write_file(path, b"old")
    return path


class FullFile:
    """A file whose disk is full after a few bytes."""

    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self._file.close()

    def write(self, content):
        self._file.write(content[:2])
        raise OSError(28, "No space left on device")


def full(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["write", "sync", "rename"])
def test_a_failure_at_any_step_keeps_the_old_file(old, monkeypatch, step):
    if step == "write":
        real = builtins.open
        monkeypatch.setattr(builtins, "open", lambda *args: FullFile(real(*args)))
    else:
        monkeypatch.setattr(os, {"sync": "fsync", "rename": "replace"}[step], full)
    with pytest.raises(
        RunError,
        match=r"^cannot write a.parquet in .*rows: No space left on device; 3 blocks are kept; "
        r"make room .* writable, then run the same command again to resume$",
    ):
        write_file(old, b"new and longer", kept="3 blocks are kept")
    monkeypatch.undo()
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["a.parquet"]


def test_bytes_are_on_the_disk_before_they_take_the_name(old, monkeypatch):
    steps: list[tuple[str, Any]] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor):
        steps.append(("sync", os.fstat(descriptor).st_size))
        real_sync(descriptor)

    def replace(source, target):
        steps.append(("rename", Path(source).read_bytes()))
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    write_file(old, b"new bytes")
    assert steps[:2] == [("sync", 9), ("rename", b"new bytes")]
    assert [name for name, _ in steps[2:]] == (["sync"] if os.name == "posix" else [])
    assert old.read_bytes() == b"new bytes"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"^cannot write a.json in .*file/deeper: Not a directory"):
        write_file(tmp_path / "file" / "deeper" / "a.json", b"{}")


def test_leftovers_only(old):
    for name in (".b.parquet.17.part", ".manifest.json.4.part"):
        (old.parent / name).write_bytes(b"half")
    for name in ("notes.part", ".hidden"):
        (old.parent / name).write_bytes(b"of the user")
    assert remove_leftovers(old.parent) == 2
    assert sorted(os.listdir(old.parent)) == [".hidden", "a.parquet", "notes.part"]
    assert remove_leftovers(old.parent / "nowhere") == 0


def test_numbers_that_json_does_not_have_are_written_where_they_may_be(tmp_path):
    path = tmp_path / "train.json"
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"accuracy": math.nan})
    assert not path.exists()
    write_json(path, {"accuracy": math.nan}, allow_nan=True)
    assert math.isnan(read_json(path, "")["accuracy"])
