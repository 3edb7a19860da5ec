"""Actors of Ray that measure blocks, on this machine or on all of a cluster's.

An actor holds prepared jobs. Ray decides where it lives; it has a GPU of its own where the run
is on GPUs, else an equal share of the cores. Ray repeats nothing by itself: a block whose actor or
node is gone is given to another one (`crew`).
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from importlib import import_module
from typing import Any

from invariscope.devices import choose_device
from invariscope.errors import InputError
from invariscope.runs.crew import Done
from invariscope.runs.elsewhere import Opened, Order, RemoteBench
from invariscope.runs.job import Job
from invariscope.runs.measured import How, Wanted


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
        ray = self._ray = _started(address)
        self._own = address is None
        self.lost: tuple[type[BaseException], ...] = (ray.exceptions.RayActorError,)
        having = ray.cluster_resources()
        gpus, cores = int(having.get("GPU", 0)), int(having.get("CPU", 1))
        order = Order.of(jobs, how, 1)
        on_gpu = gpus > 0 and choose_device(order.device).type == "cuda"
        self.size = count or (gpus if on_gpu else cores)
        threads = max(1, cores // self.size)
        self._packed = ray.put(replace(order, threads=threads).packed())
        share = min(1.0, gpus / self.size) if on_gpu else 0
        self._actor = ray.remote(num_cpus=threads, num_gpus=share, max_restarts=0)(RemoteBench)

    def hire(self, place: int) -> "_Actor":
        """Starts an actor as soon as the cluster has room for it."""
        return _Actor(self._ray, self._actor.remote(self._packed))

    def close(self) -> None:
        """Ends Ray, where it was started for this run."""
        if self._own:
            self._ray.shutdown()


class _Actor:
    def __init__(self, ray: Any, actor: Any):
        self._ray, self._actor = ray, actor

    def open(self) -> "Future[Opened]":
        return self._actor.opened.remote().future()

    def measure(self, wanted: Wanted) -> "Future[Done]":
        return self._actor.measure.remote(wanted).future()

    def stop(self) -> None:
        self._ray.kill(self._actor)


def _started(address: str | None) -> Any:
    """Starts Ray or joins a cluster."""
    try:
        ray: Any = import_module("ray")
    except ImportError as problem:
        raise InputError(
            "engine='ray' needs Ray, which is not installed: pip install 'invariscope[ray]'"
        ) from problem
    here: dict[str, Any] = {"include_dashboard": False} if address is None else {"address": address}
    try:
        ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="error", **here)
    except ConnectionError as problem:
        raise InputError(
            f"no Ray cluster answers at {address!r} ({problem}): give the address of one that "
            "runs, or leave it out to start Ray here"
        ) from problem
    return ray
