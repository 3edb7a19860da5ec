"""Runs a script of the tests in a folder and a process of its own, without their type checker."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def alone() -> Callable[..., str]:
    """Runs a script with arguments in a folder; its last line, once it has ended well."""

    def run(folder: Path, script: str, *arguments: str) -> str:
        process = subprocess.run(
            [sys.executable, Path(__file__).parents[1] / script, *arguments],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "OMP_NUM_THREADS": "1",
                "COLUMNS": "80",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-3000:]
        return (process.stdout.splitlines() or [""])[-1]

    return run
