"""Several models on the command line: measured, compared, ranked, and told what is wrong."""

import shutil

import pandas as pd
import pytest

MODELS = [f"python:seeded:model{seed}" for seed in range(4)]
SEEDED = """
import torch
from tiny import Tiny

def make(seed):
    torch.manual_seed(seed)
    return Tiny()

def model0(): return make(0)
def model1(): return make(1)
def model2(): return make(2)
def model3(): return make(3)
"""
SMALL = ("-d", "pictures", "-t", "rotate=90,solarize=0.5", "-n", "8", "-j", "0", "--no-floor")


@pytest.fixture(autouse=True)
def seeded(place):
    (place / "seeded.py").write_text(SEEDED)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the runs are kept for the next test."""
    return tmp_path_factory.mktemp("kept") / "many"


@pytest.fixture
def runs(invariscope, place, kept):
    if kept.exists():
        shutil.copytree(kept, place / "many")
    else:
        code, _, _ = invariscope("measure", *MODELS, *SMALL, "--no-twin", "-o", "many")
        assert code == 0
        shutil.copytree(place / "many", kept)
    folders = sorted((place / "many").iterdir())
    assert len(folders) == 4
    return folders


def test_several_models_without_output_and_what_to_do_next(invariscope, place):
    code, out, _ = invariscope("measure", "-m", MODELS[0], "-m", MODELS[1], *SMALL)
    assert code == 0
    folders = sorted((place / "runs").iterdir())
    assert len(folders) == 2
    last = out.splitlines()[-1]
    assert last.startswith("to compare: invariscope compare runs/")
    assert last.endswith(" -o leaderboard.html")
    words = last.removeprefix("to compare: invariscope ").split()
    assert sorted(words[1:3]) == [str(folder.relative_to(place)) for folder in folders]
    code, out, _ = invariscope(*words)
    assert code == 0
    assert (place / "leaderboard.html").exists()


def test_a_file_of_models_which_are_measured_together(invariscope, place):
    (place / "models.txt").write_text(f"# ours\n{MODELS[0]}\n\n{MODELS[1]}  # the second\n")
    code, out, err = invariscope("measure", "-m", "@models.txt", *SMALL, "--no-twin", "-o", "many")
    assert code == 0, err
    assert "2 models together on pictures" in out
    assert out.count("report: many/") == 2
    for folder in (place / "many").iterdir():
        alone = place / "alone"
        spec = MODELS[int(folder.name[-1])]
        invariscope("measure", spec, *SMALL, "--no-twin", "-o", alone / folder.name)
        for name in ("summary.parquet", "rows/block-00000.parquet"):
            assert (folder / name).read_bytes() == (alone / folder.name / name).read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "@models.txt: models.txt cannot be read (No such file or directory): give a text "),
        (b"# none\n", "@models.txt: models.txt has no line: write a spec on each"),
        (b"\xff\xfe\x00", "@models.txt: models.txt cannot be read (it is no text): give a text "),
    ],
)
def test_a_file_of_models_that_names_none(invariscope, place, content, message):
    if content is not None:
        (place / "models.txt").write_bytes(content)
    code, _, err = invariscope("measure", "-m", "@models.txt", *SMALL)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_models_that_stop_go_on_together(invariscope, place):
    (place / "models.txt").write_text("\n".join(MODELS[:3]))
    asked = ("measure", "@models.txt", *SMALL, "--no-twin", "-o", "many")
    assert invariscope(*asked)[0] == 0
    rows = sorted(place.glob("many/*/rows/*.parquet"))
    assert len(rows) == 3
    before = rows[1].read_bytes()
    rows[1].unlink()
    code, out, _ = invariscope(*asked)
    assert code == 0
    assert "resuming" in out
    assert rows[1].read_bytes() == before


def test_a_bad_spec_is_told_before_anything_is_measured(invariscope, place):
    code, _, err = invariscope("measure", MODELS[0], "timm:resnet1818", *SMALL, "-o", "many")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "resnet1818" in err
    assert "none is measured yet" in err
    assert not (place / "many").exists()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([MODELS[0], MODELS[0]], "the model python:seeded:model0 is named twice"),
        (["python:tiny:make", "python-tiny:make"], "would share the folder python-tiny-make"),
    ],
)
def test_models_that_would_share_a_folder(invariscope, place, models, message):
    code, _, err = invariscope("measure", *models, *SMALL)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_comparing_four_models(invariscope, runs):
    pd.DataFrame({"model": MODELS, "accuracy": [0.2, 0.4, 0.6, 0.8]}).to_csv("zoo.csv", index=False)
    arguments = ("--accuracy", "zoo.csv", "-o", "table.csv", "-o", "board.html")
    code, out, err = invariscope("compare", *runs, *arguments)
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 80
    assert "4 models on pictures, 8 images" in out
    assert "Accuracy: from zoo.csv." in out
    assert "all 24 orders of the 4" in " ".join(out.split())
    assert out.splitlines()[-3:] == [
        "table: table.csv", "correlations: table-correlations.csv", "leaderboard: board.html",
    ]  # fmt: skip
    table, found = pd.read_csv("table.csv"), pd.read_csv("table-correlations.csv")
    assert set(table["model"]) == set(MODELS)
    assert {"depth", "ci_low", "part", "n"} <= set(table)
    assert (found["models"] == 4).all()
    assert found["p_value"].min() >= 2 / 24


def test_two_runs_keep_the_table_of_cells(invariscope, runs):
    code, out, _ = invariscope("compare", *runs[:2], "-o", "table.csv")
    assert code == 0
    assert "B - A, 95 %" in out
    assert "2 models on pictures, 8 images" in out
    assert "difference" in pd.read_csv("table.csv")
    assert max(map(len, out.splitlines())) <= 80


def test_what_other_commands_wrote_beside_runs_is_left_out(invariscope, runs, place):
    """As in ``compare runs/*``, which holds jobs of studies, searches and trainings as well."""
    (place / "jobs" / "one").mkdir(parents=True)
    (place / "search").mkdir()
    (place / "search" / "manifest.json").write_text('{"command": "factors"}')
    others = (place / "jobs", place / "search")
    code, out, err = invariscope("compare", *runs[:2], *others, "-o", "table.csv")
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    assert f"left out, as measure did not write them: {others[0]}, {others[1]} " in words
    assert "2 models on pictures" in out
    code, _, err = invariscope("compare", runs[0], others[0])
    assert code == 2
    assert f"{others[0]} is not a run folder" in err
    code, _, err = invariscope("compare", *runs[:2], place / "nowhere")
    assert code == 2
    assert "no run folder at" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,top1\na,1\n", "zoo.csv has the columns model, top1: model and accuracy are needed"),
        ("", "zoo.csv has the columns none"),
        ("model,accuracy\na,x\n", "zoo.csv, line 2: 'x' is no accuracy"),
        ("model,accuracy\na,0.1\na,0.2\n", "zoo.csv, line 3: 'a' is there twice"),
        ("model,accuracy\na,0.1\n", "zoo.csv has no accuracy of 'python:seeded:model2'"),
        (None, "cannot read zoo.csv: No such file or directory; give a CSV file"),
    ],
)
def test_accuracies_that_cannot_be_used(invariscope, runs, place, text, message):
    if text is not None:
        (place / "zoo.csv").write_text(text)
    code, _, err = invariscope("compare", *sorted(runs, key=str)[-2:], "-a", "zoo.csv")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_runs_that_cannot_be_compared(invariscope, runs, place):
    code, _, err = invariscope("compare", runs[0])
    assert code == 2
    assert "1 run folder: give two or more" in err
    code, _, err = invariscope("compare", *runs, "-o", "board.pdf")
    assert code == 2
    assert "give a file that ends in .html, .csv or .parquet" in err
    code, _, err = invariscope("compare", *runs, "-o", "nowhere/board.html")
    assert code == 2
    assert "cannot write the report nowhere/board.html" in err
