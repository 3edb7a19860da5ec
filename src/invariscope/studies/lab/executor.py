"""Executes the jobs of a study, in this process or in several at once.

An executor takes jobs and yields the outcome of each, in the order in which they end. A reader that
stops (an error, Ctrl-C) stops the rest; what is finished is on the disk. An engine for
many machines is one more class with this one method.

`ProcessPool` starts fresh processes ("spawn", so that threads and accelerators begin clean), gives
each an equal share of the cores and one job at a time. A process that dies (killed for memory, …)
costs the job it had, which is reported; a new one takes its place.
"""

import os
import signal
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread
from typing import Protocol, runtime_checkable

from invariscope.errors import InputError, InvariscopeError
from invariscope.studies.lab.jobs import JOB_KINDS, StudyJob, do_job

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job.

    Attributes:
        job: The job.
        seconds: What it took; 0 if it failed.
        error: Why it failed, one line; None if it is done.
        details: The traceback of an error that nobody foresaw.
        wrong_input: The settings cannot work, so that trying again would be in vain.
    """

    job: StudyJob
    seconds: float = 0.0
    error: str | None = None
    details: str = ""
    wrong_input: bool = False


@runtime_checkable
class Executor(Protocol):
    """Executes jobs."""

    def outcomes(self, jobs: Sequence[StudyJob], folder: Path) -> Iterator[Outcome]:
        """Executes each job below a folder and yields its outcome as soon as it ends.

        Closing the iterator stops what is still going on.
        """
        ...


class InProcess:
    """Executes one job after the other, in this process."""

    def outcomes(self, jobs: Sequence[StudyJob], folder: Path) -> Iterator[Outcome]:
        """See `Executor`."""
        for job in jobs:
            yield attempt(job, folder)


class ProcessPool:
    """Executes jobs in several processes at once.

    Args:
        workers: How many.

    Raises:
        InputError: Fewer than 1.
    """

    def __init__(self, workers: int):
        if workers < 1:
            raise InputError(f"workers={workers}: give 1 or more")
        self.workers = workers

    def threads(self, jobs: int) -> int:
        """Computes the threads of each process: an equal share of the cores, at least 1."""
        return max(1, cores() // max(1, min(self.workers, jobs)))

    def outcomes(self, jobs: Sequence[StudyJob], folder: Path) -> Iterator[Outcome]:
        """See `Executor`."""
        waiting = list(reversed(jobs))
        threads = self.threads(len(jobs))
        running: list[_Worker] = []
        try:
            for _ in range(min(self.workers, len(waiting))):
                running.append(_Worker(threads))
                running[-1].give(waiting.pop(), folder)
            while running:
                for worker in _ready(running):
                    yield worker.outcome()
                    if not worker.alive():
                        running.remove(worker)
                        worker.stop()
                        if not waiting:
                            continue
                        worker = _Worker(threads)
                        running.append(worker)
                    if waiting:
                        worker.give(waiting.pop(), folder)
                    else:
                        running.remove(worker)
                        worker.stop()
        finally:
            for worker in running:
                worker.stop()


def cores() -> int:
    """Counts the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def attempt(job: StudyJob, folder: Path) -> Outcome:
    """Does a job; an error becomes part of the outcome, except a wish to stop."""
    try:
        return Outcome(job, do_job(job, folder))
    except InvariscopeError as problem:
        return Outcome(job, error=str(problem), wrong_input=isinstance(problem, InputError))
    except Exception as problem:
        what = " ".join(str(problem).split())
        return Outcome(
            job, error=f"{type(problem).__name__}: {what}", details=traceback.format_exc()
        )


class _Worker:
    """A process that does one job at a time."""

    def __init__(self, threads: int):
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._job: StudyJob | None = None
        before = {name: os.environ.get(name) for name in _THREADS}
        os.environ.update(dict.fromkeys(_THREADS, str(threads)))
        try:
            self._process = context.Process(target=_work, args=(there,), daemon=True)
            self._process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        there.close()  # so that the end of the process ends the connection

    @property
    def connection(self) -> Connection:
        return self._here

    def give(self, job: StudyJob, folder: Path) -> None:
        self._job = job
        home = JOB_KINDS.get(job.kind).write.__module__
        try:
            self._here.send((job, folder, home))
        except OSError:
            return  # it has died; `outcome` will say so

    def outcome(self) -> Outcome:
        assert self._job is not None
        try:
            return self._here.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            why = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            return Outcome(
                self._job, error=f"its process died ({why}): too little memory? try fewer workers"
            )

    def alive(self) -> bool:
        return self._process.is_alive()

    def stop(self) -> None:
        self._here.close()
        self._process.terminate()
        self._process.join()


def _ready(running: Sequence[_Worker]) -> list[_Worker]:
    ready = set(wait([worker.connection for worker in running]))
    return [worker for worker in running if worker.connection in ready]


def _work(connection: Connection) -> None:
    """The life of a process of the pool. Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            job, folder, home = connection.recv()
        except (EOFError, OSError):
            return
        if home != "__main__":
            import_module(home)
        connection.send(attempt(job, folder))


def _end_with_parent() -> None:
    """Ends with the parent: a killed command leaves no process that still works on its jobs."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
