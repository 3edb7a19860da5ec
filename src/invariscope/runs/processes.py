"""Processes of this machine that measure blocks, each on its share of the cores or on its GPU."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import torch

from invariscope.devices import choose_device
from invariscope.own_process import DIED, OwnProcess
from invariscope.runs.crew import Done
from invariscope.runs.elsewhere import Opened, Order, RemoteBench
from invariscope.runs.job import Job
from invariscope.runs.measured import How, Wanted


class Processes:
    """A crew of processes.

    Args:
        jobs: What they measure.
        how: How blocks are measured.
        count: How many processes.

    Raises:
        InputError: The jobs cannot be copied to them.
    """

    what = "process"
    lost: tuple[type[BaseException], ...] = (DIED,)

    def __init__(self, jobs: Sequence[Job[Any]], how: How, count: int):
        self.size = count
        self._threads = max(1, torch.get_num_threads() // count)
        self._order = Order.of(jobs, how, self._threads)
        devices = self._devices()
        packed = {device: self._order.on(device).packed() for device in set(devices)}
        self._packed = [packed[device] for device in devices]

    def _devices(self) -> list[str | None]:
        """The device of each process, all GPUs in turn where the user has not named one."""
        asked = self._order.device
        if asked not in (None, "auto", "cuda") or choose_device(asked).type != "cuda":
            return [None] * self.size
        return [f"cuda:{place % torch.cuda.device_count()}" for place in range(self.size)]

    def hire(self, place: int) -> "_Process":
        """Starts a process."""
        return _Process(self._packed[place], self._threads)

    def close(self) -> None:
        """Processes share nothing."""


class _Process:
    def __init__(self, packed: bytes, threads: int):
        self._process, self._packed = OwnProcess(threads), packed

    def open(self) -> "Future[Opened]":
        return self._process.call(_open, self._packed)

    def measure(self, wanted: Wanted) -> "Future[Done]":
        return self._process.call(_measure, wanted)

    def stop(self) -> None:
        self._process.stop()


_bench: RemoteBench | None = None


def _open(packed: bytes) -> Opened:
    global _bench
    _bench = RemoteBench(packed)
    return _bench.opened()


def _measure(wanted: Wanted) -> Done:
    assert _bench is not None
    return _bench.measure(wanted)
