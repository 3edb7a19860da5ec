"""One folder of each kind that commands leave, a second of the same kind, and ways to damage files.

`COMMANDS` make it: below `first/` and `second/` a measurement, one with a cache, a search,
foregrounds, a training of two seeds, an improvement and a study with a job of each kind. The second
is measured on another model, or drawn by another seed, so that its files are whole and belong
elsewhere.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.study import Study
from invariscope.training import Recipe

MODEL = """
import torch
from torch import nn

class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.fc = nn.Linear(4, 2)
    def forward(self, x):
        return self.fc(torch.relu(self.conv(4 * x - 2)).mean((2, 3)))

def made(seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Tiny()

def first():
    return made(0)

def second():
    return made(1)
"""
TRAINED = "small:cnn7?width=0.1&channels=3"
SHAPES = "transforms2d:shapes"


def make_inputs(folder: Path) -> None:
    """twins.py with two models, and 44 cut-outs of two classes."""
    (folder / "twins.py").write_text(MODEL)
    draw = np.random.default_rng(0)
    for number in range(44):
        path = folder / "pictures" / ("bright", "dark")[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        low = 0 if number % 2 else 120
        pixels = draw.integers(low, low + 130, (12, 12, 4), dtype=np.uint8)
        pixels[..., 3] = 0
        left, top = draw.integers(0, 6, 2)
        pixels[top : top + 5, left : left + 6, 3] = 255
        Image.fromarray(pixels).save(path)


def measuring(which: str) -> list[str]:
    """The command that measures one of the models."""
    return [
        "measure", f"python:twins:{which}", "-d", "pictures", "-t", "rotate=20/90", "--twin",
        "--preprocessing", "size=12",
        "--metrics", "relative_invariance,accuracy,channel_invariance:pooled", "-g", "C4",
        "-n", "44", "-j", "0", "-o", f"{which}/measure",
    ]  # fmt: skip


def caching(which: str, output: str = "") -> list[str]:
    """The command that measures one of the models, and keeps what it gave."""
    return [
        "measure", f"python:twins:{which}", "-d", "pictures", "-t", "rotate=20/90",
        "--preprocessing", "size=12", "--metrics", "relative_invariance,accuracy", "-n", "44",
        "-j", "0", "--cache", f"{which}/cache", "-o", output or f"{which}/cached",
    ]  # fmt: skip


def searching(which: str) -> list[str]:
    """The command that searches pairs by one of the models."""
    return [
        "factors", "-d", "pictures", "-m", f"python:twins:{which}", "--preprocessing", "size=12",
        "-n", "20", "-t", "singles", "-j", "0", "-o", f"{which}/factors",
    ]  # fmt: skip


def finding(which: str) -> list[str]:
    """The command that measures foregrounds."""
    seed = "0" if which == "first" else "1"
    return [
        "foregrounds", "-d", "pictures", "--masks", "alpha", "-n", "44", "--seed", seed,
        "-o", f"{which}/foregrounds",
    ]  # fmt: skip


def training(which: str) -> list[str]:
    """The command that trains under two seeds."""
    seed = "0" if which == "first" else "5"
    return [
        "train", "-d", "pictures", "-m", TRAINED, "--size", "12", "-b", "8", "--epochs", "2",
        "--seeds", "2", "--seed", seed, "-j", "0", "-o", f"{which}/train",
    ]  # fmt: skip


def improving(which: str) -> list[str]:
    """The command that tunes one of the models; no network keeps to its rule, so it ends with 1."""
    return [
        "improve", f"python:twins:{which}", "-d", "pictures", "--preprocessing", "size=12",
        "-r", "rotate@=90deg accuracy >= 99.9%", "--model-classes", "order",
        "--epochs", "1", "--tuning-batch", "8", "-j", "0", "--device", "cpu",
        "-o", f"{which}/improve",
    ]  # fmt: skip


def studying(which: str) -> list[str]:
    """The command that runs the study of this module."""
    seed = "0" if which == "first" else "5"
    return [
        "study", "run", "every-job", "--preset", "smoke", "--set", f"seed={seed}",
        "-o", f"{which}/study", "--jobs-folder", f"{which}/jobs",
    ]  # fmt: skip


COMMANDS = {
    "measure": measuring, "cached": caching, "factors": searching, "foregrounds": finding,
    "train": training, "improve": improving, "study": studying,
}  # fmt: skip


#: Folders of commands that did not end: the command, and the file for which there was no room.
HALVES = {
    "half-measure": ("measure", "block-00001.parquet"), "half-train": ("train", "weights.pt"),
}  # fmt: skip


def half(kind: str, which: str) -> tuple[list[str], str]:
    """A command of `HALVES`, into a folder of its own, and the file at which it ended."""
    command, last = HALVES[kind]
    return [*COMMANDS[command](which)[:-1], f"{which}/{kind}"], last


def every_job(lab: Any, settings: Any) -> Findings:
    """A job of each kind, and their numbers as a table."""
    from invariscope.studies.claims import above, decide
    from invariscope.studies.lab.figures import Dot, dots

    recipe = Recipe("pictures", TRAINED, size=12, batch_size=8, epochs=1, seed=settings["seed"])
    (trained,) = lab.train([recipe])
    (measured,) = lab.measure(trained, "pictures", transformations="rotate=90", num_images=8)
    (found,) = lab.find_factors(trained, "pictures", pairs=6, operations="rotate=20")
    (moved,) = lab.transfer(trained, "pictures", num_train=20, num_test=20)
    (apart,) = lab.distances(trained, f"{SHAPES}?num=20&classes=4", num_images=20)
    numbers = {
        "accuracy": trained.accuracy,
        "measured": float(measured.frame["value"].sum()),
        "found": float(found.frame["change"].sum()),
        "moved": moved.accuracy,
        "apart": apart.ratio,
    }
    table = pd.DataFrame({"name": list(numbers), "value": list(numbers.values())})
    figure = dots("Dots", "All of them.", [Dot("a", 0.5, 0.4, 0.6)], x_label="value")
    claims = [decide("000.c5", above([0.1, 0.12, numbers["accuracy"]]))]
    return Findings({"numbers": table}, [figure], claims, ["a note"])


def every_job_study() -> Study:
    """The study, not registered."""
    presets = {name: {"seed": 0} for name in ("smoke", "laptop", "paper")}
    cost = dict.fromkeys(presets, "nothing")
    return Study("every-job", "000 §3", "Is it so?", "It is so.", cost, presets, every_job)


def damages(content: bytes, foreign: bytes | None, seed: str) -> Iterator[tuple[str, bytes]]:
    """What may have become of a file: (word, content)."""
    draw = random.Random(seed)
    yield "half", content[: len(content) // 2]
    yield "empty", b""
    yield "noise", draw.randbytes(len(content))
    flipped = bytearray(content)
    flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
    yield "flip", bytes(flipped)
    if foreign is not None and foreign != content:
        yield "foreign", foreign
    try:
        parsed = json.loads(content)
    except ValueError:
        return
    yield "null", b"null"
    yield "list", b"[]"
    yield "object", b"{}"
    yield "text", b'"text"'
    yield "deep", b"[" * 100_000
    yield "deep object", b'{"a":' * 100_000
    places = list(paths(parsed))
    for path in draw.sample(places, min(len(places), PLACES)):
        odd = draw.choice(ODD)
        remove = draw.random() < 0.4
        changed = json.loads(content)
        edit(changed, path, remove, odd)
        place = ".".join(map(str, path))
        yield f"without {place}" if remove else f"{odd!r} at {place}", json.dumps(changed).encode()


#: How many places of a JSON file are damaged.
PLACES = 5
ODD: tuple[Any, ...] = (None, "word", [], {}, -7, [None], 1.5)


def paths(value: Any, before: tuple = (), depth: int = 2) -> Iterator[tuple]:
    """The places in JSON, of lists the first and the last entry."""
    if depth == 0:
        return
    entries: list[Any] = []
    if isinstance(value, dict):
        entries = list(value)
    elif isinstance(value, list) and value:
        entries = sorted({0, len(value) - 1})
    for key in entries:
        yield (*before, key)
        yield from paths(value[key], (*before, key), depth - 1)


def edit(value: Any, path: tuple, remove: bool, new: Any) -> None:
    """Changes one place of parsed JSON."""
    for key in path[:-1]:
        value = value[key]
    if remove:
        del value[path[-1]]
    else:
        value[path[-1]] = new
