"""Processes of this machine that measure blocks, each on its share of the cores or on its GPU.

Each is a pool of loky with one process: it starts anew (so that threads and accelerators begin
clean, and a script needs no ``if __name__ == "__main__"``), and one that dies takes no other along.
"""

import os
import signal
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from typing import Any

import torch

from invariscope.devices import choose_device
from invariscope.memory import KEEPING
from invariscope.runs.crew import Done
from invariscope.runs.elsewhere import Opened, Order, RemoteBench
from invariscope.runs.job import Job
from invariscope.runs.measured import How
from invariscope.runs.request import ModelRequest

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class Processes:
    """A crew of processes.

    Args:
        job: What they measure.
        how: How blocks are measured.
        count: How many processes.

    Raises:
        InputError: The job cannot be copied to them.
    """

    what = "process"
    lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)

    def __init__(self, job: Job[Any], how: How, count: int):
        self.size = count
        self._threads = max(1, torch.get_num_threads() // count)
        self._order = Order.of(job, how, self._threads)
        self._packed = {device: self._order.on(device).packed() for device in set(self._devices())}

    def _devices(self) -> list[str | None]:
        """The device of each process, all GPUs in turn where the user has not named one."""
        request = self._order.request
        if not isinstance(request, ModelRequest) or request.device not in (None, "auto", "cuda"):
            return [None] * self.size
        if choose_device(request.device).type != "cuda":
            return [None] * self.size
        return [f"cuda:{place % torch.cuda.device_count()}" for place in range(self.size)]

    def hire(self, place: int) -> "_Process":
        """Starts a process."""
        return _Process(self._packed[self._devices()[place]], self._threads)

    def close(self) -> None:
        """Processes share nothing."""


class _Process:
    def __init__(self, packed: bytes, threads: int):
        from loky.process_executor import ProcessPoolExecutor

        self._pool = ProcessPoolExecutor(
            1,
            initializer=_begin,
            initargs=(os.getpid(),),
            env={**KEEPING, **dict.fromkeys(_THREADS, str(threads))},
        )
        self._packed = packed

    def open(self) -> "Future[Opened]":
        return self._pool.submit(_open, self._packed)

    def measure(self, number: int) -> "Future[Done]":
        return self._pool.submit(_measure, number)

    def stop(self) -> None:
        self._pool.shutdown(kill_workers=True)


_bench: RemoteBench | None = None


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """Ends with the parent: a killed command leaves no process that still works for it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _open(packed: bytes) -> Opened:
    global _bench
    _bench = RemoteBench(packed)
    return _bench.opened()


def _measure(number: int) -> Done:
    assert _bench is not None
    return _bench.measure(number)
