"""Kinds of jobs that do next to nothing, importable by the processes of a pool."""

import json
import os
import signal
import time
from pathlib import Path

from invariscope.errors import InputError, RunError
from invariscope.studies.lab.jobs import job_kind


@job_kind("double")
def double(settings, folder: Path) -> None:
    """Writes twice the number; fails, dies or waits where the settings say so."""
    with open(folder / "log", "a") as log:
        log.write(f"{os.getpid()}\n")
    if settings.get("error") == "input":
        raise InputError("number 7 is no number; give another")
    if settings.get("error") == "run":
        raise RunError("the disk is full")
    if settings.get("error") == "defect":
        raise ZeroDivisionError("by\nzero")
    if settings.get("error") == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(settings.get("seconds", 0))
    found = {"twice": 2 * settings["number"], "threads": os.environ.get("OMP_NUM_THREADS")}
    (folder / "found.json").write_text(json.dumps(found))


@job_kind("append", resumes=True)
def append(settings, folder: Path) -> None:
    """Goes on with what is there; fails the first time."""
    path = folder / "lines"
    lines = path.read_text().splitlines() if path.exists() else []
    path.write_text("\n".join([*lines, "line"]))
    if len(lines) < settings["fails"]:
        raise RunError("interrupted")


def found(result) -> int:
    """What a job of kind double has written."""
    return json.loads((result.folder / "found.json").read_text())["twice"]
