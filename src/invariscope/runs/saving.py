"""Saves a result in a folder of its own: whole, or nothing is left there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invariscope.errors import InputError, RunError


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Empties the folder if writing fails, since half a result would block the next attempt.

    Raises:
        InputError: The folder holds something already.
        RunError: It cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty: give a new or empty folder")
    try:
        yield
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, RunError):
            raise
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise RunError(
            f"cannot save the result in {folder}: {reason}; nothing is left there, so make "
            "room or choose another folder, then save again"
        ) from error
