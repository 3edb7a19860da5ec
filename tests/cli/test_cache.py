"""`--cache` on the command line: run twice, killed half-way, by two processes at once."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

MEASURE = (
    "measure", "python:tiny:make", "-d", "pictures", "--preprocessing", "size=24", "--no-twin",
    "-t", "rotate=20/90", "--no-floor", "-n", "40", "-j", "0",
)  # fmt: skip
SLOW = """
import sys, time, torch
sys.path.insert(0, ".")
from tiny import Tiny
whole = Tiny.forward
def slow(self, x):
    time.sleep(0.4 if len(x) > 8 else 0)
    return whole(self, x)
Tiny.forward = slow
sys.argv[0] = "invariscope"
from invariscope.cli import main
main()
"""
PASSES = 40 * 3


def execution(run):
    return json.loads((run / "manifest.json").read_text())["execution"]


def rows(run):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (run / "rows").iterdir()
    }


def test_the_second_command_makes_no_pass(invariscope, place):
    assert invariscope(*MEASURE, "-o", "plain", "--metrics", "mean_relative_invariance")[0] == 0
    assert invariscope(*MEASURE, "-o", "first", "--cache", "kept")[0] == 0
    code, out, _ = invariscope(
        *MEASURE, "-o", "second", "--cache", "kept", "--metrics", "mean_relative_invariance"
    )
    assert code == 0
    assert f"{PASSES} of {PASSES} forward passes came from the cache kept" in out
    made = execution(place / "second")
    assert (made["forward_passes"], made["from_cache"]) == (0, PASSES)
    assert rows(place / "second") == rows(place / "plain")
    assert execution(place / "plain")["forward_passes"] == PASSES


def test_a_search_takes_what_another_left(invariscope, place):
    for number in range(40):
        folder = place / "classes" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (place / "pictures" / f"{number:02}.png").rename(folder / f"{number:02}.png")
    search = ("factors", "-d", "classes", "-m", "python:tiny:make", "-j", "0", "-n", "20")
    search = (*search, "--preprocessing", "size=24", "--cache", "kept")
    assert invariscope(*search, "-t", "rotate=20,invert", "-o", "first")[0] == 0
    assert invariscope(*search, "-t", "invert,hue=0.2,rotate=20", "-o", "second")[0] == 0
    first, second = execution(place / "first"), execution(place / "second")
    assert first["from_cache"] == 0
    assert second["from_cache"] == first["forward_passes"]
    assert second["forward_passes"] == 40  # hue
    assert invariscope(*search[:-2], "-t", "invert,hue=0.2,rotate=20", "-o", "plain")[0] == 0
    assert rows(place / "second") == rows(place / "plain")


@pytest.mark.parametrize("command", ["measure", "factors"])
def test_what_is_no_cache_is_one_line(invariscope, place, command):
    for options, message in (
        (("--cache", "pictures"), "the cache pictures holds something else (00.png)"),
        (("--cache", "tiny.py"), "the cache tiny.py is a file: give a folder"),
        (("--cache", "new", "--cache-size", "much"), "--cache-size is 'much': give a size such as"),
    ):
        code, _, err = invariscope(command, "-d", "pictures", *options)
        assert code == 2
        assert message in " ".join(err.split())
    assert not (place / "new").exists()


def started(output):
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, *MEASURE, "-o", output, "--cache", "kept"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.long
def test_killed_half_way_and_two_at_once(invariscope, place):
    killed = started("killed")
    deadline = time.time() + 120
    while time.time() < deadline and not (place / "killed/rows/block-00000.parquet").exists():
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    both = [started("one"), started("two")]
    for process in both:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert invariscope(*MEASURE, "-o", "plain")[0] == 0
    assert not list((place / "kept").rglob("*.part"))
    for name in ("one", "two"):
        made = execution(place / name)
        assert rows(place / name) == rows(place / "plain")
        assert made["from_cache"] >= 32 * 3  # the block that the killed one had finished
        assert made["forward_passes"] + made["from_cache"] == PASSES
    last = started("last")  # with as many threads as the others
    last.communicate(timeout=120)
    assert execution(place / "last")["forward_passes"] == 0
