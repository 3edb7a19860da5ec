"""`class-effects`: from run folders of real small models, from tables, and on bad input."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

SEEDS = """
import torch
from tiny import Tiny

def make(seed, blind):
    torch.manual_seed(seed)
    model = Tiny()
    if blind:  # never names the first class
        model.fc.bias.data[0] = -100.0
    return model

def plain1(): return make(1, False)
def plain2(): return make(2, False)
def plain3(): return make(3, False)
def blind1(): return make(4, True)
def blind2(): return make(5, True)
"""
CLASSES = ("cat", "dog", "crane", "thing 7")


@pytest.fixture
def labelled(place):
    """Four classes of ten pictures, and five models of four outputs."""
    (place / "seeds.py").write_text(SEEDS)
    rng = np.random.default_rng(1)
    for number, name in enumerate(CLASSES):
        (place / "labelled" / name).mkdir(parents=True)
        for k in range(10):
            pixels = rng.integers(0, 60, (24, 24, 3), dtype=np.uint8) + np.uint8(45 * number)
            Image.fromarray(pixels).save(place / "labelled" / name / f"{k}.png")
    return place


def answers(methods=("none", "rrc"), classes=("cat", "dog"), seeds=3):
    rows = [
        (
            f"{name}/{k}",
            name,
            method,
            seed,
            int((k + seed) % 5 > (name == "cat" != method == "none")),
        )
        for name in classes
        for k in range(8)
        for method in methods
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=pd.Index(["image", "class", "method", "seed", "correct"]))


def test_measured_runs_give_the_effects(invariscope, labelled):
    for name in ("plain1", "plain2", "plain3", "blind1", "blind2"):
        code, _, err = invariscope(
            "measure", f"python:seeds:{name}", "--data", "labelled", "--workers", "0", "--no-twin",
            "-n", "all", "-t", "rotate=90", "--metrics", "accuracy", "--output", f"runs/{name}",
        )  # fmt: skip
        assert (code, err.count("Traceback")) == (0, 0)
    code, out, err = invariscope(
        "class-effects", "--without", "plain=runs/plain*", "--with",
        "blind=runs/blind1,runs/blind2", "-o", "effects.parquet",
    )  # fmt: skip
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "blind against plain: 6 pairs of seeds, 4 classes, 40 images"
    frame = pd.read_parquet("effects.parquet").set_index("class")
    assert sorted(frame.index) == sorted(CLASSES)
    assert frame.loc["cat", "accuracy_with"] == 0
    seeds = pd.read_parquet("effects-seeds.parquet")
    accuracy = {(r["seed"], r["class"]): r["accuracy"] for r in seeds.to_dict("records")}
    for name in ("plain1", "plain2", "plain3", "blind1", "blind2"):
        blocks = (labelled / f"runs/{name}/rows").iterdir()
        rows = pd.concat([pd.read_parquet(path) for path in blocks])
        rows = rows[(rows["metric"] == "accuracy") & (rows["cell"] == "identity")]
        rows = rows[(rows["layer"] == "logits") & (rows["control"] == "")]
        for label, folder in enumerate(sorted(CLASSES)):
            expected = rows[rows["label"] == label]["value"].mean()
            assert accuracy[f"runs/{name}", folder] == pytest.approx(expected)
    without = [accuracy[f"runs/plain{k}", "cat"] for k in (1, 2, 3)]
    assert frame.loc["cat", "difference"] == pytest.approx(-np.mean(without))
    assert frame.loc["cat", "share_hurt"] == pytest.approx(np.mean([a > 0 for a in without]))
    assert any(without)
    summary = pd.read_parquet("effects-summary.parquet")
    assert summary["n_relabellings"].tolist() == [10]
    assert (labelled / "effects-helped-samples.parquet").is_file()


def test_tables_give_the_effects(invariscope, place):
    frame = answers(("none", "rrc", "t30"))
    frame[frame["method"] == "none"].to_csv("none.csv", index=False)
    frame[frame["method"] != "none"].to_parquet("others.parquet")
    code, out, err = invariscope(
        "class-effects", "none.csv", "others.parquet", "--without", "none", "-o", "all.csv"
    )
    assert (code, err) == (0, "")
    assert "rrc against none: 9 pairs" in out
    assert "within t30" in out
    assert max(map(len, out.splitlines())) <= 80
    assert len(pd.read_csv("all.csv")) == 4
    code, only, _ = invariscope(
        "class-effects", "none.csv", "others.parquet", "--without", "none", "--with", "t30"
    )
    assert code == 0
    assert "rrc" not in only
    assert "t30 against none" in only


def test_no_wordnet_is_said(invariscope, place, monkeypatch):
    answers().to_csv("answers.csv", index=False)
    monkeypatch.setattr("invariscope.effects.wordnet.standard_folders", lambda: [place / "none"])
    code, out, _ = invariscope("class-effects", "answers.csv", "--without", "none")
    assert code == 0
    assert "note: hurt classes are not compared in WordNet: no WordNet in" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["answers.csv"], "--without is missing: give a method of the table, or NAME=RUN,RUN,…"),
        (["--without", "none"], "'none' without a table: give the table, or none=RUN,RUN,…"),
        (["--without", "none=runs", "--with", "rrc"], "'rrc' without a table"),
        (
            ["--without", "none=runs/*"],
            "--without none=runs/*: nothing matches runs/*; give run fol",
        ),
        (["--without", "=runs"], "--without =runs: write NAME=RUN,RUN,…"),
        (["--without", "none=,"], "--without none=,: write NAME=RUN,RUN,…"),
        (["--without", "a=pictures", "--with", "b=pictures"], "pictures is not a run folder"),
        (
            ["--without", "none=x", "--with", "none=y"],
            "'none' is there already; name each method onc",
        ),
        (["answers.csv", "--without", "no"], "no method 'no': there are none, rrc"),
        (
            ["answers.csv", "--without", "none", "-o", "a.txt"],
            "--output a.txt: give a file that end",
        ),
        (["answers.csv", "--without", "none", "--wordnet", "no"], "cannot read no/data.noun"),
        (["answers.csv", "--without", "none", "--threshold", "2"], "threshold 2.0: give a share"),
        (["missing.csv", "--without", "none"], "cannot read missing.csv: No such file"),
    ],
)
def test_one_line_and_exit_code_2(invariscope, place, arguments, message):
    answers().to_csv("answers.csv", index=False)
    code, _, err = invariscope("class-effects", *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_runs_that_do_not_fit(invariscope, labelled):
    common = ("--workers", "0", "--no-twin", "-t", "rotate=90")
    for name, data in (("a", "labelled"), ("b", "pictures")):
        arguments = ("measure", "python:seeds:plain1", "--data", data, "--output", name, *common)
        assert invariscope(*arguments)[0] == 0
    code, _, err = invariscope("class-effects", "--without", "x=b", "--with", "y=b")
    assert code == 2
    assert "b knows no accuracy on the untouched images: measure it with labelled data" in err
    code, _, err = invariscope("class-effects", "--without", "x=a,a", "--with", "y=a")
    assert code == 2
    assert "a is given twice for 'x': one run for each seed" in err
    code, _, err = invariscope("class-effects", "--without", "x=a", "--with", "y=b")
    assert code == 2
    assert "the runs are on different data" in err
    code, _, err = invariscope("class-effects", "--without", "x=a", "--with", "y=a")
    assert code == 2
    assert "method 'x' has one seed" in err
