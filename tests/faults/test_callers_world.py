"""Whatever is called, the caller's generators, settings and folder are afterwards as they were."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from callers_world import MODES


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """What each call has changed, by `callers_world` in a process of its own."""
    script = Path(__file__).parents[1] / "callers_world.py"
    folder = tmp_path_factory.mktemp("world")
    done = subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("call", "mode"), [(call, mode.__name__) for call, mode in MODES])
def test_the_callers_world_stays_as_it_was(call, mode, changed):
    assert changed[f"{call}, {mode}"] == []
