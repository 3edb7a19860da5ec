"""What the items of a data set say counts: checked on some items of every class."""

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision.datasets import ImageFolder

from invariscope.data import UnreadableImage, open_source
from invariscope.data.item_labels import CHECKED, some_of_each


class Pictures(Dataset):
    """Items of a kept list, through a function; counts what was made."""

    def __init__(self, targets, say=lambda label: label, **attributes):
        self.targets, self.say, self.made = targets, say, []
        self.__dict__.update(attributes)

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        self.made.append(index)
        return Image.new("L", (4, 4), index % 256), self.say(self.targets[index])


def loaded(source):
    for index in range(len(source)):
        source.load(index)
    return list(source.labels)


def test_some_of_each_class_first_one_of_each():
    labels = [0] * 500 + [1] * 2 + [2]
    chosen = some_of_each(labels)
    assert sorted(labels[index] for index in chosen[:3]) == [0, 1, 2]
    assert sorted(labels[index] for index in chosen) == [0, 0, 0, 1, 1, 2]
    assert len(some_of_each(list(range(5000)))) == CHECKED


@pytest.mark.parametrize("targets", [[5, 0, 9, 9, 6, 1, 9, 2], [9, 0, 9, 9, 6, 1, 5, 2]])
def test_a_target_transform_that_merges_two_classes(targets):
    source = open_source(Pictures(targets, lambda y: 6 if y == 9 else y))
    assert source.labels == [6 if y == 9 else y for y in targets]
    assert source.class_names is None
    assert "9 is 6" in source.decisions["labels"]
    assert any("9 is 6" in note for note in source.notes)
    assert loaded(source) == [6 if y == 9 else y for y in targets]


def test_a_rare_class_is_looked_at():
    targets = [0] * 3000 + [1]
    source = open_source(Pictures(targets, lambda y: 1 - y))
    assert source.labels == [1] * 3000 + [0]


