"""Splits are no classes, and which folder of a path is the class is decided by stated rules."""

import pytest
from PIL import Image

from invariscope.data import open_source
from invariscope.data.class_folders import split_names
from invariscope.errors import InputError


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / f"{name}.png")
    return open_source(root)


@pytest.mark.parametrize(
    ("folders", "wanted"),
    [
        (("train", "val"), "val"),
        (("Training", "Validation", "Test"), "Validation"),
        (("train", "test"), "test"),
        (("train",), "train"),
        (("train2017", "val2017"), "val2017"),
        (("dev", "train_set", "masks"), "dev"),
        (("eval", "train"), "eval"),
    ],
)
def test_splits_are_no_classes(tmp_path, folders, wanted):
    with pytest.raises(InputError, match=rf"holds splits \(.*; give one of .*/{wanted},"):
        write(tmp_path, *(f"{folder}/cat/1" for folder in folders))
    assert open_source(f"folder:{tmp_path}?classes=top").class_names == sorted(folders)
    assert open_source(tmp_path / wanted).class_names == ["cat"]


def test_splits_below_a_single_folder_are_none_either(tmp_path):
    with pytest.raises(InputError, match=r"such as .*/pets/val, or folder:.*\?classes=2"):
        write(tmp_path, "pets/train/cat/1", "pets/val/cat/1")


def test_a_class_that_is_called_train_is_one(tmp_path):
    source = write(tmp_path, "bus/1", "car/1", "train/1")
    assert source.class_names == ["bus", "car", "train"]
    assert split_names(["a", "b", "c", "test", "train"]) == {}


def test_numbers_are_in_their_order(tmp_path):
    source = write(tmp_path, *(f"{number}/a" for number in range(12)))
    assert source.class_names == [str(number) for number in range(12)]
    assert source.labels is not None
    assert [source.labels[k] for k in range(4)] == [0, 1, 10, 11]  # 0/a, 1/a, 10/a, 11/a
    assert "12 classes, in the order of the numbers" in source.decisions["labels"]


@pytest.mark.parametrize(
    ("images", "classes", "note"),
    [
        (("a/abbey/1", "a/attic/1", "b/bar/1", "b/bakery/shop/1"),
         ["a/abbey", "a/attic", "b/bakery/shop", "b/bar"], "letters of the alphabet"),
        (("photo/dog/1", "photo/cat/1", "sketch/dog/1", "sketch/cat/1"), ["cat", "dog"],
         "cat, dog are found below several top folders"),
        (("photo/dog/1", "photo/cat/1", "sketch/dog/1"), ["cat", "dog"], "dog are found below"),
        (("animal/dog/1", "animal/cat/1", "tool/saw/1"), ["animal", "tool"],
         "there are 3 folders of other names below the 2"),
        (("birds/n01530575/1", "fish/n01440764/1"), ["n01440764", "n01530575"], "WordNet ids"),
        (("n01440764/images/1", "n01530575/images/1"), ["n01440764", "n01530575"], ""),
        (("cat/1/a", "cat/2/a", "dog/1/a", "dog/2/a"), ["cat", "dog"], "1, 2 are found below"),
        (("jar/train/good/1", "jar/test/bad/1", "nut/train/good/1", "nut/test/bad/1"),
         ["jar", "nut"], "the splits test, train below are taken together"),
        (("cat/deep/1", "cat/1", "dog/1"), ["cat", "dog"], ""),
        (("images/cat/1", "images/dog/1"), ["cat", "dog"], "all images lie in images/"),
        (("cat/1", "cat/2"), ["cat"], ""),
    ],
)  # fmt: skip
def test_nested_folders(tmp_path, images, classes, note):
    source = write(tmp_path, *images)
    assert source.class_names == classes
    notes = [line for line in source.notes if "classes=" in line]
    assert bool(notes) == bool(note)
    assert note in " ".join(notes)
    assert note in source.decisions["labels"]


def test_a_level_can_be_named(tmp_path):
    write(tmp_path, "photo/dog/1", "photo/cat/1", "sketch/dog/1", "sketch/cat/1")

    def names(classes):
        return open_source(f"folder:{tmp_path}?classes={classes}").class_names

    assert names("top") == names("1") == ["photo", "sketch"]
    assert names("leaf") == names("2") == ["cat", "dog"]
    assert names("path") == ["photo/cat", "photo/dog", "sketch/cat", "sketch/dog"]
    source = open_source(f"folder:{tmp_path}?classes=2")
    assert source.decisions == {"labels": "a class is a folder of level 2; 2 classes"}
    with pytest.raises(InputError, match=r"classes=3: images in photo/cat/ have no folder"):
        names("3")
    with pytest.raises(InputError, match=r"classes=best: top, leaf, path and levels"):
        names("best")
    with pytest.raises(InputError, match="folder: which one"):
        open_source("folder")
