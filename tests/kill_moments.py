"""A process that imports once, forks a child for each command, and kills children half-way.

    python kill_moments.py KIND COUNT SEED

It works in the current folder, where the inputs of `damage` lie: an uninterrupted run of the kind
in `whole/`, then COUNT times a run that is killed at a moment drawn by the seed and done again. It
fails where a table, a row file, a picture archive or a network then differs in a byte, or where a
file lies about that the uninterrupted run does not have.
"""

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

import damage

_COMPARED = (".parquet", ".csv", ".pt", ".npz", ".svg")


def main(kind: str, count: int, seed: int) -> None:
    """Runs it all; see the module."""
    from invariscope.studies.lab.study import STUDIES, studies

    torch.set_num_threads(1)
    studies()
    STUDIES.add("every-cell", damage.every_cell_study())
    words = damage.COMMANDS[kind]("first") + (["--epochs", "6"] if kind == "train" else [])
    started = time.monotonic()
    assert done(words, None) == 0, "the uninterrupted run fails"
    length = time.monotonic() - started
    whole = contents()
    assert whole
    shutil.move("first", "whole")
    draw = random.Random(seed)
    for number in range(count):
        moment = draw.uniform(0, 1) * length
        killed = done(words, moment)
        assert done(words, None) == 0, f"{number}: not gone on with after {moment:.3f} s"
        after = contents()
        differing = sorted(name for name in whole | after if whole.get(name) != after.get(name))
        assert not differing, f"{number}: after {moment:.3f} s ({killed}) differ {differing}"
        shutil.rmtree("first")
    print(f"{kind}: {count} moments in {length:.2f} s")


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
        if path.is_file()
    }


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
