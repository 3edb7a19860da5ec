"""A process that imports once, forks a child for each command, and kills children half-way.

    python kill_moments.py COUNT KIND…     kills COUNT commands of each kind

It works in the current folder. Of each kind of command there is an uninterrupted run, then COUNT
times one that is killed at a moment drawn by the kind and done again. It fails where a table, a row
file, a picture archive or a network then differs in a byte, or where a file lies about that the
uninterrupted run does not have. Moments are seconds of the command's own CPU time, so that they are
the same on a busy machine; the signal that ends it there is not caught, as SIGKILL is not. Every
second one lies anywhere, the others between two files that are written one after the other, drawn
evenly: most of the time may pass before the first.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import damage
from commands_here import ENDS, ended, prepare

_IN_NOBODYS_WAY = (".lock", ".lock.json")  # of a training that was killed when it was done
_COMPARED = (".parquet", ".csv", ".pt", ".npz", ".svg")
_TIMES = Path("times.json")  # seconds of CPU time at which files were whole, and of the end

#: More of a command, so that there is something to kill, or more than one process.
MORE = {
    "train": ["--epochs", "6"],
    "improve": ["--epochs", "4"],
    "processes": ["--processes", "2"],
}
#: Of which command of `damage` a kind is, where it is not its own.
OF = {"processes": "measure"}


def kill(kind: str, count: int) -> None:
    """Kills commands of a kind and does them again; see the module."""
    draw = random.Random(kind)
    words = damage.COMMANDS[OF.get(kind, kind)]("first") + MORE.get(kind, [])
    again(words, kind, "the uninterrupted run")  # whatever is loaded late is loaded now
    whole = contents()
    assert whole
    shutil.rmtree("first")
    assert in_a_child(words) == ENDS.get(kind, 0), f"{kind}: the second run"
    times = [0.0, *json.loads(_TIMES.read_text())]
    length = times[-1]
    assert contents() == whole, f"{kind}: a second run differs from the first"
    shutil.rmtree("first")
    left = set()
    for number in range(count):
        stage = draw.randrange(len(times) - 1)
        ends = (0.0, length) if number % 2 else times[stage : stage + 2]
        moment = draw.uniform(*ends)
        killed = in_a_child(words, moment)
        files = len(contents())
        left.add(files)
        told = f"{kind}, {number}: after {moment:.3f} of {length:.3f} s ({killed}), {files} files"
        again(words, kind, told)
        after = contents()
        differing = sorted(name for name in whole | after if whole.get(name) != after.get(name))
        assert not differing, f"{told} differ {differing}"
        shutil.rmtree("first")
        print(told, flush=True)
    assert count < 20 or len(left) > 3, f"{kind}: always killed at the same place, {left}"


def again(words: list[str], kind: str, told: str) -> None:
    """Does a command in this process to its end."""
    code, out, err = ended(words)
    assert code == ENDS.get(kind, 0), f"{told}: exit {code}: {out[-1000:]}{err[-1000:]}"


def in_a_child(words: list[str], moment: float = 0.0) -> int:
    """Does a command in a child, killed after some seconds (0: never).

    A child takes longer than this process: some of what is compiled is not there in a fork. If it
    comes to its end, it leaves `_TIMES`.

    Returns:
        Its exit code, or minus the signal.
    """
    child = os.fork()
    if child == 0:
        times: list[float] = []
        real = os.replace

        def timed(source: Any, target: Any) -> None:
            real(source, target)
            times.append(time.process_time())

        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, moment)
        with patch.object(os, "replace", timed):
            code = ended(words)[0]
        _TIMES.write_text(json.dumps([*times, time.process_time()]))
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents() -> dict[str, bytes]:
    """All that must be equal, by name; of other files the name alone."""
    return {
        str(path): path.read_bytes() if path.suffix in _COMPARED else b""
        for path in Path("first").rglob("*")
        if path.is_file() and path.name not in _IN_NOBODYS_WAY
    }


if __name__ == "__main__":
    damage.make_inputs(Path())
    prepare()
    count, *kinds = sys.argv[1:]  # commands get a list of their own
    for each in kinds:
        kill(each, int(count))
