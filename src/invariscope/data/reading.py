"""Makes things of the images of a source in order, several at once where that changes nothing.

| source | ``workers=None`` | ``workers=0`` | ``workers=N`` |
|---|---|---|---|
| each `load` opens anew (`ImageSource.concurrent`) | threads, 4 at most | here | N threads |
| any other, such as a user's data set | here | here | N processes |

"Here" is the thread that iterates. A data set may hold an open file, a zip, an HDF5 handle, a
database connection or a random generator, and two threads, or two processes that inherited it,
would read at each other's place without an error. So nothing is inherited: processes are started
anew, each unpickles a copy, and the first images of a copy must equal those read here.
"""

import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np

from invariscope.data.quiet import NeedsQuiet, enter_pool, quiet_pillow
from invariscope.data.source import ImageSource, UnreadableImage
from invariscope.errors import InputError, RunError

T = TypeVar("T")
Make = Callable[[ImageSource, Any], T]

_MOST_THREADS = 4
_COMPARED = 4


def in_order(
    source: ImageSource,
    make: Make[T],
    items: Iterable[Any],
    *,
    workers: int | None,
    ahead: int,
    known: Sequence[int] = (),
) -> Generator[T, None, None]:
    """Yields ``make(source, item)`` for each item, in order.

    Args:
        source: The images.
        make: What is made of an item; with processes it must be possible to pickle it.
        items: Whatever `make` takes, such as positions.
        workers: Threads or processes (see above); None chooses, 0 is here.
        ahead: Items that may be made before they are asked for.
        known: Positions of images on which processes are compared with this one.

    Raises:
        InputError: Processes were asked for, and the source cannot be copied to them.
        RunError: A process was killed.

    Example:
        >>> from invariscope.data import open_source
        >>> source = open_source(np.zeros((3, 4, 6, 3), dtype=np.uint8))
        >>> list(in_order(source, lambda s, i: s.load(i).size, range(3), workers=2, ahead=2))
        [(6, 4), (6, 4), (6, 4)]
    """
    count = workers
    if count is None:
        count = min(_MOST_THREADS, _cores()) if source.concurrent else 0
    if not count:
        for item in items:
            yield make(source, item)
    elif source.concurrent:
        with quiet_pillow():
            pool = ThreadPoolExecutor(count, "reading", initializer=enter_pool)
            yield from _ahead(pool, lambda item: make(source, item), items, ahead)
    else:
        yield from _by_processes(source, make, items, count, ahead, known)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ahead(
    pool: Executor, call: Callable[[Any], T], items: Iterable[Any], ahead: int
) -> Generator[T, None, None]:
    """The results of a pool in order, at most `ahead` of them waiting."""
    waiting: deque[tuple[Any, Future[T]]] = deque()
    rest = iter(items)
    try:
        while True:
            while len(waiting) < max(1, ahead) and (item := next(rest, _END)) is not _END:
                waiting.append((item, pool.submit(call, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                result = future.result()
            except NeedsQuiet:
                result = call(item)
            yield result
    finally:
        # also where the consumer stops early or is interrupted
        pool.shutdown(wait=True, cancel_futures=True)


_END = object()


def _by_processes(
    source: ImageSource,
    make: Make[T],
    items: Iterable[Any],
    count: int,
    ahead: int,
    known: Sequence[int],
) -> Generator[T, None, None]:
    what = f"{source.name}, workers={count}"
    try:
        copy = pickle.dumps((source, make))
    except Exception as error:  # whatever the data set's parts raise
        raise InputError(
            f"{what}: the data set cannot be copied to other processes ({_line(error)}); leave "
            "workers out, or give it a __getstate__ without its open files, to be opened anew"
        ) from error
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_start, initargs=(copy,))
    began = False
    try:
        _compare(pool, source, list(known)[:_COMPARED], what)
        began = True
        for result in _ahead(pool, _made, items, ahead):
            yield pickle.loads(result)
    except BrokenProcessPool as error:
        if began:
            raise RunError(
                f"{what}: a process that reads images was killed (too little memory?); what was "
                "written is kept: run the same again with fewer workers to go on"
            ) from error
        raise InputError(
            f"{what}: the processes ended before they read an image; leave workers out, or put "
            "the call below if __name__ == '__main__':"
        ) from error
    except _CopyFails as error:
        raise InputError(
            f"{what}: a copy of the data set cannot be opened in another process ({error}); leave "
            "workers out"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _compare(pool: Executor, source: ImageSource, known: list[int], what: str) -> None:
    """Copies must read the images that are read here."""
    there = [pool.submit(_seen, index) for index in known]
    for index, future in zip(known, there, strict=True):
        if future.result() != _look(source, index):
            raise InputError(
                f"{what}: image {source.ids[index]} of a copy in another process differs from the "
                "one read here: the data set shares a file or draws at random; leave workers out"
            )


class _CopyFails(Exception):
    """The copy in a process could not be made."""


_copy: tuple[ImageSource, Make[Any]] | None = None
_failure = ""


def _start(copy: bytes) -> None:
    """Prepares a process; a failure is told with the first image."""
    global _copy, _failure
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that iterates
    try:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(os.getpid())  # so that a data set that draws differs, and is found out
        _copy = pickle.loads(copy)
    except Exception as error:
        _failure = _line(error)


def _opened() -> tuple[ImageSource, Make[Any]]:
    if _copy is None:
        raise _CopyFails(_failure)
    return _copy


def _made(item: Any) -> bytes:
    # as bytes: torch would send tensors as shared files, of which there are too few
    source, make = _opened()
    return pickle.dumps(make(source, item))


def _seen(index: int) -> bytes:
    return _look(_opened()[0], index)


def _look(source: ImageSource, index: int) -> bytes:
    """The pixels of an image as bytes, or that there are none."""
    try:
        pixels = np.asarray(source.load(index))
    except UnreadableImage:
        return b""
    return repr((pixels.shape, pixels.dtype)).encode() + pixels.tobytes()


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
