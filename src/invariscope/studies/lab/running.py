"""Runs a study: settings → laboratory → findings → folder and page."""

import platform
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.files import versions
from invariscope.own_actor import LOCAL, RAY, check_engine
from invariscope.studies.claims.needed import with_needed
from invariscope.studies.claims.record import SMOKE
from invariscope.studies.claims.verdict import without_verdict
from invariscope.studies.lab.executor import ProcessPool, cores
from invariscope.studies.lab.folder import StudyRun, write_study
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.ray_pool import RayPool
from invariscope.studies.lab.study import Study, as_mapping, get_study, settings_of
from invariscope.version import VERSION

STUDIES_FOLDER = Path("runs") / "studies"
_TRIAL = "the preset smoke shows that the code runs, and decides nothing"
_PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "pandas")


def run_study(
    name: str | Study,
    preset: str = "laptop",
    *,
    changes: Mapping[str, str] | None = None,
    output: str | Path | None = None,
    lab: Lab | None = None,
    command: str = "",
) -> StudyRun:
    """Runs a study and writes its folder, all but the page.

    Args:
        name: The study.
        preset: "smoke", "laptop" or "paper".
        changes: Settings to replace, as text.
        output: The folder; by default `runs/studies/NAME-PRESET`.
        lab: Where it works; by default the jobs of `runs/jobs`, in this process.
        command: The command line that asked for it, for the record.

    Returns:
        The findings, as they were written.

    Raises:
        InputError: No such study, preset or setting; data that are not there.
        RunError: Jobs failed; those that are finished are kept.

    Example:
        >>> run = run_study("sources-of-invariance", "smoke")  # doctest: +SKIP
        >>> [claim.verdict for claim in run.findings.claims]  # doctest: +SKIP
    """
    study, settings, folder = resolved(name, preset, changes, output)
    lab = lab or Lab()
    started = time.perf_counter()
    findings = study.function(lab, settings)
    if preset == SMOKE:
        claims = [without_verdict(claim, _TRIAL) for claim in findings.claims]
    else:
        claims = [with_needed(claim) for claim in findings.claims]
    findings = replace(findings, claims=claims)
    seconds = time.perf_counter() - started
    about = about_run(study, preset, settings, changes, lab, seconds, command)
    return write_study(folder, about, findings)


def resolved(
    name: str | Study,
    preset: str,
    changes: Mapping[str, str] | None,
    output: str | Path | None,
) -> tuple[Study, Any, Path]:
    """Finds study, settings and folder; arguments and errors are those of `run_study`."""
    study = name if isinstance(name, Study) else get_study(name)
    settings = settings_of(study, preset, changes)
    folder = Path(output) if output is not None else STUDIES_FOLDER / f"{study.name}-{preset}"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder as `output`")
    return study, settings, folder


def about_run(
    study: Study,
    preset: str,
    settings: Any,
    changes: Mapping[str, str] | None,
    lab: Lab,
    seconds: float,
    command: str,
) -> dict[str, Any]:
    """Says what `study.json` says of a run."""
    return {
        "study": study.name,
        "paper": study.paper,
        "question": study.question,
        "expected": study.expected,
        "preset": preset,
        "settings": as_mapping(settings),
        "seeds": {name: list(seeds) for name, seeds in study.seeds_of(settings).items()},
        "changed": sorted(changes or {}),
        "command": command or f"invariscope study run {study.name} --preset {preset}",
        "finished": now(),
        "version": VERSION,
        "packages": versions(*_PACKAGES),
        "execution": {
            "seconds": round(seconds, 3),
            "job_seconds": round(lab.seconds, 3),
            "machine": f"{platform.machine()}, {cores()} cores, {_accelerator()}",
            "workers": getattr(lab.executor, "workers", 1),
            "python": platform.python_version(),
        },
        "jobs": [_job(result) for result in lab.used.values()],
    }


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def lab_of(
    jobs: str | Path,
    workers: int | None,
    progress: Any = None,
    *,
    engine: str = LOCAL,
    address: str | None = None,
) -> Lab:
    """Makes a laboratory.

    Args:
        jobs: The folder of all jobs.
        workers: How many jobs at once; None: one here, or as many as a cluster has room for.
        progress: Told what goes on.
        engine: "local" (processes of this machine; 1 is this process) or "ray".
        address: The Ray cluster's; None starts Ray here.

    Raises:
        InputError: There is no such engine, or fewer than one worker.
    """
    check_engine(engine, address)
    if engine == RAY:
        return Lab(jobs, executor=RayPool(workers, address), progress=progress)
    executor = None if workers in (None, 1) else ProcessPool(workers)
    return Lab(jobs, executor=executor, progress=progress)


def _job(result: Any) -> dict[str, Any]:
    return {
        "key": result.job.key,
        "kind": result.job.kind,
        "settings": dict(result.job.settings),
        "seconds": result.seconds,
        "reused": result.reused,
    }


def _accelerator() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no accelerator"
