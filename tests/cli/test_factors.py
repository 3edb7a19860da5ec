"""`invariscope factors` as a user meets it."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image

from invariscope.advice.recommendation import ADVICE
from invariscope.search import Factors

MODEL = ("--model", "python:tiny:make", "--preprocessing", "size=24", "-j", 0)


@pytest.fixture
def classes(place):
    """The forty pictures as two classes, and one class of a single picture."""
    for number in range(40):
        folder = place / "classes" / ("cats" if number % 3 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        (place / "pictures" / f"{number:02}.png").rename(folder / f"{number:02}.png")
    (place / "classes" / "newt").mkdir()
    Image.new("RGB", (24, 24)).save(place / "classes" / "newt" / "1.png")
    return place


def test_a_search_from_start_to_summary(classes, invariscope):
    code, out, err = invariscope("factors", "-d", "classes", *MODEL, "-n", 6, "-o", "run")
    assert code == 0, err
    assert out.index("nothing found") < out.index("Paper 000's ranking: top operation by mean")
    for words in (
        "all, on average", "held out",
        "Null controls: 1 operation that changes nothing changed the similarity by exactly 0",
        "left out 1 of 3 classes, which have a single image: newt",
        "what varies: run/factors.parquet", "the paper's ranking: run/operations.parquet",
        "operations",
    ):  # fmt: skip
        assert words in " ".join(out.split()), words
    assert all(len(line) <= 80 for line in out.splitlines())
    found = Factors.load("run")
    assert found.classes == ("cats", "dogs")
    assert len(found.frame) == 3 * 62
    assert set(found.factors["class"]) == {"cats", "dogs"}
    assert found.manifest["execution"]["status"] == "finished"
    code, out, _ = invariscope("factors", "-d", "classes", *MODEL, "-n", 6, "-o", "run")
    assert code == 0
    assert "resuming: 798 of 798 forward passes are done" in out


def test_the_plan_measures_nothing(classes, invariscope):
    code, out, _ = invariscope("factors", "-d", "classes", *MODEL, "--dry-run", "-t", "singles")
    assert code == 0
    text = " ".join(out.split())
    assert "classes 2: cats, dogs" in text
    assert "pairs 128, 64 of each class" in text
    assert "operations 63: 47 are computed, 2 change nothing, the others equal one of these" in text
    assert "forward passes" in text
    assert all(len(line) <= 80 for line in out.splitlines())
    assert not (classes / "runs").exists()


def test_the_same_command_finds_its_folder_again(classes, invariscope):
    arguments = ("factors", "-d", "classes", *MODEL, "-n", 2, "-t", "invert", "--classes", "dogs")
    assert invariscope(*arguments)[0] == 0
    (folder,) = (classes / "runs").iterdir()
    assert folder.name.startswith("factors_python-tiny-make_classes_")
    code, out, _ = invariscope(*arguments)
    assert code == 0
    assert "resuming" in out
    assert len(list((classes / "runs").iterdir())) == 1


def test_the_report_is_written_again_without_the_model_and_the_data(classes, invariscope):
    search = ("factors", "-d", "classes", *MODEL, "-n", 4, "-t", "rotate,invert", "-o", "run")
    assert invariscope(*search)[0] == 0
    page = (classes / "run" / "report.html").read_bytes()
    assert b"What varies in" in page
    for name in ("tiny.py", "classes"):
        (classes / name).rename(classes / f"gone-{name}")
    code, out, err = invariscope("report", "run", "-o", "again.html")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "report: again.html"
    assert (classes / "again.html").read_bytes() == page


def test_wrong_input_is_one_line_that_says_what_would_work(classes, invariscope):
    for arguments, message in (
        (("-d", "pictures"), "no image in the folder"),
        (("-d", "classes", "--classes", "cat"), "unknown class 'cat': did you mean cats?"),
        (("-d", "classes", "-t", "rotat"), "unknown transformation 'rotat': did you mean rotate"),
        (("-d", "classes", "--shear-centre", "top"), "shear_centre must be one of centre, corner"),
        (("-d", "samples"), "samples has no labels: factors pairs images of the same class"),
        (("-d", "classes", "-n", "0"), "Invalid value for '--pairs'"),
        ((), "Missing option '--data'"),
    ):
        code, _, err = invariscope("factors", *arguments, *MODEL)
        assert code == 2, err
        assert message in err
        assert len(err.strip().splitlines()) == 1


def test_the_help_comes_without_torch(environment):
    script = (
        "import sys; sys.argv = ['invariscope', 'factors', '--help']\n"
        "from invariscope.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)
    assert time.perf_counter() - started < 20  # a second or less on a quiet machine


@pytest.fixture
def searched(classes, invariscope):
    code, _, err = invariscope(
        "measure", "python:tiny:make", "-d", "classes", "--preprocessing", "size=24", "-j", 0,
        "-t", "rotate,invert,solarize", "--layers", "last", "--twin", "-o", "own",
    )  # fmt: skip
    assert code == 0, err
    return ("factors", "-d", "classes", *MODEL, "-n", 6, "-t", "singles", "-o", "run")


def test_the_same_command_with_evidence(searched, invariscope):
    assert invariscope(*searched)[0] == 0
    assert not Path("run/alignment.csv").exists()
    code, out, err = invariscope(*searched, "--trained", "own")
    assert code == 0, err
    text = " ".join(out.split())
    assert "resuming" in text
    assert "Not measured, so left out:" in text or "the same way: nothing to compare" in text
    assert all(len(line) <= 80 for line in out.splitlines())
    families = set(pd.read_csv("run/alignment.csv")["family"])
    assert families == {"rotate", "invert", "solarize"}
    table = pd.read_csv("run/recommendation.csv")
    assert set(table["advice"]) <= set(ADVICE)
    assert not table[table["family"] == "rotate"][["invariance", "gap"]].isna().to_numpy().any()
    made: dict[str, Any] = {}
    exec(compile(Path("run/augment.py").read_text(), "augment.py", "exec"), made)
    assert made["augment"](torch.zeros(3, 8, 8, dtype=torch.uint8)).shape == (3, 8, 8)
    page = Path("run/report.html").read_text()
    assert "cats" in page
    assert "gap" in page


def test_too_few_classes_for_a_hierarchy(searched, invariscope):
    if not Path("/usr/share/wordnet/data.noun").exists():
        pytest.skip("WordNet is not installed (apt-get install wordnet-base)")
    code, out, err = invariscope(*searched, "--wordnet", "auto")
    assert code == 0, err  # two classes are too few, which costs nothing but the comparison
    assert "not compared with WordNet: " in out
    assert Path("run/report.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trained", "nowhere"), "nowhere"),
        (("--untrained", "nowhere"), "give --trained as well"),
        (("--wordnet", "nowhere"), "nowhere"),
        (("--foregrounds", "nowhere"), "nowhere"),
    ],
)
def test_evidence_that_is_not_there_is_missed_before_the_search(
    classes, invariscope, options, message
):
    code, _, err = invariscope("factors", "-d", "classes", *MODEL, "-o", "run", *options)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("run").exists()


def test_classes_by_name(classes, invariscope):
    arguments = ("factors", "-d", "classes", *MODEL, "-n", 2, "-t", "invert", "-o", "run")
    assert invariscope(*arguments, "--classes", "dogs,cats")[0] == 0
    assert Factors.load("run").classes == ("cats", "dogs")
    code, _, err = invariscope(*arguments, "--classes", "dogs,rats")
    assert code == 2
    assert "unknown class 'rats'" in err
