"""Keeps segments in a folder of bounded size, for several processes at once.

    DIR/invariscope-cache.json     says what the folder is
    DIR/.lock                      held while something is written or removed
    DIR/3f/3f0c….81d2….arrow       a segment: whose vectors it holds, then which

Whoever writes removes first what was not read for the longest time, so that all segments together
never take more than the size. Readers need no lock: a segment is there whole, or it is not. What
goes wrong on the disk costs a note, never the run.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from invariscope.errors import InputError, RunError
from invariscope.files import read_json, remove_leftovers, write_file, write_json

#: The size of a cache where the user does not say.
DEFAULT_SIZE = "10GB"
MARKER = "invariscope-cache.json"
LOCK = ".lock"
SEGMENT = ".arrow"
FORMAT = 1
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", re.IGNORECASE)
#: Seconds to wait for another process that writes.
_PATIENCE = 30.0


def size_in_bytes(size: str | int) -> int:
    """Reads the size of a cache.

    Raises:
        InputError: It is no size.

    Example:
        >>> size_in_bytes("10GB"), size_in_bytes("1.5 MB"), size_in_bytes(2000)
        (10000000000, 1500000, 2000)
    """
    match = _SIZE.fullmatch(str(size).strip())
    count = 0 if match is None else int(float(match[1]) * _UNITS[match[2].lower()])
    if count < 1:
        raise InputError(f"`cache_size` is {size!r}: give a size such as 10GB or 500MB")
    return count


def check_cache(path: str | os.PathLike[str], size: str | int = DEFAULT_SIZE) -> None:
    """Checks that a folder can be a cache: it is one, it is empty, or it is not there.

    Raises:
        InputError: It is a file, cannot be read, holds something else or a cache of a newer
            version, or the size is none.

    Example:
        >>> check_cache("setup.py/cache", "much")
        Traceback (most recent call last):
        invariscope.errors.InputError: `cache_size` is 'much': give a size such as 10GB or 500MB
    """
    size_in_bytes(size)
    path = Path(path)
    try:
        names = sorted(os.listdir(path)) if os.path.lexists(path) else []
    except NotADirectoryError:
        raise InputError(f"the cache {path} is a file: give a folder") from None
    except OSError as problem:
        raise InputError(
            f"the cache {path} cannot be read ({problem.strerror}): give another folder"
        ) from problem
    if MARKER in names:
        _check_format(path)
        return
    others = [name for name in names if not name.startswith(".")]  # of a killed beginning
    if others:
        raise InputError(
            f"the cache {path} holds something else ({others[0]}): give a new or an empty folder"
        )


def _check_format(path: Path) -> None:
    try:
        found = read_json(path / MARKER, "")
    except InputError:  # damaged: its name says enough, and each segment says what it is
        return
    found = found.get("format") if isinstance(found, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise InputError(
            f"the cache {path} has format {found}, and this version reads format {FORMAT}: give "
            "another folder, or install a newer invariscope"
        )


class CacheFolder:
    """The folder of a cache, made where it is missing.

    Args:
        path: The folder.
        size: The most that all segments together take: bytes, or "10GB".
        note: Called with one line where the folder cannot be used as it should.

    Raises:
        InputError: As for `check_cache`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = CacheFolder(path, "1MB", print)
        ...     folder.write("ab12", "34", b"numbers")
        ...     [folder.read(segment) for segment in folder.segments("ab12")]
        [b'numbers']
    """

    def __init__(self, path: str | os.PathLike[str], size: str | int, note: Callable[[str], None]):
        check_cache(path, size)
        self.path, self.size = Path(path), size_in_bytes(size)
        self._note, self._writes, self._small = note, True, False
        self._own: set[Path] = set()
        try:
            if not (self.path / MARKER).exists():
                write_json(self.path / MARKER, {"format": FORMAT})
            with self._locked(0):
                remove_leftovers(self.path)
        except Timeout:  # whoever writes now has looked for them
            return
        except (RunError, OSError, NotImplementedError) as problem:
            self._give_up(problem)

    def segments(self, shelf: str) -> list[Path]:
        """Lists the segments of a shelf."""
        return sorted((self.path / shelf[:2]).glob(f"{shelf}.*{SEGMENT}"))

    def read(self, segment: Path) -> bytes | None:
        """Reads a segment, which is the last to be removed from now on; None: it is gone."""
        try:
            content = segment.read_bytes()
        except OSError:
            return None
        self._own.add(segment)
        with suppress(OSError):
            os.utime(segment)
        return content

    def write(self, shelf: str, name: str, content: bytes) -> None:
        """Writes a segment whole or not at all, once there is room for it."""
        if not self._writes:
            return
        if len(content) > self.size:
            self._say_small()
            return
        segment = self.path / shelf[:2] / f"{shelf}.{name}{SEGMENT}"
        try:
            with self._locked(_PATIENCE):
                self._make_room(len(content))
                write_file(segment, content)
            self._own.add(segment)
        except (Timeout, RunError, OSError, NotImplementedError) as problem:
            self._give_up(problem)

    def remove(self, segment: Path) -> None:
        """Removes a segment, if it can be removed."""
        with suppress(OSError):
            segment.unlink()

    def _locked(self, patience: float) -> FileLock:
        return FileLock(self.path / LOCK, timeout=patience)

    def _make_room(self, needed: int) -> None:
        """Removes the segments that were not read for the longest time."""
        files = sorted(self._files(), key=lambda file: file[0])
        total = sum(size for _, size, _ in files)
        for _, size, segment in files:
            if total + needed <= self.size:
                return
            self.remove(segment)
            total -= size
            if segment in self._own:
                self._say_small()

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """Yields (time of the last use, size, path) of each segment."""
        for folder in self.path.iterdir():
            if not folder.is_dir():
                continue
            for file in os.scandir(folder):
                with suppress(OSError):  # removed by the user meanwhile
                    if file.name.endswith(SEGMENT):
                        known = file.stat()
                        yield known.st_mtime_ns, known.st_size, Path(file.path)

    def _say_small(self) -> None:
        if not self._small:
            self._note(
                f"the cache {self.path} has no room for all of this run, and the next will not "
                "find all of it: give a larger `cache_size`"
            )
        self._small = True

    def _give_up(self, problem: BaseException) -> None:
        """Stops writing, and says why."""
        self._writes = False
        cause = problem.__cause__ if isinstance(problem, RunError) else problem
        reason = getattr(cause, "strerror", None) or str(cause)
        if isinstance(problem, Timeout):
            reason = "another process holds its lock"
        self._note(
            f"nothing more is kept in the cache {self.path} ({reason}); the run goes on without"
        )
