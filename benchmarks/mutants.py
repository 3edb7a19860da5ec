"""Whether the tests notice: small changes to the program, drawn at random, each run against them.

    python benchmarks/mutants.py --folder runs/mutants # 150; again: goes on
    python benchmarks/mutants.py --folder runs/mutants --count 20 --seed 1
    python benchmarks/mutants.py --folder runs/mutants --only 17,23 # these again, with new tests

`mutations.py` says what is changed, and how it is drawn.

Everything happens in a copy of the tree under `--folder`. For each mutant a process is forked from
one that has torch loaded. In it run the tests of `test_FILE*.py` and the examples of the file, in
the next one tests of the folder that name what it defines, then the rest of the folder, in a third
the file's own again, with types and shapes checked: until one fails or the `--cap` is up. A test
that does not end is a failure too. A file without tests of its own has the first three that name
it. In the end those tests that failed run on the program as it is, so that none is counted that
would have failed anyway.

`SEED.jsonl` has a line for each: where, what, by which test caught, or how many tests saw nothing.
What survives is to be read by someone: many are equal programs.
"""

import argparse
import ast
import gc
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mutations import Mutant, drawn

#: Without the checker of types and shapes a process begins in a second.
UNTYPED = ("--override-ini", "addopts=--doctest-modules --import-mode=importlib")
ROOT = Path(__file__).parents[1]


def copied(folder: Path) -> Path:
    """Copies the tracked files, and those that git does not ignore, anew."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    tree = folder / "tree"
    for name in filter(None, listed.stdout.split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    return tree.resolve()


class Watch:
    """A plug-in of pytest: runs tests in the order of `files`, and none after `cap` CPU seconds."""

    def __init__(self, files: list[str], cap: float, only: Sequence[str]):
        self.failed, self.ran, self._order, self._cap, self._only = "", 0, files, cap, only

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if not self._only or item.nodeid in self._only]
        items.sort(key=lambda item: self._order.index(item.nodeid.split("::")[0]))

    def pytest_runtest_protocol(self, item: Any) -> None:
        if time.process_time() > self._cap:
            item.session.shouldstop = "the time is up"

    def pytest_collectreport(self, report: Any) -> None:
        self.failed = self.failed or (f"collection of {report.nodeid}" if report.failed else "")

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.ran += report.when == "call"
        if report.failed:
            self.failed = self.failed or report.nodeid


def killers(mutant: Mutant) -> tuple[list[str], list[str]]:
    """Files of tests: those of the file and its examples; those that name it, those beside it."""
    path = Path(mutant.file)
    folder = Path(path.parent.as_posix().replace("src/invariscope", "tests"))
    own = sorted(map(str, folder.glob(f"test_{path.stem}*.py")))
    tree = ast.parse(path.read_text())
    names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    public = [name for name in names if not name.startswith("_")]
    naming = re.compile(rf"\b({'|'.join([path.stem, *public])})\b")
    beside = sorted(folder.rglob("test_*.py"), key=lambda file: file.stat().st_size)
    near = [str(file) for file in beside if naming.search(file.read_text())]
    own = own or near[:3]
    others = dict.fromkeys([*near, *map(str, beside)])
    return [*own, mutant.file], [file for file in others if file not in own]


def run(
    files: list[str], cap: float, options: Sequence[str] = (), only: Sequence[str] = ()
) -> dict[str, Any]:
    """Runs tests of the tree in a process of its own; which failed first, and how many ran."""
    end, begin = os.pipe()
    temporary = Path.cwd().with_name("temporary")
    child = os.fork()
    if child:
        os.close(begin)
        with os.fdopen(end, "rb") as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
        return json.loads(told or b'{"failed": "time", "ran": 0}')
    most = int(min(3 * cap, 9e3)) + 60
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    signal.alarm(900)
    said = os.open(f"{temporary}.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    import pytest

    watch = Watch(files, cap + time.process_time(), only)
    loaded = "-Wignore:Module already imported:pytest.PytestAssertRewriteWarning"
    given = ["-x", "-m", "not slow and not browser", "-p", "no:cacheprovider", loaded]
    code = 1
    try:
        code = pytest.main([*given, f"--basetemp={temporary}", *options, *files], [watch])
    finally:
        failed = watch.failed or ("pytest" if code not in (0, 2, 5) else "")
        os.write(begin, json.dumps({"failed": failed, "ran": watch.ran}).encode())
        sys.stdout.flush()
        os._exit(0)


def judged(mutant: Mutant, cap: float, processes: int) -> dict[str, Any]:
    """Runs the tests on the tree with the change; the tree is as before afterwards."""
    own, others = killers(mutant)
    path = Path(mutant.file)
    source, stamp = path.read_bytes(), path.stat().st_mtime
    path.write_bytes(mutant.applied(source))
    shutil.rmtree(".hypothesis", ignore_errors=True)
    begun = time.monotonic()
    try:
        seen, failed = 0, ""
        parts = ((own, cap, UNTYPED), (others, cap / 2, UNTYPED), (own, cap, ()))
        for files, seconds, options in parts[:processes]:
            answer = run(files, seconds, options)
            seen, failed = seen + answer["ran"], answer["failed"]
            if failed:
                break
    finally:
        path.write_bytes(source)
        os.utime(path, (stamp, stamp))
    outcome = "caught" if failed else "survived"
    spent = round(time.monotonic() - begun, 1)
    return {"outcome": outcome, "by": failed, "ran": seen, "seconds": spent}


def warm() -> None:
    """Loads what takes seconds and is not ours."""
    import beartype
    import hypothesis
    import jaxtyping
    import matplotlib.pyplot
    import numba
    import pandas
    import pyarrow.parquet
    import scipy.stats
    import timm
    import torch
    import torchvision

    torch.set_num_threads(1)
    gc.freeze()  # what is there by now need not be looked through in each process
    assert all((beartype, hypothesis, jaxtyping, matplotlib.pyplot, numba, pandas))
    assert all((pyarrow.parquet, scipy.stats, timm, torchvision))


def main() -> None:
    """Draws, runs what has not been run, and prints the score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="copy of the tree, and results")
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--cap",
        type=float,
        default=40,
        help="CPU seconds of its own tests, and half of it of others",
    )
    parser.add_argument("--processes", type=int, default=3, help="of each mutant, see above")
    parser.add_argument("--only", default="", help="numbers of mutants to run again")
    asked = parser.parse_args()
    tree = copied(asked.folder)
    results = tree.with_name(f"{asked.seed}.jsonl")
    mutants = drawn(asked.count, asked.seed, tree)
    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree / "src")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    sys.path[0] = os.environ["PYTHONPATH"]  # not of this folder: tests have a folder `results`
    warm()
    results.touch()
    told = {record["number"]: record for record in map(json.loads, results.open())}
    again = [int(number) for number in asked.only.split(",") if number]
    for number in again or [place for place in range(len(mutants)) if place not in told]:
        record = (
            {"number": number}
            | asdict(mutants[number])
            | judged(mutants[number], asked.cap, asked.processes)
        )
        told[number] = record
        with results.open("a") as file:
            print(json.dumps(record, ensure_ascii=False), file=file)
        print(json.dumps(record, ensure_ascii=False), flush=True)
    caught = [record["by"] for record in told.values() if record["outcome"] == "caught"]
    files = sorted({by.split("::")[0] for by in caught if "::" in by})
    sound = run(files, 1e6, (), caught)
    score = {"drawn": len(mutants), "run": len(told), "caught": len(caught)}
    print(json.dumps(score | {"fails anyway": sound["failed"]}))


if __name__ == "__main__":
    main()
