import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.data.datasets import DatasetSource
from invariscope.errors import InputError
from invariscope.models import Preprocessing
from invariscope.training import train
from invariscope.training.evaluation import TestImages
from invariscope.training.splits import Split, open_splits


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((12, 14, 3), value, dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    for number in range(12):
        picture(tmp_path / "data" / "cat" / f"{number}.png", number * 5)
        picture(tmp_path / "data" / "dog" / f"{number}.png", 100 + number * 5)
    return tmp_path / "data"


def test_a_folder_keeps_a_fifth_of_each_class_for_the_test(tiny, folder):
    recipe = tiny.with_(data=str(folder))
    train_split, test, classes = open_splits(recipe)
    assert classes == ("cat", "dog")
    assert (len(train_split), len(test)) == (20, 4)
    assert np.bincount(test.labels).tolist() == [2, 2]
    assert set(train_split.ids).isdisjoint(test.ids)
    again = open_splits(recipe.with_(seed=5))[1]
    assert again.ids == test.ids
    smaller = open_splits(recipe.with_(num_train=6))[0]
    assert np.bincount(smaller.labels).tolist() == [3, 3]
    assert set(smaller.ids) < set(train_split.ids)


@pytest.mark.parametrize("kind", ["table", "npz"])
def test_the_splits_of_a_file_are_trained_and_tested_on(tiny, folder, kind):
    names = ["train"] * 8 + ["val"] * 4
    if kind == "table":
        rows = [f"{c}/{k}.png,{c},{names[k]}" for c in ("cat", "dog") for k in range(12)]
        data = str(folder / "labels.csv")
        (folder / "labels.csv").write_text("\n".join(["path,label,split", *rows]))
    else:
        data = str(folder / "data.npz")
        images = np.zeros((24, 12, 14), dtype=np.uint8)
        labels = np.arange(24)[:, None] % 2
        np.savez(data, train_images=images[:16], train_labels=labels[:16], val_images=images[16:],
                 val_labels=labels[16:])  # fmt: skip
    train_split, test, _ = open_splits(tiny.with_(data=data))
    assert (len(train_split), len(test)) == (16, 8)
    assert train_split.source.name == f"{data}?split=train"


def test_the_named_split_is_trained_on_and_the_other_is_the_test(tiny):
    usual, swapped = (
        open_splits(tiny.with_(data=f"fashion-mnist{query}")) for query in ("", "?split=test")
    )
    assert (len(usual[0]), len(usual[1])) == (60_000, 10_000)
    assert (len(swapped[0]), len(swapped[1])) == (10_000, 60_000)


def test_images_that_cannot_be_read_are_left_out_and_named(tiny, folder):
    (folder / "cat" / "0.png").write_bytes(b"nothing")
    run = train(tiny.with_(data=str(folder), num_train=None, epochs=1, batch_size=4))
    assert len(run.notes) == 2
    assert any("cannot be read" in note for note in run.notes)
    for path in folder.glob("*/*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="no image can be read, such as"):
        train(tiny.with_(data=str(folder)))


def test_images_of_several_sizes_train(tiny, folder):
    Image.new("RGB", (30, 20)).save(folder / "cat" / "large.png")
    run = train(tiny.with_(data=str(folder), augment="RandomResizedCrop", epochs=1, batch_size=4))
    assert run.facts["images"] > 15


def test_what_cannot_be_trained_on(tiny, tmp_path, folder):
    picture(tmp_path / "one" / "cat" / "0.png", 1)
    picture(tmp_path / "other" / "bird" / "0.png", 1)
    picture(tmp_path / "other" / "cat" / "0.png", 1)
    with pytest.raises(InputError, match="has 1 class; a classifier needs two or more"):
        open_splits(tiny.with_(data=str(tmp_path / "one")))
    with pytest.raises(InputError, match=r"the classes of .* differ"):
        open_splits(tiny.with_(data=str(folder), test=str(tmp_path / "other")))


def split_root(tmp_path, *folders, classes=("cat", "dog")):
    for folder in folders:
        for name in classes:
            for number in range(3):
                picture(tmp_path / folder / name / f"{number}.png", number)
    return str(tmp_path)


def test_split_folders_are_splits(tiny, tmp_path):
    root = split_root(tmp_path, "train", "val")
    train_split, test, classes = open_splits(tiny.with_(data=root))
    assert classes == ("cat", "dog")
    assert (train_split.source.name, test.source.name) == (f"{root}/train", f"{root}/val")
    assert (len(train_split), len(test)) == (6, 6)
    assert train_split.note == f"trained on {root}/train, tested on {root}/val"
    held = open_splits(tiny.with_(data=root, test="held out"))[1]
    assert held.source.name == f"{root}/train"
    named = open_splits(tiny.with_(data=root, test=f"{root}/val"))[1]
    assert (named.source.name, named.note) == (f"{root}/val", "")


def test_of_test_and_val_the_test_split_if_it_has_the_classes(tiny, tmp_path):
    root = split_root(tmp_path / "both", "Training", "Validation", "Test")
    assert open_splits(tiny.with_(data=root))[1].source.name == f"{root}/Test"
    flat = split_root(tmp_path / "flat", "train", "val")
    picture(tmp_path / "flat" / "test" / "0.png", 1)
    assert open_splits(tiny.with_(data=flat))[1].source.name == f"{flat}/val"
    alone = split_root(tmp_path / "alone", "train")
    picture(tmp_path / "alone" / "test" / "0.png", 1)
    assert "a fifth of each class" in open_splits(tiny.with_(data=alone))[1].note


def test_classes_named_by_numbers_keep_their_order(tiny, tmp_path):
    root = split_root(tmp_path, *map(str, range(11)), classes=("",))
    assert open_splits(tiny.with_(data=root))[2] == tuple(map(str, range(11)))


def test_numbers_of_another_range_are_trained_on(tiny, tmp_path):
    data = str(tmp_path / "data.npz")
    deep = np.random.default_rng(0).integers(0, 4096, (24, 3, 12, 12)).astype(np.int32)
    labels = np.arange(24) % 2
    np.savez(data, x_train=deep[:16], y_train=labels[:16], x_test=deep[16:], y_test=labels[16:])
    with pytest.raises(InputError, match="value_range"):
        open_splits(tiny.with_(data=data))
    recipe = tiny.with_(data=data, value_range=[0, 4095])
    train_split, test, _ = open_splits(recipe)
    for part, wanted in ((train_split, deep[:16]), (test, deep[16:])):
        found = np.asarray(part.source.load(part.indices[0]))
        np.testing.assert_allclose(found, wanted[part.indices[0]] / 4095, atol=1e-6)
    assert recipe.from_dict(recipe.as_dict()) == recipe
    assert recipe.key != tiny.with_(data=data).key
    # unsaid it leaves no trace, so that older trainings go on
    assert "value_range" not in tiny.as_dict()
    assert tiny.with_(value_range=None).key == tiny.key
    with pytest.raises(InputError, match="black and white work"):
        tiny.with_(value_range=(3, 3))


def test_random_test_images_are_warned_of():
    class Random:
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return torch.rand(3, 12, 12), index % 2

    source = DatasetSource(Random())
    split = Split(source, [0, 1, 2, 3])
    (note,) = TestImages(split, Preprocessing(size=(12, 12))).notes
    assert "images are random: dataset:Random gave other pixels" in note
    still = DatasetSource([torch.rand(3, 12, 12)] * 4, [0, 1, 0, 1])
    assert not TestImages(Split(still, [0, 1, 2, 3]), Preprocessing(size=(12, 12))).notes
