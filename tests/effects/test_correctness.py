"""The tidy table of right and wrong answers: what is read, and what is refused in which words."""

import numpy as np
import pandas as pd
import pytest

from invariscope.effects.correctness import COLUMNS, arrange, read_runs, read_table
from invariscope.errors import InputError

ROWS = [
    (f"{name}{k}", name, method, seed, int((k + seed) % 2))
    for method in ("none", "rrc")
    for seed in (1, 2)
    for name in ("cat", "NA")
    for k in range(3)
]
TABLE = pd.DataFrame(ROWS, columns=pd.Index(COLUMNS))


def test_the_arrays_hold_the_table():
    answers = arrange(TABLE.sample(frac=1, random_state=0))
    assert answers.classes == ("NA", "cat")
    assert {m: sorted(s) for m, s in answers.seeds.items()} == {
        "none": ["1", "2"],
        "rrc": ["1", "2"],
    }
    for image, name, method, seed, correct in ROWS:
        place = answers.images.index(image)
        run = answers.seeds[method].index(str(seed))
        assert answers.correct[method][run, place] == bool(correct)
        assert answers.classes[answers.members[place]] == name


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_files_are_read_as_they_are(tmp_path, ending):
    path = tmp_path / f"answers{ending}"
    frame = TABLE.assign(correct=TABLE["correct"].astype(bool), more="x")
    frame.to_csv(path, index=False) if ending == ".csv" else frame.to_parquet(path)
    answers, expected = arrange(read_table(path)), arrange(TABLE)
    assert answers.classes == expected.classes  # a class may be called NA
    for method in expected.correct:
        np.testing.assert_array_equal(answers.correct[method], expected.correct[method])


def change(**columns):
    frame = TABLE.astype(object)
    for name, value in columns.items():
        frame.loc[4, name] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            TABLE.drop(columns="seed"),
            r"has the columns image, class, method, correct: image, class, ",
        ),
        (TABLE[:0], r"the table is empty: give one row per image, class, method, seed"),
        (change(correct="yes"), r"row 5 of the table has 'yes' as correct: give 1 or 0"),
        (change(correct=0.5), r"row 5 of the table has 0.5 as correct: give 1 or 0"),
        (change(correct=None), r"row 5 of the table has None as correct"),
        (change(**{"class": " "}), r"row 5 of the table has no class: add it"),
        (change(seed=None), r"row 5 of the table has no seed: add it"),
        (
            change(**{"class": "dog"}),
            r"image 'NA1' is of class 'dog' and of 'NA': give each image one",
        ),
        (change(image="NA2"), r"image 'NA2' is there twice for method 'none', seed '1'"),
        (
            TABLE[TABLE.index % 4 == TABLE.index // 6],
            r"no image is in all 4 runs: test every seed of",
        ),
    ],
)
def test_unfit_tables(frame, message):
    with pytest.raises(InputError, match=message):
        arrange(frame)


def test_unfit_files(tmp_path):
    with pytest.raises(
        InputError, match=r"cannot read .*a.csv: No such file or directory; give a t"
    ):
        read_table(tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"a.txt: give a file that ends in .csv or .parquet"):
        read_table(tmp_path / "a.txt")
    for name in ("a.parquet", "b.csv"):
        (tmp_path / name).write_bytes(b"\xff\xfe" if name == "b.csv" else b"no")
        with pytest.raises(
            InputError, match=f"cannot read .*{name}: .*; give a table with the col"
        ):
            read_table(tmp_path / name)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match=r"cannot read .*empty.csv: No columns to parse"):
        read_table(tmp_path / "empty.csv")


def test_no_run_folder(tmp_path):
    with pytest.raises(
        InputError, match=r"no run folder at .*nowhere: give a folder that `invarisc"
    ):
        read_runs({"none": [tmp_path / "nowhere"]})
