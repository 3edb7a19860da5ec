"""Files of NumPy: names of arrays, splits, labels, what is refused."""

import contextlib
import gc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invariscope.data import open_source
from invariscope.errors import InputError

GENERATOR = np.random.default_rng(5)
GREY = GENERATOR.integers(0, 256, (4, 5, 6), dtype=np.uint8)
COLOUR = GENERATOR.integers(0, 256, (3, 5, 6, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def first(source) -> np.ndarray:
    return np.asarray(source.load(0))


def test_medmnist(tmp_path):
    np.savez(
        "pneumonia.npz", train_images=GREY[:2], train_labels=[[0], [0]], val_images=GREY[:1],
        val_labels=[[0]], test_images=GREY, test_labels=[[1], [0], [1], [1]],
    )  # fmt: skip
    source = open_source("pneumonia.npz")
    assert source.labels == [1, 0, 1, 1]
    assert np.array_equal(first(source)[..., 0], GREY[0])
    assert any("split=test was chosen of test, val, train" in note for note in source.notes)
    assert source.decisions["arrays"] == "images 'test_images', labels 'test_labels'"
    assert source.name == "pneumonia.npz"
    train = open_source("pneumonia.npz?split=train")
    assert train.labels == [0, 0]
    assert not any("chosen" in note for note in train.notes)
    with pytest.raises(InputError, match=r"unknown split of pneumonia.npz 'tset': did you mean"):
        open_source("pneumonia.npz?split=tset")


@pytest.mark.parametrize(
    ("images", "labels"),
    [("images", "labels"), ("x", "y"), ("X", "Y"), ("x_test", "y_test"), ("arr_0", "arr_1"),
     ("data", "labels"), ("images", None)],
)  # fmt: skip
def test_names_of_arrays(images, labels):
    arrays: dict[str, Any] = (
        {images: COLOUR} if labels is None else {images: COLOUR, labels: np.array([2, 0, 1])}
    )
    np.savez("a.npz", **arrays)
    source = open_source("a.npz")
    assert np.array_equal(first(source), COLOUR[0])
    assert source.labels == (None if labels is None else [2, 0, 1])


def test_named_arrays_and_a_file_beside():
    np.savez("a.npz", pictures=COLOUR, digits=[2, 0, 1], images=GREY)
    source = open_source("a.npz?images=pictures&labels=digits")
    assert source.labels == [2, 0, 1]
    assert first(source).shape == (5, 6, 3)
    with pytest.raises(InputError, match=r"unknown array of images in a.npz 'picture'"):
        open_source("a.npz?images=picture")
    np.save("i.npy", COLOUR)
    np.save("l.npy", [0, 1, 0])
    assert open_source("i.npy").labels is None
    assert open_source("i.npy?labels=l.npy").labels == [0, 1, 0]


def test_several_labels_an_image_are_left_out_and_said():
    np.savez("chest.npz", test_images=GREY, test_labels=np.array([[0, 1], [1, 1], [0, 0], [1, 0]]))
    source = open_source("chest.npz")
    assert source.labels is None
    assert any("several labels an image" in note for note in source.notes)


def test_what_is_refused():
    np.savez("o.npz", images=np.array([{}, {}], dtype=object))
    with pytest.raises(InputError, match="it holds Python objects, not arrays"):
        open_source("o.npz")
    with open("x.npz", "wb") as file:
        file.write(b"nothing")
    with pytest.raises(InputError, match=r"cannot be read.*np.savez"):
        open_source("x.npz")
    np.save("o.npy", np.array([{}, {}], dtype=object))
    with pytest.raises(InputError, match="it holds Python objects, not arrays"):
        open_source("o.npy")
    np.savez("u.npz", features=GREY)
    with pytest.raises(InputError, match=r"none of its arrays \(features \[4, 5, 6\]\) is"):
        open_source("u.npz")


@pytest.mark.parametrize("kept", [0, 30, 60])
def test_no_file_stays_open(kept):
    np.savez("cut.npz", images=GREY)
    whole = Path("cut.npz").read_bytes()
    Path("cut.npz").write_bytes(whole[:kept] + whole[-60:] if kept else whole)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(InputError):
            open_source("cut.npz")
        gc.collect()
    assert not [w for w in caught if w.category is ResourceWarning]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_numbers_that_need_a_range_get_it_as_they_are_opened(dtype):
    values = (GENERATOR.random((3, 3, 5, 6)) * 4000).astype(dtype)
    np.save("i.npy", values)
    np.savez("a.npz", images=values, labels=[0, 1, 0])
    for file in ("i.npy", "a.npz"):
        with pytest.raises(InputError, match="value_range"):
            open_source(file)
        for source in (
            open_source(file, value_range=(0, 4095)),
            open_source(f"{file}?value_range=0,4095"),
            open_source(f"numpy:{file}", value_range=(0, 4095)),
        ):
            np.testing.assert_allclose(first(source), values[0] / 4095, atol=1e-6)
            assert source.decisions["bit depth"].endswith("0..4095, as given")
    with pytest.raises(InputError, match="value_range is '0-4095'"):
        open_source("i.npy?value_range=0-4095")
