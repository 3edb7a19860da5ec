"""Actors of Ray that measure blocks, each on a GPU of its own or an equal share of the cores."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from invariscope.devices import choose_device
from invariscope.own_actor import Cluster
from invariscope.runs.elsewhere import CalledWorker, Order
from invariscope.runs.job import Job
from invariscope.runs.measured import How


class Actors:
    """A crew of actors.

    Args:
        jobs: What they measure.
        how: How blocks are measured.
        count: How many; None: one for each GPU, or else for each core.
        address: The cluster's, such as "auto" or "ray://host:10001"; None starts Ray here.

    Raises:
        InputError: Ray is not installed, no cluster answers, or the jobs cannot be copied.
    """

    what = "actor"

    def __init__(self, jobs: Sequence[Job[Any]], how: How, count: int | None, address: str | None):
        self._cluster = cluster = Cluster(address)
        self.lost = cluster.lost
        order = Order.of(jobs, how, 1)
        on_gpu = cluster.gpus > 0 and choose_device(order.device).type == "cuda"
        self.size = cluster.count(count, on_gpu=on_gpu)
        self._share = cluster.share(self.size, on_gpu=on_gpu)
        self._packed = cluster.put(replace(order, threads=self._share[0]).packed())

    def hire(self, place: int) -> CalledWorker:
        """Starts an actor as soon as the cluster has room for it."""
        return CalledWorker(self._cluster.hire(*self._share), self._packed)

    def close(self) -> None:
        """Ends Ray, where it was started for this run."""
        self._cluster.close()
