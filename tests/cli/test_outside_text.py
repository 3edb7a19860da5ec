"""Names from outside are text: no markup, no escape sequences, no formulas, at 80 columns."""

import json
import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from invariscope.files import read_csv
from invariscope.studies.claims.record import Record, write_claims
from invariscope.studies.claims.verdict import not_run
from invariscope.studies.lab.study import STUDIES, Study
from invariscope.view.app import application
from invariscope.view.runs import Runs
from oracles.many import run_of
from view_pages import asked

BRACKETS, ESCAPE, LINES = "[red]cat[b]", "\x1b[31mdog\x9b", "two\nlines <b>"
LONG, FORMULA = "n" * 120 + "middle" + "z" * 114, "=1+1"
NAMES = (BRACKETS, ESCAPE, LINES, LONG, FORMULA)
LAYERS = """
from tiny import Tiny
from torch import nn

class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module("[bold]\\x1b[2J", Tiny())
    def forward(self, x):
        return next(self.children())(x)
"""
MOVED = """
from torchvision.transforms import v2
from invariscope.transformations import transformation_from

odd = transformation_from(
    lambda sigma: v2.GaussianBlur(3, (sigma + 0.1, sigma + 0.1)), (0.0, 2.0),
    name="=T\\x1b[1m[red]\\n" + "m" * 300, unit="\\x1b°", words="words [b]\\x07",
)
"""
FIVE = """
import torch
from tiny import Tiny

def make():
    torch.manual_seed(0)
    model = Tiny()
    model.fc = torch.nn.Linear(8, 5)
    return model
"""
CARRIED_OUT = {"\x1b", "\x9b", "\r", "\x07"}


def check(text, width=80):
    """Nothing that a terminal carries out, no column beyond the last, no markup lost."""
    assert not set(text) & CARRIED_OUT
    paths = ("report:", "table:", "what to augment", "skipped", "seeds:", "summary:")
    lines = [line for line in text.splitlines() if not line.startswith(paths)]
    assert max(map(len, lines), default=0) <= width, max(lines, key=len)


