"""Processes of this machine that measure blocks, each on its share of the cores or on its GPU."""

from collections.abc import Sequence
from typing import Any

import torch

from invariscope.devices import choose_device
from invariscope.own_process import DIED, OwnProcess
from invariscope.runs.elsewhere import CalledWorker, Order
from invariscope.runs.job import Job
from invariscope.runs.measured import How


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

    def hire(self, place: int) -> CalledWorker:
        """Starts a process."""
        return CalledWorker(OwnProcess(self._threads), self._packed[place])

    def close(self) -> None:
        """Processes share nothing."""
