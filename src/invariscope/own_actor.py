"""Runs functions in actors of Ray, one call after the other, on this machine or on a cluster's.

Ray decides where an actor lives, and repeats nothing by itself: the future of a call says that its
actor or node is gone.
"""

from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from typing import Any, TypeVar

from invariscope.errors import InputError

T = TypeVar("T")

LOCAL, RAY = "local", "ray"


def check_engine(engine: str, address: str | None) -> None:
    """Raises an `InputError` unless there is such an engine, and an address is Ray's."""
    if engine not in (LOCAL, RAY):
        raise InputError(f"engine must be {LOCAL} or {RAY}, not {engine!r}")
    if address is not None and engine != RAY:
        raise InputError(f"address={address!r} is a Ray cluster's: say engine='{RAY}'")


class Cluster:
    """A cluster of Ray that was joined, or Ray on this machine, started for the occasion.

    Args:
        address: Such as "auto" or "ray://host:10001"; None starts Ray here.

    Attributes:
        lost: What the future of a call raises if its actor has died.
        gpus: How many there are.
        cores: How many there are.

    Raises:
        InputError: Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str | None):
        self._ray, self._own = _started(address), address is None
        self.lost: tuple[type[BaseException], ...] = (self._ray.exceptions.RayActorError,)
        having = self._ray.cluster_resources()
        self.gpus, self.cores = int(having.get("GPU", 0)), int(having.get("CPU", 1))

    def count(self, wanted: int | None, *, on_gpu: bool) -> int:
        """Counts the actors to hire: those that are wanted, or one for each GPU or else core."""
        return wanted or (self.gpus if on_gpu else self.cores)

    def share(self, count: int, *, on_gpu: bool) -> tuple[int, float]:
        """Computes the cores and the part of a GPU that each of so many actors takes."""
        return max(1, self.cores // count), min(1.0, self.gpus / count) if on_gpu else 0.0

    def put(self, value: Any) -> Any:
        """Keeps a value where all nodes can fetch it; calls take what this returns in its place."""
        return self._ray.put(value)

    def hire(self, threads: int, gpus: float) -> "OwnActor":
        """Starts an actor as soon as there is room for it.

        Args:
            threads: Cores that it takes.
            gpus: The part of a GPU that it takes; it sees no other one.
        """
        actor = self._ray.remote(num_cpus=threads, num_gpus=gpus, max_restarts=0)(_Caller)
        return OwnActor(self._ray, actor.remote())

    def close(self) -> None:
        """Ends Ray, where it was started here."""
        if self._own:
            self._ray.shutdown()


class OwnActor:
    """An actor, as `OwnProcess` is a process."""

    def __init__(self, ray: Any, actor: Any):
        self._ray, self._actor = ray, actor

    def call(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Calls a function of a module there; the future has its errors, and a death of it."""
        return self._actor.call.remote(function, *arguments).future()

    def stop(self) -> None:
        """Ends it, whatever it is doing."""
        self._ray.kill(self._actor)


class _Caller:
    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        return function(*arguments)


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
