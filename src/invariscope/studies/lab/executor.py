"""Executes the jobs of a study, in this process or in several at once.

An executor takes jobs and yields the outcome of each, in the order in which they end. A reader that
stops (an error, Ctrl-C) stops the rest; what is finished is on the disk.

A `Pool` gives processes one job at a time. One that dies (killed for memory, …) costs the job
that it had, which is reported; a new one takes its place. Those of `ProcessPool` are on this
machine, those of `ray_pool.RayPool` are actors of Ray.
"""

import os
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from invariscope.errors import InputError, InvariscopeError
from invariscope.own_process import DIED, Elsewhere, OwnProcess, why_it_died
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


@dataclass(frozen=True)
class Staff:
    """Who executes jobs.

    Attributes:
        size: How many at once.
        hire: Starts one more.
        lost: What futures raise whose process or actor has died.
    """

    size: int
    hire: Callable[[], Elsewhere]
    lost: tuple[type[BaseException], ...]


class Pool(ABC):
    """Executes jobs in several processes or actors at once.

    One that dies costs the job that it had, which is reported; another takes its place.
    """

    @abstractmethod
    def staff(self, jobs: int) -> Staff:
        """Those who execute so many jobs."""

    def outcomes(self, jobs: Sequence[StudyJob], folder: Path) -> Generator[Outcome, None, None]:
        """See `Executor`."""
        waiting, kinds = deque(jobs), foreign()
        running: dict[Future[Outcome], tuple[Elsewhere, StudyJob]] = {}

        def give(there: Elsewhere) -> None:
            job = waiting.popleft()
            running[there.call(attempt_there, kinds, job, folder, os.getcwd())] = there, job

        staff = self.staff(len(jobs))
        try:
            for _ in range(min(staff.size, len(waiting))):
                give(staff.hire())
            while running:
                future = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
                there, job = running[future]
                problem = future.exception()
                died = problem if isinstance(problem, staff.lost) else None
                yield _died(job, died) if died else future.result()
                del running[future]
                if died or not waiting:
                    there.stop()
                if waiting:
                    give(staff.hire() if died else there)
        finally:
            for there, _ in running.values():
                there.stop()


class ProcessPool(Pool):
    """Executes jobs in several processes of this machine, each on an equal share of the cores.

    Args:
        workers: How many.

    Raises:
        InputError: Fewer than 1.
    """

    def __init__(self, workers: int):
        if workers < 1:
            raise InputError(f"workers={workers}: give 1 or more")
        self.workers = workers

    def staff(self, jobs: int) -> Staff:
        """See `Pool`."""
        threads = max(1, cores() // max(1, min(self.workers, jobs)))
        return Staff(self.workers, partial(OwnProcess, threads), (DIED,))


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


def attempt_there(kinds: Packed, job: StudyJob, folder: Path, here: str) -> Outcome:
    """Does a job elsewhere.

    Args:
        kinds: Kinds of jobs from outside, which are not known there yet.
        job: The job.
        folder: The folder of all jobs.
        here: The working folder of the process that asks for it.
    """
    adopt(kinds)
    try:
        os.chdir(here)
    except OSError as problem:
        return not_shared(job, f"{here} cannot be entered there ({problem.strerror})")
    return attempt(job, folder)


def not_shared(job: StudyJob, why: str) -> Outcome:
    """The outcome of a job on a machine that does not share its folder."""
    error = f"{why}: the working folder and that of the jobs must be shared by all machines"
    return Outcome(job, error=error, wrong_input=True)


def _died(job: StudyJob, problem: BaseException) -> Outcome:
    error = f"its process died ({why_it_died(problem)}): too little memory? try fewer workers"
    return Outcome(job, error=error)
