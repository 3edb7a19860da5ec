"""Names from outside are text: no markup, no escape sequences, no formulas, at 80 columns."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from invariscope.files import read_csv
from invariscope.studies.claims.record import Record, write_claims
from invariscope.studies.claims.verdict import not_run
from invariscope.studies.lab.study import STUDIES, Study
from oracles.many import run_of

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


def check(text, width=80):
    """Nothing that a terminal carries out, no column beyond the last, no markup lost."""
    assert not set(text) & {"\x1b", "\x9b", "\r", "\x07"}
    paths = ("report:", "table:", "what to augment", "skipped", "seeds:", "summary:")
    lines = [line for line in text.splitlines() if not line.startswith(paths)]
    assert max(map(len, lines)) <= width, max(lines, key=len)


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
