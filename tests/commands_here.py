"""The command line in this process, without the type checker of the tests, and its world.

Whatever commands load is loaded once; so are the functions that numba compiles.
"""

import errno
import importlib
import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import torch

import damage

#: What commands load only when they want it, beside their own modules.
_LATE = ("timm", "matplotlib.pyplot", "invariscope.report.run.page", "invariscope.training.loop")
#: That a rule failed, which nothing keeps from being an end.
ENDS = {"improve": 1}


def prepare() -> None:
    """Loads everything, adds the study of `damage`, and makes what lies here importable."""
    for module in (*_LATE, *(f"invariscope.cli.{path.stem}" for path in _of_the_command_line())):
        importlib.import_module(module)

    from invariscope.studies.lab.study import STUDIES, studies

    torch.set_num_threads(1)
    studies()
    STUDIES.add("every-job", damage.every_job_study())
    sys.path.insert(0, str(Path.cwd()))


def _of_the_command_line() -> list[Path]:
    import invariscope.cli

    return sorted(Path(invariscope.cli.__path__[0]).glob("[a-z]*.py"))


def ended(words: list[str]) -> tuple[int, str, str]:
    """Runs a command: exit code, standard output, standard error."""
    from invariscope.cli import main

    sys.argv = ["invariscope", *words]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            main()
            code = 99
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def make_world() -> None:
    """Does each command of `damage` for both folders, and half of some."""
    damage.make_inputs(Path())
    for which in ("first", "second"):
        for kind, words in damage.COMMANDS.items():
            code, out, err = ended(words(which))
            assert code == ENDS.get(kind, 0), (words(which), out, err)
        for half in damage.HALVES:
            end_half_way(half, which)


def end_half_way(half: str, which: str) -> None:
    """Does a command of `damage.HALVES` up to where its disk is full."""
    words, last = damage.half(half, which)
    real = os.replace

    def full(source, target):
        if Path(target).name == last:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    with patch.object(os, "replace", full):
        code, out, err = ended(words)
    assert code == 3, (words, out, err)
