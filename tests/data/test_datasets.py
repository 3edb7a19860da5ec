"""Map-style data sets: items, labels without decoding, and what a data set can get wrong."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
)

from invariscope.data import UnreadableImage, open_source
from invariscope.data.datasets import DatasetSource
from invariscope.errors import InputError


class Pictures(Dataset):
    """Items made by a function of the index; counts how many it made."""

    def __init__(self, make, count=4, **attributes):
        self.make, self.count, self.made = make, count, 0
        self.__dict__.update(attributes)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.made += 1
        return self.make(index)


class Endless(IterableDataset):
    def __iter__(self):
        return iter([])


def loaded_labels(source):
    """The labels after every image was loaded."""
    for index in range(len(source)):
        source.load(index)
    return source.labels


def grey(index: int) -> Image.Image:
    return Image.new("L", (6, 5), 10 * index)


def first_pixel(image) -> float:
    if isinstance(image, torch.Tensor):
        return float(image[0, 0, 0])
    return float(image.getpixel((0, 0))[0])


@pytest.mark.parametrize(
    "make",
    [
        grey,
        lambda i: np.full((5, 6, 3), 10 * i, dtype=np.uint8),
        lambda i: torch.full((3, 5, 6), 10 * i, dtype=torch.uint8),
        lambda i: torch.full((1, 5, 6), 10 * i, dtype=torch.uint8),
        lambda i: (grey(i),),
        lambda i: {"image": grey(i)},
    ],
)
def test_kinds_of_images(make):
    source = open_source(Pictures(make))
    assert source.labels is None
    assert [first_pixel(source.load(i)) for i in range(4)] == [0, 10, 20, 30]
    assert source.load(0).size == (6, 5)


def test_float_tensor_items():
    source = open_source(Pictures(lambda i: (torch.full((3, 2, 2), i / 4), i)))
    assert first_pixel(source.load(2)) == 0.5
    assert loaded_labels(source) == [0, 1, 2, 3]


def test_stored_targets_need_no_decoding():
    data = Pictures(lambda i: (grey(i), i % 2), 5000, targets=[0, 1] * 2500, classes=["a", "b"])
    source = open_source(data)
    assert source.labels == [0, 1] * 2500
    assert source.class_names == ["a", "b"]
    assert data.made <= 7  # three of each class were looked at


def test_targets_that_contradict_the_items_are_not_used():
    data = Pictures(lambda i: (grey(i), 3 - i), targets=[0, 1, 2, 3])  # e.g. a target_transform
    source = open_source(data)
    assert loaded_labels(source) == [3, 2, 1, 0]


def test_labels_of_items_are_known_once_the_image_is_loaded():
    loads = []

    def make(index):
        loads.append(index)
        return grey(index), index % 2

    source = open_source(Pictures(make))
    assert source.labels == [-1, -1, -1, -1]
    assert loaded_labels(source) == [0, 1, 0, 1]
    assert sorted(loads) == [0, 1, 2, 3]  # those that were looked at were kept
    source.load(0)
    assert sorted(loads) == [0, 0, 1, 2, 3]  # and not for ever


def test_labels_that_are_words_need_a_list():
    source = open_source(Pictures(lambda i: (grey(i), f"c{i % 2}")))
    assert source.labels is None
    assert any("no class index" in note for note in source.notes)


def test_labels_of_dictionaries_and_tensors():
    items = open_source(Pictures(lambda i: {"img": grey(i), "label": i}))
    assert loaded_labels(items) == [0, 1, 2, 3]
    items = open_source(Pictures(lambda i: (grey(i), torch.tensor(i))))
    assert loaded_labels(items) == [0, 1, 2, 3]


def test_targets_that_are_no_classes_leave_it_unlabelled():
    source = open_source(Pictures(lambda i: (grey(i), {"boxes": []})))
    assert source.labels is None


def test_a_label_of_a_broken_item_is_none():
    def make(index):
        if index == 2:
            raise OSError("bad block")
        return grey(index), index % 2

    source = open_source(Pictures(make))
    with pytest.raises(UnreadableImage, match="2: OSError: bad block"):
        source.load(2)
    assert source.labels == [-1, -1, -1, -1]
    source.load(3)
    assert source.labels == [-1, -1, -1, 1]


def test_subset_concatenation_and_tensor_data_sets():
    data = Pictures(lambda i: (grey(i), [4, 5, 6, 7][i]), targets=torch.tensor([4, 5, 6, 7]))
    assert open_source(Subset(data, [3, 1])).labels == [7, 5]
    plain = Pictures(grey, targets=torch.tensor([4, 5, 6, 7]))  # its items have no label
    assert open_source(Subset(plain, [3, 1])).labels == [7, 5]
    assert open_source(Subset(Subset(data, [3, 1]), [1])).labels == [5]
    assert open_source(ConcatDataset([data, Subset(data, [2])])).labels == [4, 5, 6, 7, 6]
    pairs = TensorDataset(torch.rand(3, 3, 4, 4), torch.tensor([2, 1, 0]))  # keeps a list
    assert open_source(pairs).labels == [2, 1, 0]
    named = Pictures(lambda i: (grey(i), i % 2), targets=[0, 1, 0, 1], classes=["a", "b"])
    assert open_source(Subset(named, [1])).class_names == ["a", "b"]


def test_labels_beside_a_data_set_and_a_list_of_images():
    assert open_source((Pictures(grey), [1, 1, 0, 0])).labels == [1, 1, 0, 0]
    source = open_source([grey(0), grey(1)])
    assert len(source) == 2
    assert source.labels is None
    with pytest.raises(InputError, match=r"labels of shape \[3\] for 4 images"):
        open_source((Pictures(grey), [1, 1, 0]))


def test_one_bad_leading_item_does_not_stop_the_rest():
    def make(index):
        if index == 0:
            raise OSError("gone")
        return grey(index)

    assert len(open_source(Pictures(make))) == 4


def test_values_outside_the_range_later_on_are_unreadable():
    source = DatasetSource(Pictures(lambda i: torch.full((3, 2, 2), float(i))))
    with pytest.raises(UnreadableImage, match=r"2: float values from 2 to 2; images must be in"):
        source.load(2)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (Pictures(lambda i: torch.full((3, 2, 2), -2.0)), r"image 0: float values .* before norm"),
        (Pictures(lambda i: {"a": 1}), "keys a; the image must be under one of image, img"),
        (Pictures(lambda i: "cat.jpg"), "image 0: str is no image; give a Pillow image"),
        (Pictures(lambda i: torch.zeros(5, 5, 5)), r"image 0: shape \[5, 5, 5\] does not say"),
        (Pictures(lambda i: ()), "empty tuples"),
        (Pictures(lambda i: 1 // 0), "none of its first 3 items can be loaded .ZeroDivisionError"),
        (Pictures(grey, 0), "dataset:Pictures is empty"),
        (Endless(), "images of type Endless"),
        ({1, 2}, "have no order; give a list"),
        ([], "dataset:list is empty"),
        ({"a": 1}, "a dictionary with the keys a; give the images alone"),
    ],
)
def test_what_is_no_data_set_of_images(images, message):
    with pytest.raises(InputError, match=message):
        open_source(images)


def test_a_loader_is_told_to_give_its_data_set():
    with pytest.raises(InputError, match=r"loader\.dataset"):
        open_source((DataLoader(Pictures(grey)), None))
    with pytest.raises(InputError, match=r"loader\.dataset"):
        open_source(DataLoader(Pictures(grey)))


def test_pickled_copy_loads_the_same():
    source = open_source(Pictures(grey))
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(np.asarray(copy.load(3)), np.asarray(source.load(3)))


class _Loaded(Dataset):
    def __init__(self, source):
        self.source = source

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        return np.asarray(self.source.load(index)).copy()


def test_workers_load_the_same_as_this_process():
    source = open_source([grey(i) for i in range(4)])
    loaded = list(DataLoader(_Loaded(source), num_workers=2, batch_size=None))
    for index, image in enumerate(loaded):
        assert np.array_equal(image, np.asarray(source.load(index)))


def test_labels_that_are_all_minus_one_are_none():
    array = np.zeros((3, 4, 4, 3), dtype=np.uint8)
    data = Pictures(lambda index: (grey(index), -1), 3, targets=[-1] * 3)
    for source in (open_source((array, [-1] * 3)), open_source((list(array), [-1] * 3)),
                   open_source(data)):  # fmt: skip
        assert source.labels is None
        assert "every label is -1" in source.notes[0]
    assert open_source((array, [-1, 0, 1])).labels == [-1, 0, 1]


def test_floats_of_which_some_lie_outside_are_refused_as_a_set():
    # the dark ones alone would be read as [0, 1], on another scale than the others
    mixed = Pictures(lambda i: torch.full((3, 2, 2), 0.5 if i % 2 == 0 else 200.0))
    with pytest.raises(InputError, match=r"2 of the 4 pictures looked at lie outside \[0, 1\]"):
        open_source(mixed)
    assert float(np.asarray(open_source(mixed, value_range=(0, 255)).load(0)).max()) < 0.01
    kept = open_source(mixed, value_range=(0, 1))
    assert float(np.asarray(kept.load(0)).max()) == 0.5
    with pytest.raises(UnreadableImage, match="float values from 200 to 200"):
        kept.load(1)
    normalised = Pictures(lambda i: torch.full((3, 2, 2), 0.5 - 0.7 * i))
    with pytest.raises(InputError, match="drop a Normalize step, or say what is black and white"):
        open_source(normalised)


def test_looking_at_floats_makes_each_item_once():
    pictures = Pictures(lambda i: torch.full((3, 2, 2), i / 4))
    source = open_source(pictures)
    for index in range(4):
        source.load(index)
    assert pictures.made == 4


def test_a_label_under_an_unknown_key_is_named():
    source = open_source(Pictures(lambda i: {"img": grey(i), "gt": i, "where": "here"}))
    assert source.labels is None
    (note,) = source.notes
    assert note == source.decisions["labels"]
    assert "its items have the keys img, gt, where; a label is understood under label, " in note
    for without in ({"image": grey(0)}, {"image": grey(0), "label": None}):
        assert not open_source(Pictures(lambda i, item=without: item)).notes
    assert not open_source((Pictures(lambda i: {"img": grey(i), "gt": i}), [0, 1, 0, 1])).notes
