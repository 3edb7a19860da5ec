"""Does the jobs of a study: each is done once, kept on disk, and shared between studies.

A job is a kind ("train", "measure", "factors", …) and settings that JSON can hold. Its key is the
hash of both, so the same job has the same folder, `JOBS/KEY/`, whichever study asks for it. What
the kind writes there is followed by the file `done`, which holds the files' digests; a folder
without it is half written and is done again (a kind that says ``resumes`` goes on with what it
finds, others start from nothing), and so is one of which a file is not what was written. A lock per
job keeps two processes from doing the same one: the second waits and then reads.

A kind from another package goes through the entry-point group `invariscope.jobs`.
"""

import hashlib
import json
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from invariscope.errors import InputError
from invariscope.files import remove_leftovers, undamaged, write_json
from invariscope.registry import Registry
from invariscope.sealed import read_sealed, write_sealed
from invariscope.version import VERSION

DONE = "done"
JOB = "job.json"
_SHOWN = ("data", "model", "augment", "seed")


@dataclass(frozen=True)
class JobKind:
    """A kind of job, and the function that does jobs of the kind.

    Attributes:
        name: Its name.
        write: Takes the settings and the job's folder, and writes the job's files there.
        version: Part of the key: raised when the same settings mean something else than before.
        resumes: It goes on with a half-written folder by itself; else the folder is emptied first.
    """

    name: str
    write: Callable[[Mapping[str, Any], Path], None]
    version: int = 1
    resumes: bool = False


JOB_KINDS: Registry[JobKind] = Registry("kind of job", "invariscope.jobs")


def job_kind(
    name: str, *, version: int = 1, resumes: bool = False
) -> Callable[[Callable[[Mapping[str, Any], Path], None]], Callable]:
    """Registers a function (settings, folder) that does the jobs of a kind.

    Args:
        name: The kind's name.
        version: Part of the key; raise it when the same settings mean something else than before.
        resumes: The function goes on with a half-written folder by itself.
    """

    def add(write: Callable[[Mapping[str, Any], Path], None]) -> Callable:
        JOB_KINDS.add(name, JobKind(name, write, version, resumes))
        return write

    return add


@dataclass(frozen=True)
class StudyJob:
    """A job of a study: a kind and its settings.

    Attributes:
        kind: A name in `JOB_KINDS`.
        settings: What decides the outcome, and nothing else (no paths of caches, no device).

    Example:
        >>> job, same = StudyJob("train", {"a": 1, "b": 2}), StudyJob("train", {"b": 2, "a": 1})
        >>> job.key == same.key, job.key == StudyJob("train", {"a": 1}).key
        (True, False)
    """

    kind: str
    settings: Mapping[str, Any]

    @property
    def key(self) -> str:
        """16 hexadecimal digits that stand for the kind, its version and the settings.

        Raises:
            InputError: The settings hold what JSON cannot.
        """
        version = JOB_KINDS.get(self.kind).version
        try:
            text = json.dumps([self.kind, version, self.settings], sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as problem:
            raise InputError(
                f"settings of a {self.kind!r} job: {problem}; give text, numbers, lists, mappings"
            ) from problem
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash(self.key)

    def describe(self) -> str:
        """Describes the job in a few words, for messages and progress."""
        named = [f"{name}={self.settings[name]}" for name in _SHOWN if self.settings.get(name)]
        return f"{self.kind} {self.key[:8]} ({', '.join(named)})" if named else self.named

    @property
    def named(self) -> str:
        """Kind and the first digits of the key."""
        return f"{self.kind} {self.key[:8]}"


@dataclass(frozen=True)
class JobResult:
    """A finished job.

    Attributes:
        job: The job.
        folder: Where its files are.
        seconds: What it took, when it was done.
        reused: It was there already.
    """

    job: StudyJob
    folder: Path
    seconds: float
    reused: bool


def finished(folder: Path) -> float | None:
    """Reads the seconds that a folder's job took; None if it is unfinished or damaged."""
    try:
        stamp = read_sealed(folder / DONE, "")
        with undamaged(folder / DONE, ""):
            return float(stamp["seconds"])
    except InputError:
        return None


def do_job(job: StudyJob, jobs: Path) -> float:
    """Does a job where it is not done already, and returns the seconds that it took.

    Args:
        job: The job.
        jobs: The folder of all jobs; this one's is `jobs/KEY`.

    Raises:
        InvariscopeError: Whatever its kind raises; what was written stays for the next try.
    """
    kind, folder = JOB_KINDS.get(job.kind), jobs / job.key
    with _locked(jobs, job.key):
        before = finished(folder)
        if before is not None:
            return before
        started = time.perf_counter()
        remove_leftovers(folder)
        if kind.resumes and folder.exists() and not (folder / DONE).exists():
            try:
                _write(job, kind, folder)
            except InputError:  # what is there cannot be gone on with, or the settings do not work
                _write_anew(job, kind, folder)
        else:
            _write_anew(job, kind, folder)
        seconds = round(time.perf_counter() - started, 3)
        names = sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )
        stamp = {"seconds": seconds, "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        write_sealed(folder / DONE, stamp, names)
        return seconds


def _write_anew(job: StudyJob, kind: JobKind, folder: Path) -> None:
    """Does the job in an emptied folder, from which its mark is deleted first."""
    if folder.exists():
        (folder / DONE).unlink(missing_ok=True)
        shutil.rmtree(folder)
    _write(job, kind, folder)


def _write(job: StudyJob, kind: JobKind, folder: Path) -> None:
    about = {
        "kind": job.kind,
        "settings": dict(job.settings),
        "version": VERSION,
        "machine": platform.node(),
    }
    write_json(folder / JOB, about)
    kind.write(job.settings, folder)


@contextmanager
def _locked(jobs: Path, key: str) -> Iterator[None]:
    """Holds the job's lock, which the system releases when a process dies."""
    folder = jobs / ".locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / key)
        lock.acquire()
    except OSError as problem:
        raise InputError(
            f"cannot write jobs in {jobs}: {problem.strerror}; give another folder"
        ) from problem
    try:
        yield
    finally:
        lock.release()
