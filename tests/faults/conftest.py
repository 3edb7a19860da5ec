"""A world of folders, once per session, and the command line in this process."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import damage
from invariscope.studies.lab.study import STUDIES, studies

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch, capsys) -> Command:
    """Runs the command line: (exit code, standard output, standard error)."""
    from invariscope.cli import main

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["invariscope", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def moments() -> Callable[..., None]:
    """Runs `kill_moments` in a folder, without the type checker of the tests."""

    def run(folder: Path, *arguments: str) -> None:
        paths = [str(folder), *filter(None, sys.path)]
        process = subprocess.run(
            [sys.executable, Path(__file__).parents[1] / "kill_moments.py", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr[-3000:]

    return run


@pytest.fixture(scope="session")
def whole(tmp_path_factory, moments) -> Path:
    """The folder of the world as commands left it; nobody writes there again."""
    folder = tmp_path_factory.mktemp("world")
    damage.make_inputs(folder)
    moments(folder, "world")
    return folder


@pytest.fixture
def world(whole, tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy to work in: the inputs, and `first/` and `second/` (see `damage`)."""
    studies()  # modules register once, so not while the registry is exchanged
    entries = {**STUDIES._entries, "every-job": damage.every_job_study()}
    monkeypatch.setattr(STUDIES, "_entries", entries)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.syspath_prepend(str(whole))
    copy = tmp_path / "world"
    shutil.copytree(whole, copy)
    monkeypatch.chdir(copy)
    yield copy
    os.chdir(tmp_path)
