"""Runs functions in a process of its own, one call after the other.

It is a pool of loky with one process: it starts anew (so that threads and accelerators begin clean,
and a script needs no ``if __name__ == "__main__"``), and one that dies takes no other along. Ctrl-C
is for the process that started it, and it ends with that one, however that ends.
"""

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from typing import Any, Protocol, TypeVar, runtime_checkable

from invariscope.memory import KEEPING

T = TypeVar("T")

#: What the future of a call raises if the process has died.
DIED: type[BaseException] = BrokenProcessPool
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_CODE = re.compile(r"\((-?\d+)\)")


@runtime_checkable
class Elsewhere(Protocol):
    """A process or an actor that calls functions for others, one call after the other."""

    def call(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Calls a function of a module there; the future has its errors, and a death of it."""
        ...

    def stop(self) -> None:
        """Ends it, whatever it is doing."""
        ...


class OwnProcess:
    """A process.

    Args:
        threads: That libraries start in it.
    """

    def __init__(self, threads: int):
        from loky.process_executor import ProcessPoolExecutor

        self._pool = ProcessPoolExecutor(
            1,
            initializer=_begin,
            initargs=(os.getpid(),),
            env={**KEEPING, **dict.fromkeys(_THREADS, str(threads))},
        )

    def call(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Calls a function of a module there; the future has its errors, and a death of it."""
        try:
            return self._pool.submit(function, *arguments)
        except BrokenProcessPool as problem:  # it died while it had nothing to do
            failed: Future[T] = Future()
            failed.set_exception(problem)
            return failed

    def stop(self) -> None:
        """Ends it, whatever it is doing."""
        self._pool.shutdown(kill_workers=True)


def why_it_died(problem: BaseException) -> str:
    """Says by which signal or with which exit code a process died.

    Example:
        >>> why_it_died(DIED("unexpectedly terminated. The exit codes are {SIGKILL(-9)}"))
        'signal 9'
    """
    codes = [int(code) for code in _CODE.findall(str(problem))]
    if not codes:
        return "for no known reason"
    return f"signal {-codes[0]}" if codes[0] < 0 else f"exit code {codes[0]}"


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
