"""A process that imports once, forks a child for each command, and kills children half-way.

    python kill_moments.py world           makes the two folders of `damage` here, kills nothing
    python kill_moments.py COUNT KIND…     kills COUNT commands of each kind

It works in the current folder, where the inputs of `damage` lie. Of each kind of command there is
an uninterrupted run, then COUNT times one that is killed at a moment drawn by the kind and done
again. It fails where a table, a row file, a picture archive or a network then differs in a byte, or
where a file lies about that the uninterrupted run does not have.
"""

import importlib
import os
import pkgutil
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

import damage
import invariscope

_IN_NOBODYS_WAY = (".lock", ".lock.json")  # of a training that was killed when it was done
_COMPARED = (".parquet", ".csv", ".pt", ".npz", ".svg")


def prepare() -> None:
    """Loads everything, so that children need not."""
    for module in pkgutil.walk_packages(invariscope.__path__, "invariscope."):
        importlib.import_module(module.name)

    from invariscope.studies.lab.study import STUDIES, studies

    torch.set_num_threads(1)
    studies()
    STUDIES.add("every-job", damage.every_job_study())


def make_world() -> None:
    """Does each command of `damage` for both folders."""
    for which in ("first", "second"):
        for words in damage.COMMANDS.values():
            assert done(words(which), None) == 0, words(which)


def kill(kind: str, count: int) -> None:
    """Kills commands of a kind and does them again; see the module."""
    draw = random.Random(kind)
    words = damage.COMMANDS[kind]("first") + (["--epochs", "6"] if kind == "train" else [])
    started = time.monotonic()
    assert done(words, None) == 0, f"{kind}: the uninterrupted run fails"
    length = time.monotonic() - started
    whole = contents()
    assert whole
    shutil.rmtree("first")
    for number in range(count):
        moment = draw.uniform(0, 1) * length
        killed = done(words, moment)
        told = f"{kind}, {number}: after {moment:.3f} of {length:.3f} s ({killed})"
        assert done(words, None) == 0, f"{told} it is not gone on with"
        after = contents()
        differing = sorted(name for name in whole | after if whole.get(name) != after.get(name))
        assert not differing, f"{told} differ {differing}"
        shutil.rmtree("first")


def done(words: list[str], moment: float | None) -> int:
    """Does a command in a child, killed after some seconds; its exit code, or minus the signal."""
    child = os.fork()
    if child == 0:
        sys.argv = ["invariscope", *words]
        sys.stdout = open(os.devnull, "w")
        from invariscope.cli import main as command

        try:
            command()
        except SystemExit as ended:
            os._exit(int(ended.code or 0))
        os._exit(99)
    if moment is not None:
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents() -> dict[str, bytes]:
    """All that must be equal, by name; of other files the name alone."""
    return {
        str(path): path.read_bytes() if path.suffix in _COMPARED else b""
        for path in Path("first").rglob("*")
        if path.is_file() and path.name not in _IN_NOBODYS_WAY
    }


if __name__ == "__main__":
    prepare()
    if sys.argv[1] == "world":
        make_world()
    else:
        for each in sys.argv[2:]:
            kill(each, int(sys.argv[1]))
