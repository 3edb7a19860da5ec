"""Installs the package beside this file for real, and runs invariscope with it."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from children import Child

collect_ignore = ["src"]  # it would register itself in this process


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Runs the command line with the plug-in installed; gives what it printed."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(Path(__file__).parent, folder / "source")
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-index", "--target", target, source], check=True)
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r})\nfrom invariscope.cli import main; main()"
    )

    def command(*words: str) -> str:
        with contextlib.chdir(folder):
            child = Child(code, *words, said=folder / "said", environment={"COLUMNS": "200"})
        with child:
            ended, out, err = child.ended()
        assert ended == 0, err
        return out

    installed: Any = command
    installed.folder = folder
    return installed


@pytest.fixture(scope="session")
def measured(run):
    """The folder of a run of all that can be measured: (folder, text of its report)."""
    metrics = "map_distance,channel_invariance"
    run(
        "measure", "small:cnn7?width=0.2&size=16&channels=3", "-d", "gratings?count=5",
        "-t", "stripes", "--groups", "C4", "--metrics", metrics, "-o", "measured",
    )  # fmt: skip
    folder = run.folder / "measured"
    return folder, (folder / "report.html").read_text(encoding="utf-8")
