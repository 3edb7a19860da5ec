"""Objects of the library datasets: names of classes, pictures whatever the format, splits."""

import io
import re
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image
from torch.utils.data import Subset

import invariscope
from invariscope.data import open_source
from invariscope.data.datasets import DatasetSource
from invariscope.errors import InputError


def png(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


RGB = Image.new("RGB", (4, 4), (200, 30, 60))
PICTURES = [
    png(RGB),
    png(RGB.quantize(16)),
    png(Image.new("RGBA", (4, 4), (0, 0, 0, 0))),
    png(Image.fromarray(np.full((4, 4), 32896, dtype=np.uint16))),
]
PIXELS = [(200, 30, 60), (200, 30, 60), (255, 255, 255), (128, 128, 128)]


def table(labels, form, name="label", **more):
    features = {"image": datasets.Image(), name: form, **{key: k for key, (k, _) in more.items()}}
    columns = {"image": PICTURES[: len(labels)], name: labels}
    columns |= {key: values for key, (_, values) in more.items()}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def first_pixel(image):
    """RGB in 0..255; a grey picture of 16 bits is a tensor [1, H, W] in [0, 1]."""
    if isinstance(image, Image.Image):
        return image.getpixel((0, 0))
    return tuple(round(255 * float(value)) for value in image.expand(3, -1, -1)[:, 0, 0])


NAMES = datasets.ClassLabel(names=["dog", "cat"])


@pytest.mark.parametrize("form", [None, "torch", "numpy"])
@pytest.mark.parametrize("opened", [open_source, DatasetSource])
def test_pictures_and_names_do_not_depend_on_the_format(form, opened):
    source = opened(table([1, 0, 1, 0], NAMES).with_format(form))
    assert [first_pixel(source.load(index)) for index in range(4)] == PIXELS
    assert source.labels == [1, 0, 1, 0]
    assert source.class_names == ["dog", "cat"]


def test_missing_labels_and_other_columns():
    source = open_source(table([1, None, -1], NAMES, kind=(NAMES, [0, 0, 0])))
    assert source.labels == [1, -1, -1]
    assert source.decisions["labels"] == "the column 'label'; there are kind as well (label=…)"
    source = open_source(table([None, -1], NAMES))
    assert source.labels is None
    assert any("holds no label in this split" in note for note in source.notes)


def test_columns_that_are_no_class_labels():
    assert open_source(table([5, 7], datasets.Value("int64"))).labels == [5, 7]
    words = open_source(table(["b", "a"], datasets.Value("string"), name="y"))
    assert (words.labels, words.class_names) == ([1, 0], ["a", "b"])
    many = open_source(table([[0, 1], [1]], datasets.Sequence(NAMES), name="labels"))
    assert many.labels is None
    assert "column 'labels'" in many.notes[0]
    assert open_source(table([0.5, 1.5], datasets.Value("float32"), name="price")).labels is None


def test_labels_beside_an_object():
    source = open_source((table([1, 0], NAMES), ["x", "y"]))
    assert (source.labels, source.class_names) == ([0, 1], ["x", "y"])
    with pytest.raises(InputError, match=r"dataset:Dataset: the labels cannot be used \(labels of"):
        open_source((table([1, 0], NAMES), ["x"]))


def test_a_dictionary_of_splits_names_them():
    both = datasets.DatasetDict({"train": table([1], NAMES), "validation": table([0], NAMES)})
    with pytest.raises(InputError, match=r"train, validation; give .* data\['validation'\]"):
        open_source(both)
    assert open_source(both["validation"]).labels == [0]


def test_a_transform_of_the_users_own_stays():
    def invert(rows):
        return {"image": [Image.new("L", (4, 4), 9) for _ in rows["image"]], "label": rows["label"]}

    source = open_source(table([1, 0], NAMES).with_transform(invert))
    assert first_pixel(source.load(0)) == (9, 9, 9)
    assert (source.labels, source.class_names) == ([1, 0], ["dog", "cat"])


def test_a_subset_keeps_labels_and_names():
    whole: Any = table([1, 0, 1], NAMES)
    source = open_source(Subset(whole, [2, 1]))
    assert (source.labels, source.class_names) == ([1, 0], ["dog", "cat"])


@pytest.mark.parametrize(
    ("given", "pinned", "urls", "said"),
    [
        ("&revision=v1.2", "v1.2", ["hf://datasets/o/n@{0}/a.parquet"], "v1.2: commit {0}"),
        ("", None, ["hf://datasets/o/n@{0}/a.parquet", "{0}/b"], "commit {0}"),
        ("", None, [], r"fingerprint [0-9a-f]{{16}}"),
    ],
)
def test_the_revision_is_pinned_and_which_it_was_is_kept(monkeypatch, given, pinned, urls, said):
    asked, commit = [], "0123456789" * 4

    def load(name, config, *, split, revision):
        asked.append((name, config, split, revision))
        data = table([1, 0, 1, 0], NAMES)
        data.info.download_checksums = {url.format(commit): {} for url in urls}
        return data

    monkeypatch.setattr(datasets, "load_dataset", load)
    source = open_source(f"hf:o/n?split=train{given}")
    assert asked == [("o/n", None, "train", pinned)]
    assert re.fullmatch(said.format(commit), source.decisions["revision"])
    result = invariscope.measure(
        lambda x: x.mean((2, 3)), source, transformations="invert", num_images=2
    )
    assert result.manifest["decisions"]["revision"] == source.decisions["revision"]


def test_a_folder_has_a_fingerprint_and_no_revision(tmp_path):
    table([1, 0, 1, 0], NAMES).save_to_disk(tmp_path / "saved")
    source = open_source(f"hf:{tmp_path}/saved")
    assert re.fullmatch("fingerprint [0-9a-f]{16}", source.decisions["revision"])
    with pytest.raises(InputError, match="a folder has no revision; leave revision=main out"):
        open_source(f"hf:{tmp_path}/saved?revision=main")
