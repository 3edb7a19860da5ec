"""The commands on good input: what they write, show and leave alone."""

import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from children import Child
from invariscope.version import VERSION

TINY = ("measure", "python:tiny:make", "--data", "pictures", "--workers", "0")
ENTRY = "from invariscope.cli import main; main()"


def test_help_loads_nothing_that_takes_long(environment):
    """It takes 0.2 s, half of it typer's; what is listed here would be most of the rest."""
    slow = {"torch", "pandas", "numpy", "pyarrow", "importlib.metadata", "secrets", "jinja2"}
    script = (
        "import sys; sys.argv = ['invariscope', '--help']\n"
        "from invariscope.cli import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n"
        f"    print(sorted({slow} & set(sys.modules)), e.code)"
    )
    out = subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)
    assert out.splitlines()[-1] == "[] 0"


def test_version_and_bare_call(invariscope):
    assert invariscope("--version") == (0, f"invariscope {VERSION}\n", "")
    code, out, _ = invariscope("measure", "--help")
    assert code == 0
    for option in ("--data", "--twin", "--dry-run", "--precision", "--resume", "--layers"):
        assert option in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["transformations"],
            "rotate                       geometric   rotation                 10 levels: 0°",
        ),
        (["transformations", "--table", "search"], "equalize"),
        (["transformations", "flip_*"], "flip_vertical"),
        (["groups"], "flip_vertical                top-bottom"),
        (["groups"], "shift(1..32)                 by 1, 2, "),
        (["groups"], "A*B   "),
        (["metrics"], "mean_relative_invariance:l2"),
        (["data"], "python                       Data of your own: python:mydata:test, "),
        (["data"], "table                        Paths and labels in a table: labels.csv?path="),
        (["transformations"], "10 levels: 0 % … ±27.8 % … ±50 % of the side"),
        (["models", "builtin:*"], "builtin:efficientnet-lite0"),
        (["models", "timm:resnet1?"], "timm:resnet18                pretrained"),
        (["models", "timm:levit_192"], "timm:levit_192               LeViT-192, paper 003"),
        (["models", "small:*"], "small:resnet18               32 px; options width="),
        (["augmentations"], "T.(30%) + RandomSizeCenterCrop"),
        (["layers", "timm:resnet18+untrained"], "layer4.1                     Late"),
        (["transformations", "corruption:s*"], "red, green and blue only"),
    ],
)
def test_lists(invariscope, arguments, expected):
    code, out, _ = invariscope("list", *arguments)
    assert code == 0
    assert expected in out
    if "*" in arguments[-1]:
        assert "rotate" not in out


def test_a_list_in_a_terminal_goes_on_below_its_texts(invariscope, monkeypatch):
    from invariscope.terminal import Terminal

    piped = invariscope("list", "data")[1].splitlines()
    assert max(map(len, piped)) > 80  # one line each
    monkeypatch.setattr(Terminal, "is_terminal", True)
    shown = invariscope("list", "data")[1].splitlines()
    assert max(map(len, shown)) <= 80
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join(piped).split())
    assert any(line.startswith(" " * 29) for line in shown)


def test_a_run_writes_its_folder_and_a_table_of_80_columns(invariscope, place):
    code, out, _ = invariscope(*TINY, "-t", "rotate,solarize", "-n", "34", "--output", "run")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "relative_invariance at the embedding, n = 34" in out
    assert "twin" in out
    assert out.splitlines()[-1] == "report: run/report.html"
    names = sorted(path.name for path in (place / "run").iterdir())
    assert names == [
        "example.png", "flips.npz", "manifest.json", "report.html", "rows", "summary.parquet",
    ]  # fmt: skip
    assert len(list((place / "run/rows").iterdir())) == 2
    manifest = json.loads((place / "run/manifest.json").read_text())
    assert manifest["settings"]["model"] == "python:tiny:make"
    assert manifest["execution"]["status"] == "finished"
    assert manifest["execution"]["forward_passes"] == 34 * (1 + 18 + 3 + 7)
    summary = pd.read_parquet(place / "run/summary.parquet")
    assert set(summary.control) == {"", "shuffled", "floor", "untrained"}
    assert "python:tiny:make" in (place / "run/report.html").read_text()


def test_a_run_in_a_terminal_shows_its_bar(invariscope, place, monkeypatch):
    from invariscope.terminal import Terminal

    monkeypatch.setattr(Terminal, "is_terminal", True)
    code, out, _ = invariscope(*TINY, "-t", "rotate=90", "-n", "4", "--output", "run", "--no-twin")
    assert code == 0
    assert "images/s" in out
    assert out.splitlines()[-1] == "report: run/report.html"


def test_the_same_command_goes_on_and_others_are_refused(invariscope, place):
    arguments = (*TINY, "-t", "rotate=90", "--output", "run", "--no-twin")
    assert invariscope(*arguments)[0] == 0
    rows = {path: path.stat().st_mtime_ns for path in (place / "run/rows").iterdir()}
    code, out, _ = invariscope(*arguments)
    assert code == 0
    assert "resuming: 96 of 96 forward passes are done" in out
    assert {path: path.stat().st_mtime_ns for path in rows} == rows
    code, _, err = invariscope(*arguments, "--seed", "1")
    assert code == 2
    assert "run holds a run with other settings: seed is 0 in its manifest.json and 1 now" in err
    code, _, err = invariscope(*arguments, "--no-resume")
    assert code == 2
    assert "run holds a run already" in err


