"""Runs a script of the tests in a folder and a process of its own, without their type checker."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from children import Child


@pytest.fixture(scope="session")
def alone() -> Callable[..., str]:
    """Runs a script with arguments in a folder; its last line, once it has ended well."""

    def run(folder: Path, script: str, *arguments: str) -> str:
        text = (Path(__file__).parents[1] / script).read_text(encoding="utf-8")
        said = folder.with_name(f"{folder.name} said")
        with contextlib.chdir(folder):
            child = Child(text, *arguments, said=said, environment={"COLUMNS": "80"})
        with child:
            code, out, err = child.ended(7200)
        assert code == 0, out[-2000:] + err[-3000:]
        return (out.splitlines() or [""])[-1]

    return run
