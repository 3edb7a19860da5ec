"""Labels of every form become class indices, or are refused with what would work."""

import enum

import numpy as np
import pandas as pd
import pytest
import torch

from invariscope.data.labels import class_indices, class_order, label_form, numbers_of


class Animal(enum.Enum):
    DOG = 2
    CAT = 0


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.Enum):
    B = "bee"
    A = "ant"


@pytest.mark.parametrize(
    ("values", "indices", "names"),
    [
        ([2, 0, 1], [2, 0, 1], None),
        ((2, 0), [2, 0], None),
        ([True, False], [1, 0], None),
        (np.array([True, False]), [1, 0], None),
        ([2.0, 0.0], [2, 0], None),
        (np.array([2.0, np.nan]), [2, -1], None),
        ([2, None, float("nan"), -1], [2, -1, -1, -1], None),
        (["cat", "", " ", "ant"], [1, -1, -1, 0], ["ant", "cat"]),
        (np.array(["", ""]), [-1, -1], None),
        (pd.Categorical(["cat", "", "cat"]), [0, -1, 0], ["cat"]),
        (np.array([3, 1], dtype=np.uint8), [3, 1], None),
        (torch.tensor([3, 1]), [3, 1], None),
        (torch.tensor([3.0, 1.0], dtype=torch.bfloat16, requires_grad=True), [3, 1], None),
        ([torch.tensor(3), torch.tensor([1])], [3, 1], None),
        ([np.int16(3), np.array([1])], [3, 1], None),
        (np.array([[3], [1]]), [3, 1], None),
        (np.array([3, 1]).reshape(2, 1, 1, 1), [3, 1], None),
        ([[3], [1]], [3, 1], None),
        (np.array([[3]]), [3], None),
        ([[0, 0, 1], [1, 0, 0]], [2, 0], None),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), [1, 0], None),
        (torch.tensor([[False, True], [True, False]]), [1, 0], None),
        (pd.Series([4, 2], index=[7, 9]), [4, 2], None),
        (pd.Series([4, None], dtype="Int64"), [4, -1], None),
        (pd.Series([4, 2], dtype="category"), [4, 2], None),
        (["dog", "cat", "dog"], [1, 0, 1], ["cat", "dog"]),
        (["dog", None], [0, -1], ["dog"]),
        (np.array(["dog", "cat"]), [1, 0], ["cat", "dog"]),
        (np.array([["dog"], ["cat"]]), [1, 0], ["cat", "dog"]),
        (np.array([b"dog", b"cat"]), [1, 0], ["cat", "dog"]),
        ([b"dog", b"cat"], [1, 0], ["cat", "dog"]),
        (["10", "9", "10"], [1, 0, 1], ["9", "10"]),
        (pd.Series(["dog", "cat", None]), [1, 0, -1], ["cat", "dog"]),
        (pd.Series(["b", "a", None]).astype(pd.CategoricalDtype(["b", "a", "c"])), [0, 1, -1],
         ["b", "a", "c"]),
        (pd.Categorical(["b", "a"], ["b", "a"]), [0, 1], ["b", "a"]),
        ([Animal.DOG, Animal.CAT, None], [2, 0, -1], ["CAT", "1", "DOG"]),
        ([Number.ONE, Number.ONE], [1, 1], ["0", "ONE"]),
        ([Word.B, Word.A], [1, 0], ["A", "B"]),
    ],
)  # fmt: skip
def test_what_counts_as_labels(values, indices, names):
    assert class_indices(values, len(indices)) == (indices, names)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1], r"labels of shape \[2\] for 3 images; give one each"),
        (["a"], r"labels of shape \[1\] for 3 images"),
        (np.zeros((3, 2)), r"shape \[3, 2\] are not one class an image .*exactly one 1"),
        ([[1, 1], [1, 0], [0, 1]], "not one class an image"),
        ([[0.3, 0.7], [1, 0], [0, 1]], "not one class an image"),
        ([[1], [1, 0], [0, 1]], "labels of several lengths"),
        ([0.5, 1, 2], "neither whole numbers nor words"),
        ([0, "cat", 1], "neither whole numbers nor words"),
        ([0, -2, 1], "label -2; labels are 0, 1"),
        ([{}, {}, {}], "neither whole numbers nor words"),
        ({"a": 1, "b": 2, "c": 3}, "labels of type dict"),
        ("cat", "labels of type str"),
    ],
)
def test_what_does_not(values, message):
    with pytest.raises(ValueError, match=message):
        class_indices(values, 3)


def test_one_hot_rows_are_said():
    assert "one-hot" in label_form(torch.eye(3))
    assert label_form(np.zeros((3, 1))) == "a column of one label an image"
    assert label_form(["a"]) == label_form([0, 1]) == ""


def test_the_order_of_names():
    assert class_order(["b", "10", "a"]) == ["10", "a", "b"]
    assert class_order(["02", "10", "1"]) == ["1", "02", "10"]


def test_numbers_that_no_row_could_hold_are_names():
    indices, names = class_indices([2**32 + 3, 3, None, 2**32 + 3], 4)
    assert (indices, names) == ([1, 0, -1, 1], ["3", str(2**32 + 3)])
    assert class_indices([2**31 - 1, 0], 2) == ([2**31 - 1, 0], None)


def test_whole_numbers_written_with_a_point_are_ordered_as_numbers():
    assert class_order(["10.0", "2.0", "1.0"]) == ["1.0", "2.0", "10.0"]
    assert numbers_of(["10.0", "2.5"]) is None
    assert numbers_of(["-1", "2"]) is None
