"""The folder of a cache: bounded, shared, and never the reason why a run fails."""

import errno
import json
import os
import threading

import pytest
from filelock import FileLock

from invariscope.cache import CacheFolder, check_cache, folder
from invariscope.cache.folder import LOCK, MARKER, size_in_bytes
from invariscope.errors import InputError

SHELF = "ab" + "0" * 30


def open_folder(path, size="1MB"):
    notes = []
    return CacheFolder(path, size, notes.append), notes


def put(cache, name, size, age=0):
    """Writes a segment that was last read so many seconds ago."""
    cache.write(SHELF, name, name.encode().ljust(size, b"."))
    path = cache.path / "ab" / f"{SHELF}.{name}.arrow"
    if path.exists():
        os.utime(path, (1e9 - age, 1e9 - age))
    return path


def names(cache):
    return [path.name.split(".")[1] for path in cache.segments(SHELF)]


def test_what_is_written_is_read(tmp_path):
    cache, notes = open_folder(tmp_path / "a" / "cache")
    path = put(cache, "x", 10)
    assert cache.read(path) == b"x........."
    assert cache.segments("cd" + "0" * 30) == []
    assert cache.read(path.with_name("gone.arrow")) is None
    assert not notes
    assert sorted(file.name for file in cache.path.iterdir()) == [LOCK, "ab", MARKER]


@pytest.mark.parametrize(
    ("size", "bytes_"), [("10GB", 10**10), ("500 mb", 5 * 10**8), ("0.5k", 500), (7, 7), ("7", 7)]
)
def test_sizes(size, bytes_):
    assert size_in_bytes(size) == bytes_


@pytest.mark.parametrize("size", ["", "much", "-1GB", 0, "10 GiB", "1e3", "0.1"])
def test_what_is_no_size(size, tmp_path):
    with pytest.raises(InputError, match=r"`cache_size` is .*: give a size such as 10GB or 500MB"):
        check_cache(tmp_path, size)


def test_folders_that_are_no_cache(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file is a file: give a folder"):
        check_cache(tmp_path / "file")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "cat.png").write_text("")
    with pytest.raises(InputError, match=r"holds something else \(cat.png\): give a new"):
        check_cache(tmp_path / "pictures")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / MARKER).write_text(json.dumps({"format": 9}))
    with pytest.raises(InputError, match="newer has format 9, and this version reads format 1"):
        CacheFolder(tmp_path / "newer", "1MB", print)
    assert sorted(os.listdir(tmp_path / "pictures")) == ["cat.png"]


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(folder.os, "listdir", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\): give another"):
        check_cache(tmp_path)


def test_a_damaged_marker_is_still_one(tmp_path):
    (tmp_path / MARKER).write_text("{")
    cache, notes = open_folder(tmp_path)
    assert put(cache, "x", 10).exists()
    assert not notes


def test_what_was_not_read_for_the_longest_time_goes_first(tmp_path):
    cache, notes = open_folder(tmp_path, "100")
    oldest = put(cache, "a", 30, age=3)
    put(cache, "b", 30, age=2)
    put(cache, "c", 30, age=1)
    other, _ = open_folder(tmp_path, "100")  # another process
    assert other.read(oldest) is not None
    put(other, "d", 30)
    assert names(cache) == ["a", "c", "d"]
    put(other, "e", 65)
    assert names(cache) == ["a", "e"]  # d has the age of b
    assert sum(path.stat().st_size for path in cache.segments(SHELF)) <= 100
    assert not notes


def test_a_run_is_told_once_that_it_removes_its_own(tmp_path):
    cache, notes = open_folder(tmp_path, "100")
    for number in range(9):
        put(cache, str(number), 40, age=9 - number)
        assert sum(path.stat().st_size for path in cache.segments(SHELF)) <= 100
    assert names(cache) == ["7", "8"]
    put(cache, "large", 101)
    assert names(cache) == ["7", "8"]
    (note,) = notes
    assert "has no room for all of this run" in note
    assert "give a larger `cache_size`" in note


def test_a_folder_that_cannot_be_made_costs_a_note(tmp_path):
    (tmp_path / "file").write_text("")
    cache, notes = open_folder(tmp_path / "file" / "cache")
    put(cache, "x", 10)
    assert cache.segments(SHELF) == []
    (note,) = notes
    assert note.startswith("nothing more is kept in the cache ")
    assert note.endswith("cache (Not a directory); the run goes on without")


def test_a_full_disk_costs_a_note(tmp_path, monkeypatch):
    cache, notes = open_folder(tmp_path)
    put(cache, "x", 10)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    put(cache, "y", 10)
    monkeypatch.undo()
    put(cache, "z", 10)  # it is not tried again
    assert names(cache) == ["x"]
    assert not list(tmp_path.rglob("*.part"))
    assert len(notes) == 1
    assert "(No space left on device); the run goes on without" in notes[0]


def test_a_lock_that_is_never_released_costs_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "_PATIENCE", 0.05)
    cache, notes = open_folder(tmp_path)
    with FileLock(tmp_path / LOCK):
        thread = threading.Thread(target=put, args=(cache, "x", 10))
        thread.start()
        thread.join()
    assert names(cache) == []
    assert notes[0].endswith("(another process holds its lock); the run goes on without")


def test_what_killed_writes_left_is_removed_unless_someone_writes(tmp_path):
    open_folder(tmp_path)
    part = tmp_path / "ab" / ".x.arrow.1.part"
    part.parent.mkdir()
    part.write_text("half")
    with FileLock(tmp_path / LOCK):
        thread = threading.Thread(target=open_folder, args=(tmp_path,))
        thread.start()
        thread.join()
        assert part.exists()
    _, notes = open_folder(tmp_path)
    assert not part.exists()
    assert not notes
