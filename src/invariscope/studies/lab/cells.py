"""A cell of a study: one job that is done once, kept on disk, and shared between studies.

A cell is a kind ("train", "measure", "factors", …) and settings that JSON can hold. Its key is the
hash of both, so the same job has the same folder, `CELLS/KEY/`, whichever study asks for it. What
the kind writes there is followed by the file `done`, which holds the files' digests; a folder
without it is half written and is done again (a kind that says ``resumes`` goes on with what it
finds, others start from nothing), and so is one of which a file is not what was written. A lock per
cell keeps two processes from doing the same one: the second waits and then reads.

A kind from another package goes through the entry-point group `invariscope.cells`.
"""

import hashlib
import json
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from invariscope.errors import InputError
from invariscope.files import remove_leftovers, undamaged, write_json
from invariscope.registry import Registry
from invariscope.sealed import read_sealed, write_sealed
from invariscope.version import VERSION

DONE = "done"
CELL = "cell.json"
_SHOWN = ("data", "model", "augment", "seed")


@dataclass(frozen=True)
class CellKind:
    """Does the cells of one kind.

    Attributes:
        name: Its name.
        write: Takes the settings and the cell's folder, and writes the cell's files there.
        version: Part of the key: raised when the same settings mean something else than before.
        resumes: It goes on with a half-written folder by itself; else the folder is emptied first.
    """

    name: str
    write: Callable[[Mapping[str, Any], Path], None]
    version: int = 1
    resumes: bool = False


CELL_KINDS: Registry[CellKind] = Registry("kind of cell", "invariscope.cells")


def cell_kind(
    name: str, *, version: int = 1, resumes: bool = False
) -> Callable[[Callable[[Mapping[str, Any], Path], None]], Callable]:
    """Registers a function (settings, folder) as what does the cells of a kind.

    Args:
        name: The kind's name.
        version: Part of the key; raise it when the same settings mean something else than before.
        resumes: The function goes on with a half-written folder by itself.
    """

    def add(write: Callable[[Mapping[str, Any], Path], None]) -> Callable:
        CELL_KINDS.add(name, CellKind(name, write, version, resumes))
        return write

    return add


@dataclass(frozen=True)
class Cell:
    """One job: a kind and its settings.

    Attributes:
        kind: A name in `CELL_KINDS`.
        settings: What decides the outcome, and nothing else (no paths of caches, no device).

    Example:
        >>> one, same = Cell("measure", {"a": 1, "b": 2}), Cell("measure", {"b": 2, "a": 1})
        >>> one.key == same.key, one.key == Cell("measure", {"a": 1}).key
        (True, False)
    """

    kind: str
    settings: Mapping[str, Any]

    @property
    def key(self) -> str:
        """16 hexadecimal digits that stand for the kind, its version and the settings.

        Raises:
            InputError: The settings hold what JSON cannot.
        """
        version = CELL_KINDS.get(self.kind).version
        try:
            text = json.dumps([self.kind, version, self.settings], sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as problem:
            raise InputError(
                f"settings of a {self.kind!r} cell: {problem}; give text, numbers, lists, mappings"
            ) from problem
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash(self.key)

    def describe(self) -> str:
        """The cell in a few words, for messages and progress."""
        named = [f"{name}={self.settings[name]}" for name in _SHOWN if self.settings.get(name)]
        return f"{self.kind} {self.key[:8]} ({', '.join(named)})" if named else self.named

    @property
    def named(self) -> str:
        """Kind and the first digits of the key."""
        return f"{self.kind} {self.key[:8]}"


@dataclass(frozen=True)
class CellResult:
    """A finished cell.

    Attributes:
        cell: The cell.
        folder: Where its files are.
        seconds: What it took, when it was done.
        reused: It was there already.
    """

    cell: Cell
    folder: Path
    seconds: float
    reused: bool


def finished(folder: Path) -> float | None:
    """The seconds that a folder's cell took; None if it is not finished, or was damaged since."""
    try:
        stamp = read_sealed(folder / DONE, "")
        with undamaged(folder / DONE, ""):
            return float(stamp["seconds"])
    except InputError:
        return None


def do_cell(cell: Cell, cells: Path) -> float:
    """Does a cell where it is not done already, and returns the seconds that it took.

    Args:
        cell: The cell.
        cells: The folder of all cells; this one's is `cells/KEY`.

    Raises:
        InvariscopeError: Whatever its kind raises; what was written stays for the next try.
    """
    kind, folder = CELL_KINDS.get(cell.kind), cells / cell.key
    with _locked(cells, cell.key):
        before = finished(folder)
        if before is not None:
            return before
        started = time.perf_counter()
        remove_leftovers(folder)
        if kind.resumes and folder.exists() and not (folder / DONE).exists():
            try:
                _write(cell, kind, folder)
            except InputError:  # what is there cannot be gone on with, or the settings do not work
                _write_anew(cell, kind, folder)
        else:
            _write_anew(cell, kind, folder)
        seconds = round(time.perf_counter() - started, 3)
        names = sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )
        stamp = {"seconds": seconds, "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        write_sealed(folder / DONE, stamp, names)
        return seconds


def _write_anew(cell: Cell, kind: CellKind, folder: Path) -> None:
    """Does the cell in an empty folder; what was there goes, its mark first."""
    if folder.exists():
        (folder / DONE).unlink(missing_ok=True)
        shutil.rmtree(folder)
    _write(cell, kind, folder)


def _write(cell: Cell, kind: CellKind, folder: Path) -> None:
    about = {
        "kind": cell.kind,
        "settings": dict(cell.settings),
        "version": VERSION,
        "machine": platform.node(),
    }
    write_json(folder / CELL, about)
    kind.write(cell.settings, folder)


@contextmanager
def _locked(cells: Path, key: str) -> Iterator[None]:
    """Holds the cell's lock, which the system lets go of when a process dies."""
    folder = cells / ".locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / key)
        lock.acquire()
    except OSError as problem:
        raise InputError(
            f"cannot write cells in {cells}: {problem.strerror}; give another folder"
        ) from problem
    try:
        yield
    finally:
        lock.release()