def test_names_go_where_their_classes_go():
    data = Pictures([0, 1, 2, 1], lambda y: y + 4, classes=["ant", "bee", "cow"])
    source = open_source(data)
    assert source.labels == [4, 5, 6, 5]
    assert source.class_names == ["0", "1", "2", "3", "ant", "bee", "cow"]
    assert source.label_meaning == "outputs"
    merged = open_source(Pictures([0, 1, 2, 1], lambda y: y // 2, classes=["ant", "bee", "cow"]))
    assert merged.class_names == ["ant + bee", "cow"]


def test_a_list_that_agrees_is_used_and_said():
    data = Pictures([0, 1] * 2500, classes=["a", "b"])
    source = open_source(data)
    assert source.labels == [0, 1] * 2500
    assert source.decisions["labels"] == "its list, as 6 checked items, of 2 of 2 classes, say"
    assert list(source.notes) == []
    assert len(data.made) <= 7


def test_items_that_are_small_are_made_once():
    data = Pictures([0, 1, 2, 0, 1, 2])
    source = open_source(data)
    loaded(source)
    assert sorted(data.made) == list(range(6))


def test_items_that_say_different_things_of_one_class_are_asked_each():
    data = Pictures(list(range(10)) * 2, classes=list("abcdefghij"))
    draws = iter(range(1000))
    data.say = lambda label: next(draws) % 10
    source = open_source(data)
    assert set(source.labels or ()) == {-1}
    assert source.class_names is None
    assert "as it is loaded" in source.decisions["labels"]


def test_an_item_that_was_not_looked_at_counts_when_it_is_loaded():
    odd = {}
    data = Pictures([0, 1] * 50, classes=["a", "b"])
    first = open_source(data)
    unseen = next(index for index in range(100) if index not in data.made)
    odd[unseen] = 1 - data.targets[unseen]
    plain = Pictures.__getitem__
    data.__class__ = type(
        "Odd", (Pictures,),
        {"__getitem__": lambda s, i: (plain(s, i)[0], odd.get(i, s.targets[i]))},
    )  # fmt: skip
    assert first.labels is not None
    assert first.labels[unseen] == data.targets[unseen]
    assert loaded(first)[unseen] == 1 - data.targets[unseen]
    odd[unseen] = 7
    with pytest.raises(UnreadableImage, match="its label 7 is none of the 2 classes"):
        first.load(unseen)


def test_words_and_numbers():
    say = {0: "cat", 1: "dog"}.get
    source = open_source(Pictures([1, 0, 1], say))
    assert (source.labels, source.class_names) == ([1, 0, 1], ["cat", "dog"])
    assert loaded(source) == [1, 0, 1]
    words = open_source(Pictures(["dog", "cat", "dog"]))
    assert (words.labels, words.class_names) == ([1, 0, 1], ["cat", "dog"])
    assert loaded(words) == [1, 0, 1]
    swapped = open_source(Pictures(["dog", "cat", "dog"], {"dog": 0, "cat": 1}.get))
    assert (swapped.labels, swapped.class_names) == ([0, 1, 0], ["dog", "cat"])
    samples = Pictures(["cat", "dog"], {"dog": 0, "cat": 1}.get)
    samples.__dict__["samples"] = [("a.png", "cat"), ("b.png", "dog")]
    values = samples.targets
    del samples.targets
    samples.__class__ = type(
        "Samples", (Pictures,),
        {"__len__": lambda s: 2,
         "__getitem__": lambda s, i: (Image.new("L", (4, 4)), s.say(values[i]))},
    )  # fmt: skip
    source = open_source(samples)
    assert (source.labels, source.class_names) == ([1, 0], ["dog", "cat"])


def test_words_of_items_with_a_list_of_names():
    class Words(Dataset):
        classes = ("dog", "cat")

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return Image.new("L", (4, 4)), ["cat", "dog", "cat"][index]

    source = open_source(Words())
    assert source.class_names == ["dog", "cat"]
    assert loaded(source) == [1, 0, 1]


def test_class_to_idx_says_which_index_a_name_has(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")

    class Ours(ImageFolder):
        def find_classes(self, directory):
            return ["cat", "dog"], {"dog": 0, "cat": 1}

    source = open_source(Ours(tmp_path))
    assert (source.labels, source.class_names) == ([1, 0], ["dog", "cat"])
    assert open_source(Subset(Ours(tmp_path), [1])).class_names == ["dog", "cat"]


def test_labels_with_an_axis_and_names_of_medmnist():
    info = {"label": {"0": "adipose", "1": "lymph", "2": "mucus"}}
    data = Pictures(np.array([[2], [0], [1]]), info=info)
    source = open_source(data)
    assert (source.labels, source.class_names) == ([2, 0, 1], ["adipose", "lymph", "mucus"])
    many = open_source(Pictures(np.array([[1, 0, 1], [0, 1, 0]])))
    assert many.labels is None
    assert "not one class an image" in many.decisions["labels"]
    one_hot = open_source(Pictures(np.eye(3, dtype=int)))
    assert one_hot.labels == [0, 1, 2]
    assert "one-hot" in one_hot.decisions["labels"]


def test_labels_that_do_not_fit_the_names():
    source = open_source(Pictures([1, 2, 3], classes=["a", "b", "c"]))
    assert source.labels == [1, 2, 3]
    assert source.class_names is None
    assert any("names are left aside: the labels run from 1 to 3" in note for note in source.notes)


def test_joined_data_sets_that_name_their_classes_differently():
    parts = [Pictures([0, 1], classes=names) for names in (["cat", "dog"], ["dog", "cat"])]
    source = open_source(ConcatDataset(parts))
    assert source.labels is None
    assert any("name their classes differently" in note for note in source.notes)


def test_labels_beside_a_data_set_are_taken_as_they_are():
    data = Pictures([0, 1, 0], classes=["a", "b"])
    source = open_source((data, [1, 1, 0]))
    assert loaded(source) == [1, 1, 0]
    assert source.class_names is None  # the names belong to the labels of the data set
    assert open_source((data, [0, 1, 0])).class_names == ["a", "b"]