def test_without_output_the_folder_belongs_to_the_settings(invariscope, place):
    arguments = (*TINY, "-t", "rotate=90", "-n", "4", "--no-twin")
    for _ in range(2):
        assert invariscope(*arguments)[0] == 0
    assert len(list((place / "runs").iterdir())) == 1
    assert invariscope(*arguments, "--seed", "1")[0] == 0
    assert len(list((place / "runs").iterdir())) == 2


def test_lists_repeated_or_with_commas_are_the_same(invariscope, place):
    for output, names in (
        ("a", ["-t", "rotate=90,solarize"]),
        ("b", ["-t", "rotate=90", "-t", "solarize"]),
    ):
        assert invariscope(*TINY, *names, "-n", "4", "-o", output, "--no-twin")[0] == 0
    one, other = (pd.read_parquet(place / name / "summary.parquet") for name in "ab")
    assert one.equals(other)


def test_a_dry_run_measures_and_writes_nothing(invariscope, place):
    before = sorted(place.iterdir())
    code, out, _ = invariscope(*TINY, "-t", "rotate", "-n", "all", "--dry-run", "-o", "run")
    assert "python:tiny:make, input as large as the pictures" in out
    assert code == 0
    assert sorted(place.iterdir()) == before
    # 10 cells, 3 of the floor, 4 of the twin
    assert "680 forward passes" in out
    assert "GiB" in out
    assert max(map(len, out.splitlines())) <= 80


def test_several_models_and_comparing_them(invariscope, place):
    code, out, _ = invariscope(
        "measure", "-m", "python:tiny:make", "-m", "python:tiny:make+untrained", "-d", "pictures",
        "-t", "rotate", "-o", "runs", "-j", "0", "--preprocessing", "size=20",
    )  # fmt: skip
    assert code == 0, out
    a, b = place / "runs/python-tiny-make", place / "runs/python-tiny-make-untrained"
    code, out, _ = invariscope("compare", a, b, "--output", "table.csv")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "B: python:tiny:make+untrained on pictures" in out
    assert len(pd.read_csv("table.csv")) > 20
    assert invariscope("compare", a, b, "-o", "table.parquet")[0] == 0
    assert invariscope("compare", a, b, "-o", "table.txt")[0] == 2
    (a / "report.html").unlink()
    assert invariscope("report", a)[0] == 0
    assert (a / "report.html").exists()


def test_groups(invariscope, place):
    code, out, _ = invariscope(*TINY, "-g", "C4", "-g", "flip", "-n", "8", "-o", "run")
    assert code == 0
    assert "270°" in out
    page = (place / "run/report.html").read_text()
    assert "270°" in page
    assert page.count("data:image/jpeg") >= 6  # every element as a picture


def test_sets_of_shifts_and_products(invariscope, place):
    names = ("-g", "shift(1..4),C2*flip", "--border", "circular")
    code, out, _ = invariscope(*TINY, *names, "-n", "4", "-o", "run", "--no-twin")
    assert code == 0
    assert "+4, +4 px" in out
    cells = json.loads((place / "run/manifest.json").read_text())["settings"]["cells"]
    assert [cell["shown"] for cell in cells[:2]] == ["0 px", "+1, +1 px"]
    assert len(cells) == 5 + 4
    assert "+4, +4 px" in (place / "run/report.html").read_text()


def test_the_search_table(invariscope, place):
    code, out, _ = invariscope(*TINY, "--table", "search", "-n", "4", "-o", "run", "--no-twin")
    assert code == 0
    manifest = json.loads((place / "run/manifest.json").read_text())
    assert len(manifest["settings"]["cells"]) == 63 + 12  # level 0 of twelve families more
    assert "equalize" in out


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(environment, place):
    slow = (place / "tiny.py").read_text() + (
        "class Slow(Tiny):\n    def forward(self, x):\n"
        "        import time; time.sleep(0.02)\n        return super().forward(x)\n"
        "def slow():\n    return Slow()\n"
    )
    (place / "tiny.py").write_text(slow)
    arguments = [
        "measure",
        "python:tiny:slow",
        "-d",
        "pictures",
        "-n",
        "all",
        "-o",
        "run",
        "-j",
        "0",
    ]
    script = f"import sys; sys.argv = ['invariscope', *{arguments!r}]\n{ENTRY}"
    with Child(script, said=place / "said", environment=environment) as process:
        deadline = time.time() + 90
        while not list(place.glob("run/rows/block-*")) and time.time() < deadline:
            assert process.lives, process.err
            time.sleep(0.02)
        process.send(signal.SIGINT)
        code, _, err = process.ended(60)
    assert code == 3
    assert err.splitlines()[-1] == (
        "invariscope: interrupted; the same command goes on where it stopped"
    )
    assert len(list(place.glob("run/rows/block-*"))) == 1


def test_list_alone_names_its_lists(invariscope):
    code, out, _ = invariscope("list")
    assert code == 0
    assert out.split()[0] == "models"
    assert {"layers", "data", "metrics", "augmentations"} <= set(out.split())
    assert all(len(line) <= 80 for line in out.splitlines())