@pytest.fixture
def classes(place):
    """Five classes of eight pictures, named from outside."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        (place / "classes" / name).mkdir(parents=True)
        for k in range(8):
            pixels = rng.integers(0, 256, (24, 24, 3), np.uint8)
            Image.fromarray(pixels).save(place / "classes" / name / f"{k}.png")
    return place


def test_measure(invariscope, classes):
    (classes / "odd.py").write_text(LAYERS)
    (classes / "classes" / BRACKETS / "\x1b[2J[bold]\n.png").write_bytes(b"no picture")
    code, out, err = invariscope(
        "measure", "python:odd:Odd", "-d", "classes", "-n", "all", "-t", "rotate=90", "--workers",
        "0", "--layers", "*conv", "-o", "run",
    )  # fmt: skip
    assert code == 0, err
    check(out + err)
    assert "first: [red]cat[b]/\\x1b[2J[bold]\\n.png" in out
    page = (classes / "run" / "report.html").read_text()
    assert "<b>" not in page
    assert "[bold]" in page
    code, out, err = invariscope("list", "layers", "python:odd:Odd")
    assert code == 0
    check(out, 200)
    assert "[bold]\\x1b[2J.conv" in out


def test_what_becomes_of_a_run(invariscope, classes, monkeypatch):
    """One with groups of images, a corruption and a transformation that are named so."""
    (classes / "odd.py").write_text(LAYERS)
    (classes / "moved.py").write_text(MOVED)
    images = [f"{name}/{k}.png" for name in NAMES for k in range(8)]
    columns = {
        "path": images, "=column\x1b[1m": ["yes", "no"] * 20,
        "two\n[lines]": [NAMES[k // 2 % 5] for k in range(40)], "n" * 300: ["=a", "+b"] * 20,
    }  # fmt: skip
    pd.DataFrame(columns).to_csv("groups.csv", index=False)
    shutil.copytree(classes / "classes", classes / "stored" / f"{ESCAPE}[b]\n=x" / "1")
    code, out, err = invariscope(
        "measure", "python:odd:Odd", "-d", "classes", "-n", "all", "-t", "imagenet-c:stored", "-t",
        "python:moved:odd,rotate=90", "-j", "0", "--layers", "*conv", "--image-groups",
        "groups.csv", "--no-twin", "-o", "run",
    )  # fmt: skip
    assert code == 0, err
    check(out)
    check(err, 1000)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    is_checked(invariscope, classes)
    is_exported(invariscope, classes)
    is_viewed(classes)


def is_checked(invariscope, place):
    code, out, err = invariscope(
        "check", "run", "-r", "rotate@=90deg prediction_consistency for every class >= 99.9%", "-r",
        f'rotate@=90deg relative_invariance for "{BRACKETS}" >= 99.9%', "--baseline", "run",
        "--margin", "9", "--junit", "junit.xml", "--github",
    )  # fmt: skip
    assert code in (1, 3), err
    commands = [line for line in out.splitlines() if line.startswith("::")]
    assert all(re.match(r"::(stop-commands|\w{32}|error |warning )", line) for line in commands)
    check("\n".join(line for line in out.splitlines() if line not in commands))
    assert "two\\nlines <b>" in out
    shown = [line for line in commands if "[red]cat[b]" in line]
    assert shown
    for file in ("junit.xml", "summary.md"):
        assert not set((place / file).read_text()) & CARRIED_OUT
    ElementTree.parse(place / "junit.xml")
    assert "`rotate 90° for two\\nlines <b>`" in (place / "summary.md").read_text()


def is_exported(invariscope, place):
    for to in ("csv", "latex", "tensorboard"):
        code, out, err = invariscope("export", "run", "--to", to, "-o", f"out.{to}")
        assert code == 0, err
        check(out + err, 1000)
    for table in place.glob("out*.csv"):
        frame = pd.read_csv(table, dtype=str, keep_default_na=False)
        texts = [*frame.columns, *frame.to_numpy().ravel()]
        assert not [t for t in texts if t[:1] in tuple("=+-@\t\r") and not _is_number(t)], table
    assert not set((place / "out.latex").read_text()) & CARRIED_OUT


def is_viewed(place):
    shutil.copytree(place / "run", place / "runs" / f"{BRACKETS}{ESCAPE}{LINES}")
    runs = Runs(place / "runs")
    app, (entry,) = application(runs, "token"), runs.entries()
    (shown,) = runs.shown([entry.key])
    frame = shown.result.frame
    pages = [asked(app, path, runs=entry.key) for path in ("/", "/choice", "/layers")]
    for name in frame["transformation"].unique():
        pages.append(asked(app, "/card", runs=entry.key, transformation=name))
    for name in frame["layer"].dropna().unique():
        pages.append(asked(app, "/layer", run=entry.key, layer=name))
    assert {status for status, _ in pages} == {200}
    assert not any("lines <b>" in text for _, text in pages)


def test_improve(invariscope, classes):
    (classes / "five.py").write_text(FIVE)
    code, out, err = invariscope(
        "improve", "python:five:make", "-d", "classes", "-r", "rotate@=90deg accuracy >= 99.9%",
        "--model-classes", "order", "--epochs", "1", "--tuning-batch", "8", "-j", "0", "-o", "out",
    )  # fmt: skip
    assert code in (1, 3), err
    check("\n".join(line for line in out.splitlines() if not line.startswith(("weights", "to m"))))
    check(err, 1000)
    assert "\\x1b[31mdog\\x9b" in out
    assert "lines <b>" not in (classes / "out" / "report.html").read_text()


def test_factors(invariscope, classes):
    code, out, err = invariscope(
        "factors", "-m", "python:tiny:make", "-d", "classes", "-n", 4, "-t", "rotate=90/180",
        "--workers", "0", "-o", "run",
    )  # fmt: skip
    assert code == 0, err
    check(out + err)
    for name in ("[red]cat[b]", "\\x1b[31mdog\\x9b", "two\\nlines <b>", "=1+1"):
        assert name in out, name
    page = (classes / "run" / "report.html").read_text()
    assert "lines <b>" not in page


def test_class_effects(invariscope, place):
    names = (*NAMES, "n" * 300, "-1", "+x", "@x", "'=x")
    rows = [
        (f"{name}/{k}", name, method, seed, int((k + seed) % 5 > (method == FORMULA)))
        for name in names
        for k in range(4)
        for method in ("none", FORMULA)
        for seed in range(3)
    ]
    columns = pd.Index(["image", "class", "method", "seed", "correct"])
    pd.DataFrame(rows, columns=columns).to_parquet("answers.parquet")
    arguments = ("--without", "none", "--threshold", "0.1", "-o", "effects.csv")
    code, out, err = invariscope("class-effects", "answers.parquet", *arguments)
    assert code == 0, err
    check(out + err)
    assert "=1+1 against none" in out
    cells = pd.read_csv("effects.csv", dtype=str)
    shown = set(cells["class"]) | set(cells["method"])
    assert {"'=1+1", "'+x", "'@x", "''=x", "-1", BRACKETS} <= shown
    for table in place.glob("effects*.csv"):
        texts = pd.read_csv(table, dtype=str, keep_default_na=False).to_numpy().ravel()
        runs = [text for text in texts if text[:1] in tuple("=+-@\t\r") and not _is_number(text)]
        assert not runs, table
    assert set(read_csv(place / "effects.csv", dtype=str)["class"]) == set(names)


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_compare(invariscope, place):
    for k, name in enumerate((BRACKETS + ESCAPE, LINES, "n" * 300, FORMULA)):
        run_of(0.3 + 0.1 * k, name, correct=3 + k, seed=k).save(place / f"run{k}")
    code, out, err = invariscope("compare", "run0", "run1", "-o", "two.csv")
    assert code == 0, err
    check(out + err)
    assert "A: [red]cat[b]\\x1b[31mdog\\x9b on toys" in out
    assert "two\\nlines <b>" in out
    code, out, err = invariscope(
        "compare", *(f"run{k}" for k in range(4)), "-o", "all.csv", "-o", "all.html"
    )
    assert code == 0, err
    check(out + err)
    assert "'=1+1" in set(pd.read_csv("all.csv")["model"])
    assert set(read_csv(place / "all.csv")["model"]) == {
        BRACKETS + ESCAPE, LINES, "n" * 300, FORMULA,
    }  # fmt: skip
    page = (place / "all.html").read_text()
    assert "lines <b>" not in page
    assert "[red]cat[b]" in page
    pd.DataFrame({"model": ["'=1+1"], "accuracy": [0.5]}).to_csv("accuracies.csv", index=False)
    assert "no accuracy of" in invariscope("compare", "run0", "run3", "-a", "accuracies.csv")[2]


def not_run_here(lab, settings):
    raise AssertionError("a listing ran a study")


def test_studies_and_claims(invariscope, place, monkeypatch):
    question = f"{BRACKETS} {ESCAPE} {LINES} {'n' * 300}?"
    presets = {"smoke": {"of": ESCAPE}}
    odd = Study("odd", "000", question, "yes", {"smoke": "[b]1 s"}, presets, not_run_here)
    monkeypatch.setitem(STUDIES._entries, "odd", odd)
    for arguments in (("study", "list"), ("study", "list", "odd")):
        code, out, err = invariscope(*arguments)
        assert code == 0, err
        check(out)
        assert "[red]cat[b] \\x1b[31mdog\\x9b two\\nlines <b>" in out
    claim = not_run("000.c1", question)
    write_claims(place / "kept", Record("odd", "smoke", "2026-01-01T00:00:00", (claim,)))
    code, out, err = invariscope("claims", "kept")
    assert code == 0, err
    check(out)
    assert "\\x1b[31mdog" in out
    code, out, _ = invariscope("claims", "kept", "--json")
    assert not set(out) & {"\x1b", "\x9b"}
    assert question in [row["note"] for row in json.loads(out)]


def test_errors_and_progress(invariscope, place):
    code, _, err = invariscope("measure", f"python:tiny:{ESCAPE}", "-d", "pictures")
    assert code == 2
    check(err, 1000)
    assert "\\x1b[31mdog" in err
    code, _, err = invariscope("measure", "python:tiny:make", "-d", f"no{BRACKETS}\x1b")
    assert code == 2
    assert "no[red]cat[b]\\x1b" in err


def test_options_stand_where_the_library_names_arguments(invariscope, place):
    code, _, err = invariscope("measure", "python:tiny:make", "-d", "pictures", "-o", "tiny.py")
    assert code == 2
    assert "`" not in err
    code, _, err = invariscope("study", "run", "rrc-decomposition", "--preset", "paper")
    assert code == 2
    assert "give it by --set train=PATH" in err
