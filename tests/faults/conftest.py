"""A world of folders, once per session, and the command line in this process."""

import os
import shutil
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
def whole(tmp_path_factory) -> Path:
    """The folder of the world as commands left it; nobody writes there again."""
    return tmp_path_factory.mktemp("world")


@pytest.fixture
def world(whole, tmp_path, command, monkeypatch) -> Iterator[Path]:
    """A copy to work in: the inputs, and `first/` and `second/` (see `damage`)."""
    studies()  # modules register once, so not while the registry is exchanged
    entries = {**STUDIES._entries, "every-cell": damage.every_cell_study()}
    monkeypatch.setattr(STUDIES, "_entries", entries)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.syspath_prepend(str(whole))
    if not (whole / "twins.py").exists():
        monkeypatch.chdir(whole)
        damage.make_inputs(whole)
        for which in ("first", "second"):
            for words in damage.COMMANDS.values():
                code, _, err = command(*words(which))
                assert code == 0, err
    copy = tmp_path / "world"
    shutil.copytree(whole, copy)
    monkeypatch.chdir(copy)
    yield copy
    os.chdir(tmp_path)
