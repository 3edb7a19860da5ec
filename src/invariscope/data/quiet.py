"""Keeps Pillow's warnings about single pictures from the user, in any thread.

A corrupt EXIF block is no reason to warn once per image. `warnings.catch_warnings` changes the
filters of the whole process, so only one thread may use it at a time: the one that iterates. The
threads of a pool leave the filters alone; `quiet_pillow` puts one entry there for as long as they
run. Should the user's own code turn warnings into errors meanwhile, `NeedsQuiet` asks for the
picture to be read again by the thread that iterates.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_here = threading.local()


class NeedsQuiet(BaseException):
    """A warning became an error in a thread that may not silence it; no failure of the picture."""


def enter_pool() -> None:
    """Says that this thread is one of a pool."""
    _here.pool = True


def in_pool() -> bool:
    """Tells whether this thread is one of a pool."""
    return getattr(_here, "pool", False)


@contextmanager
def quiet() -> Iterator[None]:
    """Shows and raises no warning inside; in a pool's thread nothing is changed.

    Raises:
        NeedsQuiet: In a pool's thread, a warning that somebody has made an error.

    Example:
        >>> with quiet():
        ...     warnings.warn("Corrupt EXIF data")
    """
    if in_pool():
        try:
            yield
        except Warning as warning:
            raise NeedsQuiet from warning
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Hides for as long as it lasts what Pillow's modules warn of, by one filter more."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    entry = warnings.filters[0]
    try:
        yield
    finally:
        # by value, not by place: others may have added and taken away theirs meanwhile
        filters: Any = warnings.filters
        if entry in filters:
            filters.remove(entry)
