"""`invariscope train` from the command line: a small network on small pictures of two classes."""

import signal
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from children import Child
from invariscope.training import read_run

MODEL = "small:cnn7?width=0.2&channels=3"


@pytest.fixture
def classes(place):
    """pictures of a bright and of a dark class, in two/."""
    draw = np.random.default_rng(0)
    for number in range(40):
        name = ("bright", "dark")[number % 2]
        low = 150 if name == "bright" else 0
        path = place / "two" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = draw.integers(low, low + 100, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(picture).save(path)
    return place


def arguments(*more):
    return [
        "train", "-d", "two", "-m", MODEL, "--size", "12", "-b", "8", "--epochs", "2",
        "-o", "out", *more,
    ]  # fmt: skip


def test_two_seeds_give_two_networks_a_table_and_the_rows(invariscope, classes):
    code, out, err = invariscope(
        *arguments("--seeds", "2", "-a", "random crop + horizontal flip", "--tracker", "csv")
    )
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "mean" in out
    assert "over 2 seeds" in " ".join(out.split())
    table = pd.read_csv("out/accuracies.csv")
    runs = [read_run(f"out/seed-{seed}") for seed in (0, 1)]
    assert table["seed"].tolist() == [0, 1]
    assert table["accuracy"].tolist() == [run.accuracy for run in runs]
    rows = pd.read_parquet("out/correct.parquet")
    assert set(rows["method"]) == {"random crop + horizontal flip"}
    assert len(rows) == 16
    assert "test accuracy" in pd.read_csv("out/seed-0/log.csv")["name"].tolist()
    code, again, _ = invariscope(*arguments("--seeds", "2", "-a", "random crop + horizontal flip"))
    assert code == 0
    assert [line for line in again.splitlines() if "%" in line] == [
        line for line in out.splitlines() if "%" in line
    ]


def test_the_best_learning_rate_is_chosen_first(invariscope, classes):
    code, out, _ = invariscope(*arguments("--learning-rate", "1e-9,0.05", "--epochs", "6"))
    assert code == 0
    grid = pd.read_csv("out/cross-validation.csv")
    assert grid["learning_rate"].tolist() == [1e-9, 0.05]
    best = grid["learning_rate"].tolist()[grid["accuracy"].argmax()]
    assert read_run("out/seed-0").recipe.learning_rate == best
    assert f"learning rate {best:g}" in out


def test_invariance_during_training_and_the_network_afterwards(invariscope, classes):
    code, _, _ = invariscope(
        *arguments("--measure-every", "4", "-g", "C4", "--metrics", "latent_eed")
    )
    assert code == 0
    assert read_run("out/seed-0").values("latent_eed C4 embedding").index.tolist() == [0, 4, 8]
    code, out, _ = invariscope(
        "measure", "trained:out/seed-0", "-d", "two", "-n", "8", "-t", "rotate=90", "-o", "run"
    )
    assert code == 0
    assert "rotate" in out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--learning-rate", "fast"], "--learning-rate fast: give numbers with commas"),
        (["--tracker", "mlfow"], "unknown tracker 'mlfow'"),
        (["-g", "C4"], "give --measure-every too"),
        (["-a", "RandomResizeCrop"], "did you mean RandomResizedCrop"),
        (["-m", "small:resnet81"], "resnet"),
        (["-d", "pictures"], "pictures has no labels, and a training needs them"),
        (["--device", "cuda:9"], "cuda:9"),
        (["--value-range", "9"], "--value-range 9: give the stored numbers that are black and"),
        (["--value-range", "0,90"], "no image can be read"),
    ],
)
def test_bad_input_is_one_line(invariscope, classes, more, message):
    code, out, err = invariscope(*arguments(*more))
    assert code == 2
    assert more[0] not in ("-a", "-m", "-d") or "seed 0" not in out  # before any bar begins
    assert err.count("\n") == 1
    assert message in err


def test_a_folder_of_another_training_is_left_alone(invariscope, classes):
    assert invariscope(*arguments())[0] == 0
    code, _, err = invariscope(*arguments("--epochs", "3"))
    assert code == 2
    assert "holds another training, by its recipe.json (epochs 2.0 there, 3.0 now)" in err


@pytest.mark.slow
def test_ctrl_c_keeps_a_checkpoint_and_the_same_command_goes_on(classes):
    line = arguments("--epochs", "400")
    script = (
        f"import sys; sys.argv = ['invariscope', *{line!r}]\n"
        "from invariscope.cli import main\nmain()"
    )
    with Child(script, said=classes / "said") as process:
        deadline = time.time() + 60
        while not process.out and time.time() < deadline:
            assert process.lives, process.err
            time.sleep(0.02)
        time.sleep(1)
        process.send(signal.SIGINT)
        code, _, err = process.ended(60)
    assert code == 3, err
    assert "the same command goes on from there" in err
    assert (classes / "out" / "seed-0" / "checkpoint.pt").exists()
