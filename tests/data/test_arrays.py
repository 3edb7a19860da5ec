"""Arrays and tensors of images: types, shapes, ranges, labels."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.data import UnreadableImage, fingerprint, open_source
from invariscope.data.pixels import to_image
from invariscope.errors import InputError

GENERATOR = np.random.default_rng(1)
COLOUR = GENERATOR.integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
FLOATS = GENERATOR.random((3, 3, 4, 5), dtype=np.float32)


@pytest.mark.parametrize(
    "images",
    [
        COLOUR,
        torch.from_numpy(COLOUR),
        np.moveaxis(COLOUR, -1, 1),
        torch.from_numpy(COLOUR).permute(0, 3, 1, 2),
    ],
)
def test_uint8_colour(images):
    source = open_source(images)
    assert list(source.ids) == ["0", "1", "2"]
    assert source.labels is None
    loaded = source.load(2)
    assert isinstance(loaded, Image.Image)
    assert np.array_equal(np.asarray(loaded), COLOUR[2])


@pytest.mark.parametrize("grey", [COLOUR[..., 0], COLOUR[..., :1]])
def test_uint8_grey(grey):
    expected = np.repeat(COLOUR[1, ..., :1], 3, axis=-1)
    assert np.array_equal(np.asarray(open_source(grey).load(1)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_float_tensors_stay_float(dtype):
    images = torch.from_numpy(FLOATS).to(dtype)
    loaded = open_source(images).load(1)
    assert isinstance(loaded, torch.Tensor)
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, images[1].float())


def test_float_grey_and_channels_last():
    grey = open_source(FLOATS[:, :1]).load(0)
    assert np.array_equal(np.asarray(grey), FLOATS[0, :1])
    last = open_source(np.moveaxis(FLOATS, 1, -1)).load(0)
    assert np.array_equal(np.asarray(last), FLOATS[0])


def test_loading_copies():
    images = FLOATS.copy()
    loaded = open_source(images).load(0)
    assert isinstance(loaded, torch.Tensor)
    loaded.zero_()
    assert np.array_equal(images, FLOATS)


def test_rounding_outside_the_range_is_clamped():
    images = np.full((2, 3, 2, 2), 1 + 5e-6, dtype=np.float32)
    loaded = open_source(images).load(0)
    assert isinstance(loaded, torch.Tensor)
    assert loaded.max() == 1


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (FLOATS * 4 - 2, r"float values from -\S+ to \S+; images must be in \[0, 1\], before norm"),
        (FLOATS * 255, r"give uint8 for 0\.\.255"),
        (np.full((2, 3, 4, 4), np.nan, dtype=np.float32), "not finite"),
        (COLOUR.astype(np.int64), r"dtype int64; images are uint8 in 0\.\.255, uint16 in"),
        (COLOUR[0], r"shape \[4, 5, 3\] and uint8; give uint8 \[N, H, W, 3\]"),
        (FLOATS[0], r"shape \[3, 4, 5\] and float32; give"),
        (np.zeros((2, 4, 4, 4), dtype=np.uint8), r"shape \[4, 4, 4\] does not say which"),
        (np.zeros((0, 4, 4, 3), dtype=np.uint8), "it is empty"),
        (np.zeros((2, 0, 4, 3), dtype=np.uint8), "holds no pixel"),
        ((COLOUR, [0, 1]), r"labels of shape \[2\] for 3 images"),
        ((COLOUR, [0, 1, 1.5]), "neither whole numbers nor words"),
        ((COLOUR, [0, 1, -2]), "label -2; labels are 0, 1"),
        ((COLOUR, COLOUR, COLOUR), r"a tuple of 3; give \(images, labels\)"),
        (("samples", [0, 1]), "not with a path"),
        (3.5, "images of type float; give a folder"),
        (None, "images of type NoneType"),
    ],
)
def test_what_is_no_array_of_images(images, message):
    with pytest.raises(InputError, match=message) as info:
        open_source(images)
    assert "\n" not in str(info.value)


def test_labels_as_numbers_words_and_tensors():
    for labels in ([2, 0, 2], torch.tensor([2, 0, 2]), np.array([2.0, 0.0, 2.0])):
        assert open_source((COLOUR, labels)).labels == [2, 0, 2]
    words = open_source((COLOUR, ["dog", "cat", "dog"]))
    assert words.labels == [1, 0, 1]
    assert words.class_names == ["cat", "dog"]


def test_fingerprint_tells_two_arrays_apart():
    other = COLOUR.copy()
    other[1, 0, 0, 0] ^= 1
    first, second = open_source(COLOUR), open_source(other)
    assert fingerprint(first, [0, 2]) == fingerprint(second, [0, 2])
    assert fingerprint(first, [0, 1]) != fingerprint(second, [0, 1])


def test_one_image_too_many_values_is_unreadable():
    source: Any = open_source(FLOATS.copy())
    source._images[1] += 3
    with pytest.raises(UnreadableImage, match="1: float values from"):
        source.load(1)


def test_pickled_copy_loads_the_same():
    for images in (COLOUR, torch.from_numpy(FLOATS)):
        source = open_source(images)
        copy = pickle.loads(pickle.dumps(source))
        assert np.array_equal(np.asarray(copy.load(2)), np.asarray(source.load(2)))


def test_to_image_reads_ambiguous_shapes_by_their_container():
    square = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert np.array_equal(np.asarray(to_image(square)), square)
    found = np.asarray(to_image(torch.from_numpy(square)))
    assert np.array_equal(found, np.moveaxis(square, 0, -1))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.eye(3), "given beside the array; one-hot rows: the class is the place of the 1"),
        (np.array([[0], [1], [2]]), "given beside the array; a column of one label an image"),
        ([0, 1, 2], "given beside the array"),
        ([-1, -1, -1], "treated as unlabelled: every label is -1, which stands for none"),
    ],
)
def test_how_labels_were_read_is_a_decision(labels, said):
    assert open_source((COLOUR, labels)).decisions["labels"] == said
