"""SIGKILL at seeded moments of a measurement, a search, a training, a study: the same bytes.

`kill_moments` does it in a process of its own that forks a child for each run.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import damage

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
KINDS = ("measure", "factors", "train", "study")


def killed(folder: Path, kind: str, count: int) -> None:
    damage.make_inputs(folder)
    paths = [str(folder), *filter(None, sys.path)]
    process = subprocess.run(
        [sys.executable, Path(__file__).parents[1] / "kill_moments.py", kind, str(count), "14"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr[-3000:]


@pytest.mark.parametrize("kind", KINDS)
def test_two_moments(tmp_path, kind):
    killed(tmp_path, kind, 2)


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_twenty_moments(tmp_path, kind):
    killed(tmp_path, kind, 20)
