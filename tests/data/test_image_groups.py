"""Groups of images from a file: its forms, which columns are groups, how names are found."""

import json

import pandas as pd
import pytest

from invariscope.data.image_groups import MOST_VALUES, read_image_groups
from invariscope.errors import InputError

IMAGES = ["n01/val_1.JPEG", "n01/val_2.JPEG", "n02/val_3.JPEG"]
#: As ImageNet-X is published: other columns of 0 and 1, the class as a number, free text.
ROWS = [
    {
        "file_name": f"val_{k}.JPEG", "class": 3 * k, "pose": int(k == 1),
        "background": int(k > 1), "justification": f"remark {k}", "one_word": f"word {k}",
    }
    for k in (3, 2, 1, 9)
]  # fmt: skip


def written(folder, ending):
    path, table = folder / f"x{ending}", pd.DataFrame(ROWS)
    if ending == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif ending == ".json":
        path.write_text(json.dumps(ROWS))
    elif ending == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if ending == ".tsv" else ",")
    return path


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
def test_every_form_says_the_same(tmp_path, ending):
    groups = read_image_groups(written(tmp_path, ending), IMAGES)
    assert dict(groups.columns) == {
        "pose": [True, False, False], "background": [False, True, True],
    }  # fmt: skip
    assert groups.note == ""
    assert groups.said == (
        f"2 yes-or-no columns of x{ending}, images found by the file name in 'file_name'; "
        "no groups: class, justification, one_word"
    )


def test_values_are_groups_where_they_are_few():
    count = 2 * MOST_VALUES + 2
    table = pd.DataFrame({
        "id": range(count),
        "weather": ["rain", "sun"] * (count // 2),
        "many": [k // 2 for k in range(count)],
        "alone": range(count),
        "same": ["all"] * count,
    })  # fmt: skip
    images = [str(k) for k in range(count)]
    assert list(read_image_groups(table, images).columns) == ["weather"]
    few = read_image_groups(table.iloc[: count - 2], images[:4])
    assert few.columns["many"] == ["0", "0", "1", "1"]


def test_an_empty_cell_is_unknown_and_an_unmatched_image_is_said(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("picture,night\nn01/val_1.JPEG,true\nn01/val_2.JPEG,\n")
    groups = read_image_groups(path, IMAGES)
    assert groups.columns["night"] == [True, None, None]
    assert groups.note == (
        "1 of 3 images have no row in own.csv and belong to no group, the first: n02/val_3.JPEG"
    )


def test_two_images_of_one_name_are_told_apart_by_their_folders():
    table = pd.DataFrame({"path": ["/data/cat/0.png", "/data/dog/0.png"], "night": ["yes", "no"]})
    groups = read_image_groups(table, ["dog/0.png", "cat/0.png"])
    assert groups.columns["night"] == [False, True]
    assert "the last two parts of the path" in groups.said
    with pytest.raises(InputError, match="names none of the 2 images"):
        read_image_groups(table, ["val/dog1/0.png", "val/cat1/0.png"])


def test_the_digest_is_that_of_what_images_belong_to():
    table = pd.DataFrame({"path": ["a", "b", "c"], "night": [1, 0, 1]})
    groups = read_image_groups(table, ["a", "b"])
    assert groups.digest == read_image_groups(table.iloc[:2], ["a", "b"]).digest
    assert groups.digest == read_image_groups(groups.frame(), ["a", "b"]).digest
    other = table.assign(night=[1, 1, 1])
    assert groups.digest != read_image_groups(other, ["a", "b"]).digest
    assert groups.digest != read_image_groups(table, ["b", "a"]).digest


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xlsx", "", r"image groups are read from \.csv, \.tsv"),
        ("none.csv", None, "no file .*none.csv: give one with a row for each image"),
        ("a.csv", "path,night\n", "a.csv has no row"),
        ("a.csv", "path,said\nx,one\ny,two\n", "no group: beside the names in 'path'.*has said"),
        (
            "a.csv", "path,night\nq,1\nr,0\n",
            r"names none of the 3 images: its column 'path' has 'q', 'r', the images are "
            r"'n01/val_1.JPEG', 'n01/val_2.JPEG', 'n02/val_3.JPEG'; give names that agree",
        ),
        ("a.csv", "path,night\nq,1\nq,0\n", r"two rows for 'q' that differ \(rows 1 and 2\)"),
        ("a.jsonl", "{", "cannot read .*a.jsonl"),
        ("a.json", '{"path": 1}', "holds no list of objects"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path, name, text, words):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_image_groups(tmp_path / name, IMAGES)
    assert "\n" not in str(caught.value)
