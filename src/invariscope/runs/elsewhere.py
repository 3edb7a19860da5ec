"""Measures blocks in another process: it prepares the jobs anew and takes one block at a time.

The process is given what was asked for, not the prepared jobs, so that it loads weights and opens
data itself, wherever it is. The identities of the jobs that it prepares say whether they are the
same, and the digests of the first pictures whether its copy of the data is.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from invariscope.errors import InputError
from invariscope.own_process import Elsewhere
from invariscope.registry import Packed, adopt, foreign
from invariscope.runs.job import Job
from invariscope.runs.measured import Bench, How, Measured, Wanted
from invariscope.runs.request import ModelRequest, Request

Done = tuple[list[Measured], list[tuple[int, str]]]
"""What a block gave for each job, and lines worth knowing with the position of their job."""


@dataclass(frozen=True)
class Order:
    """What a process needs to measure blocks of jobs.

    Attributes:
        prepared: What prepares each job, and what was asked for.
        how: How blocks are measured.
        threads: Threads of the process.
        entries: Transformations, metrics, … that were registered from outside, by registry.
    """

    prepared: tuple[tuple[Callable[[Any], Job[Any]], Request], ...]
    how: How
    threads: int
    entries: Packed

    @classmethod
    def of(cls, jobs: Sequence[Job[Any]], how: How, threads: int) -> "Order":
        """The order for jobs that functions of ours have prepared."""
        prepared = [job.prepared for job in jobs if job.prepared is not None]
        assert len(prepared) == len(jobs), f"{type(jobs[0]).__name__} says not how it is prepared"
        return cls(tuple(prepared), how, threads, foreign())

    @property
    def device(self) -> Any:
        """The device that was asked for; "cpu" without a network."""
        request = self.prepared[0][1]
        return request.device if isinstance(request, ModelRequest) else "cpu"

    def on(self, device: str | None) -> "Order":
        """The same on a device; None leaves it to the requests."""
        if device is None:
            return self
        moved = [
            (prepare, replace(asked, device=device) if isinstance(asked, ModelRequest) else asked)
            for prepare, asked in self.prepared
        ]
        return replace(self, prepared=tuple(moved))

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
    """What a process has prepared: the runs' identities, and digests of pictures by position."""

    identities: tuple[str, ...]
    digests: Mapping[int, str]

    @classmethod
    def of(cls, jobs: Sequence[Job[Any]]) -> "Opened":
        """What tells jobs from those of other weights, settings or data."""
        digests = {index: picture.digest for index, picture in jobs[0].ready.items()}
        return cls(tuple(job.manifest["identity"] for job in jobs), digests)

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
        if self.identities != other.identities:
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
        self._notes: list[tuple[int, str]] = []
        jobs = [prepare(request) for prepare, request in order.prepared]
        notes = [partial(self._note, position) for position in range(len(jobs))]
        self._bench = Bench(jobs, order.how, notes)

    def _note(self, job: int, line: str) -> None:
        self._notes.append((job, line))

    def opened(self) -> Opened:
        """What was prepared."""
        return Opened.of(self._bench.jobs)

    def measure(self, wanted: Wanted) -> Done:
        """Measures one block; lines worth knowing come with it, and with the position of a job."""
        measured = list(self._bench.measure([wanted], lambda passes: None))
        notes, self._notes[:] = list(self._notes), []
        return measured, notes


class CalledWorker:
    """Measures blocks in a process or an actor.

    Args:
        there: The process.
        packed: The order, or what stands for it there.
    """

    def __init__(self, there: Elsewhere, packed: Any):
        self._there, self._packed = there, packed

    def open(self) -> "Future[Opened]":
        """Prepares the jobs."""
        return self._there.call(_open, self._packed)

    def measure(self, wanted: Wanted) -> "Future[Done]":
        """Measures a block."""
        return self._there.call(_measure, wanted)

    def stop(self) -> None:
        """Ends the process."""
        self._there.stop()


_bench: RemoteBench | None = None


def _open(packed: bytes) -> Opened:
    global _bench
    _bench = RemoteBench(packed)
    return _bench.opened()


def _measure(wanted: Wanted) -> Done:
    assert _bench is not None
    return _bench.measure(wanted)
