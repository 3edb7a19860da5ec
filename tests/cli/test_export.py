"""`invariscope export`: files, refusals and what the terminal says."""

import pandas as pd
import pytest

TINY = ("measure", "python:tiny:make", "--data", "pictures", "--workers", "0")


@pytest.fixture
def run(invariscope, place):
    arguments = (*TINY, "-t", "rotate=90", "-n", 4, "--no-twin", "-o", "run")
    assert invariscope(*arguments)[0] == 0
    return place / "run"


def test_files(invariscope, run, place):
    code, out, err = invariscope("export", "run", "--to", "csv", "--metrics", "relative_invariance")
    assert (code, out, err) == (0, "csv: run/frame.csv\n", "")
    assert set(pd.read_csv(run / "frame.csv")["metric"]) == {"relative_invariance"}
    code, _, err = invariscope("export", "run", "--to", "csv")
    assert code == 2
    said = "run/frame.csv is there already: give --replace to write it anew, or --output"
    assert err == f"invariscope: {said}\n"
    assert invariscope("export", "run", "--to", "csv", "--replace")[0] == 0
    code, out, _ = invariscope("export", "run", "--to", "latex", "-o", "t.tex", "--caption", "Mine")
    assert code == 0
    assert r"\caption{Mine.}" in (place / "t.tex").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--to", "excel"), "'excel'"),
        (("run", "--to", "csv", "--project", "p"), "--project belongs to wandb: leave it out"),
        (("run", "--to", "csv", "--metrics", "relative"), "metric of this run 'relative'"),
        (("run",), "Missing option '--to'"),
        (("none", "--to", "csv"), "no run folder at none"),
        (("run", "run", "--to", "tensorboard"), "no folder of its own: give its --output"),
    ],
)
def test_wrong_input_is_one_line(invariscope, run, arguments, said):
    code, out, err = invariscope("export", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_folder_of_factors(invariscope, place):
    (place / "classes").mkdir()
    for number, picture in enumerate(sorted((place / "pictures").iterdir())):
        folder = place / "classes" / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        picture.rename(folder / picture.name)
    code, _, err = invariscope(
        "factors", "-m", "python:tiny:make", "-d", "classes", "-n", 6, "-t", "rotate=90/180",
        "--workers", "0", "-o", "search",
    )  # fmt: skip
    assert code == 0, err
    code, _, err = invariscope("export", "search", "--to", "parquet")
    assert (code, err) == (0, "")
    found = pd.read_parquet(place / "search" / "frame.parquet")
    assert set(found["class"]) == {"a", "b"}
    code, _, err = invariscope("export", "search", "--to", "csv", "--layers", "logits")
    assert (code, "a search for factors goes out whole" in err) == (2, True)
