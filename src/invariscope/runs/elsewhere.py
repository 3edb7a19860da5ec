"""Measures blocks in another process: it prepares the job anew and takes one block at a time.

The process is given what was asked for, not the prepared job, so that it loads weights and opens
data itself, wherever it is. The identity of the job that it prepares says whether they are the
same, and the digests of the first pictures whether its copy of the data is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from invariscope.errors import InputError
from invariscope.registry import Packed, adopt, foreign
from invariscope.runs.job import Job
from invariscope.runs.measured import Bench, How, Measured
from invariscope.runs.request import ModelRequest, Request


@dataclass(frozen=True)
class Order:
    """What a process needs to measure blocks of a job.

    Attributes:
        prepare: Prepares the job.
        request: What was asked for.
        how: How blocks are measured.
        threads: Threads of the process.
        entries: Transformations, metrics, … that were registered from outside, by registry.
    """

    prepare: Callable[[Any], Job[Any]]
    request: Request
    how: How
    threads: int
    entries: Packed

    @classmethod
    def of(cls, job: Job[Any], how: How, threads: int) -> "Order":
        """The order for a job that a function of ours has prepared."""
        assert job.prepared is not None, f"{type(job).__name__} says not how it is prepared"
        return cls(*job.prepared, how, threads, foreign())

    def on(self, device: str | None) -> "Order":
        """The same on a device; None leaves it to the request."""
        if device is None or not isinstance(self.request, ModelRequest):
            return self
        return replace(self, request=replace(self.request, device=device))

    def packed(self) -> bytes:
        """The order as bytes, functions and classes of a script included.

        Raises:
            InputError: The model or the data cannot be copied.
        """
        import cloudpickle

        try:
            return cloudpickle.dumps(self)
        except Exception as problem:  # whatever the parts of a model or a data set raise
            line = " ".join(str(problem).split())
            raise InputError(
                "the model or the data cannot be copied to other processes "
                f"({type(problem).__name__}: {line}): name them, such as "
                "python:package.module:factory, or measure in this process"
            ) from problem


@dataclass(frozen=True)
class Opened:
    """What a process has prepared: the run's identity, and the digests of pictures by position."""

    identity: str
    digests: Mapping[int, str]

    @classmethod
    def of(cls, job: Job[Any]) -> "Opened":
        """What tells a job from that of other weights, settings or data."""
        digests = {index: picture.digest for index, picture in job.ready.items()}
        return cls(job.manifest["identity"], digests)

    def check(self, other: "Opened", where: str) -> None:
        """Raises an `InputError` unless another process has prepared the same.

        Args:
            other: What it has prepared.
            where: Which process that is.
        """
        shared = self.digests.keys() & other.digests.keys()
        if any(self.digests[index] != other.digests[index] for index in shared):
            raise InputError(
                f"{where} reads other pictures than this process: give all of them the same copy "
                "of the data, without random augmentation, or measure in this process"
            )
        if self.identity != other.identity:
            raise InputError(
                f"{where} has other weights, another version of invariscope or torch, or other "
                "data by their ids: give all of them the same, or measure in this process"
            )


class RemoteBench:
    """A bench in a process of its own.

    Args:
        packed: The order.
    """

    def __init__(self, packed: bytes):
        import cloudpickle

        order: Order = cloudpickle.loads(packed)
        torch.set_num_threads(order.threads)
        adopt(order.entries)
        self._notes: list[str] = []
        self._bench = Bench(order.prepare(order.request), order.how, self._notes.append)

    def opened(self) -> Opened:
        """What was prepared."""
        return Opened.of(self._bench.job)

    def measure(self, number: int) -> tuple[Measured, list[str]]:
        """Measures one block; the lines worth knowing come with it."""
        (measured,) = self._bench.measure([number], lambda passes: None)
        notes, self._notes[:] = list(self._notes), []
        return measured, notes
