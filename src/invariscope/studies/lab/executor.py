"""Executes the jobs of a study, in this process or in several at once.

An executor takes jobs and yields the outcome of each, in the order in which they end. A reader that
stops (an error, Ctrl-C) stops the rest; what is finished is on the disk. An engine for
many machines is one more class with this one method.

`ProcessPool` gives processes of their own an equal share of the cores and one job at a time. A
process that dies (killed for memory, …) costs the job it had, which is reported; a new one takes
its place.
"""

import os
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from invariscope.errors import InputError, InvariscopeError
from invariscope.own_process import DIED, OwnProcess, why_it_died
from invariscope.registry import Packed, adopt, foreign
from invariscope.studies.lab.jobs import StudyJob, do_job


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
        waiting, threads = deque(jobs), self.threads(len(jobs))
        kinds = foreign()
        running: dict[Future[Outcome], tuple[OwnProcess, StudyJob]] = {}

        def give(process: OwnProcess) -> None:
            job = waiting.popleft()
            running[process.call(_attempt_there, kinds, job, folder)] = process, job

        try:
            for _ in range(min(self.workers, len(waiting))):
                give(OwnProcess(threads))
            while running:
                future = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
                process, job = running[future]
                problem = future.exception()
                died = isinstance(problem, DIED)
                yield _died(job, problem) if died else future.result()
                del running[future]
                if died or not waiting:
                    process.stop()
                if waiting:
                    give(OwnProcess(threads) if died else process)
        finally:
            for process, _ in running.values():
                process.stop()


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


def _attempt_there(kinds: Packed, job: StudyJob, folder: Path) -> Outcome:
    """Does a job in another process, where kinds of jobs from outside are not known yet."""
    adopt(kinds)
    return attempt(job, folder)


def _died(job: StudyJob, problem: BaseException) -> Outcome:
    error = f"its process died ({why_it_died(problem)}): too little memory? try fewer workers"
    return Outcome(job, error=error)
