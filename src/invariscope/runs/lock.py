"""Locks a run folder for one process; the operating system drops the lock of a dead process.

Beside the lock (`.lock`) a note names its holder (`.lock.json`), which only the message of the
second process reads. Both are deleted when the run ends; those of a killed run do no harm.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from invariscope.errors import InputError
from invariscope.files import read_json, undamaged, write_json

LOCK = ".lock"
HOLDER = ".lock.json"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a run folder, which must be there, until the end of the block.

    Raises:
        InputError: Another process holds it, or the folder cannot be written.
        RunError: The disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)):
        ...     sorted(os.listdir(folder))
        ['.lock', '.lock.json']
    """
    path = folder / LOCK
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
        while not path.exists():  # opened just before its holder removed it
            lock.release()
            lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{folder} is in use by {_holder(folder / HOLDER)}: wait for it or give another "
            "`output`"
        ) from None
    except OSError as problem:
        raise InputError(
            f"cannot write to {folder}: {problem.strerror}; give another folder as `output`"
        ) from problem
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        write_json(folder / HOLDER, holder)
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        with suppress(OSError):  # where an open file cannot be removed, it stays
            path.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    try:
        holder = read_json(path, "")
        with undamaged(path, ""):
            return f"process {holder['process']} on {holder['host']} since {holder['since']}"
    except InputError:  # it has just begun or ended
        return "another process"
