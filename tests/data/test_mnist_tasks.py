"""MNIST6 and rotated digits: a picture is a function of (seed, id) alone."""

import gzip
import pickle
import struct
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.data import open_source
from invariscope.data.mnist6 import DIGITS
from invariscope.errors import InputError
from invariscope.transformations import warp
from invariscope.transformations.geometry import rotation

pytest.importorskip("sklearn")


def pixels(image):
    return np.asarray(image)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """torchvision's root of MNIST with twenty images a part: two of each digit."""
    folder = tmp_path_factory.mktemp("mnist")
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for prefix in ("train", "t10k"):
        images = generator.integers(0, 256, (20, 28, 28), dtype=np.uint8)
        labels = np.tile(np.arange(10, dtype=np.uint8), 2)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (raw / f"{prefix}-{name}-ubyte").write_bytes(head + array.tobytes())
            packed = gzip.compress(head + array.tobytes())
            (raw / f"{prefix}-{name}-ubyte.gz").write_bytes(packed)
    return folder


def test_digits_of_scikit_learn():
    from sklearn.datasets import load_digits

    source = open_source("digits")
    known: Any = load_digits()
    assert source.labels == known.target.tolist()
    small = pixels(open_source("digits?size=8").load(3))[..., 0].astype(float)
    assert np.abs(small - known.images[3] * 255 / 16).max() <= 0.5
    assert pixels(source.load(3)).shape == (28, 28, 3)
    with pytest.raises(InputError, match="size='7'"):
        open_source("digits?size=7")


@pytest.mark.parametrize("task", ["plain", "rot-inv", "rot-eq"])
def test_the_parts_share_no_image_and_are_all_of_them(task):
    train, test = (open_source(f"mnist6:{task}?of=digits&split={s}") for s in ("train", "test"))
    assert not set(train.ids) & set(test.ids)
    base = open_source("digits")
    expected = [i for i, label in zip(base.ids, base.labels or [], strict=True) if label in DIGITS]
    assert sorted([*train.ids, *test.ids]) == sorted(expected)
    assert 0.15 < len(test) / len(expected) < 0.25


def test_turns_are_exact_and_the_classes_say_them():
    plain, turned, equal = (
        open_source(f"mnist6:{task}?of=digits") for task in ("plain", "rot-inv", "rot-eq")
    )
    assert plain.class_names == ["2", "3", "4", "5", "7", "9"]
    assert len(equal.class_names or ()) == 24
    assert plain.labels == turned.labels
    seen = set()
    for index in range(60):
        digit, turn = divmod((equal.labels or [])[index], 4)
        assert digit == (plain.labels or [])[index]
        picture = pixels(plain.load(index))
        assert np.array_equal(np.rot90(picture, turn), pixels(turned.load(index)))
        assert np.array_equal(pixels(turned.load(index)), pixels(equal.load(index)))
        assert (equal.class_names or [])[4 * digit + turn].endswith(f" at {90 * turn}°")
        seen.add(turn)
    assert seen == {0, 1, 2, 3}


def test_turns_are_uniform_and_follow_seed_and_id():
    from invariscope.data.mnist6 import Mnist6Source

    turns = np.array(Mnist6Source("rot-inv", "train", of="digits").turns)
    counts = np.bincount(turns, minlength=4)
    assert ((counts - len(turns) / 4) ** 2 / (len(turns) / 4)).sum() < 16.3  # chi2, 3, 0.999
    other = np.array(Mnist6Source("rot-inv", "train", of="digits", seed=1).turns)
    assert 0.65 < (turns != other).mean() < 0.85


def test_pickled_sources_give_the_same_pictures():
    for spec in ("mnist6:rot-eq?of=digits", "rotated-mnist?of=digits"):
        source = open_source(spec)
        copy = pickle.loads(pickle.dumps(source))
        assert np.array_equal(pixels(copy.load(5)), pixels(source.load(5)))


def test_rotated_digits_turn_by_their_angle_counter_clockwise():
    upright = open_source("rotated-mnist?of=digits&rotate=no")
    turned: Any = open_source("rotated-mnist?of=digits")
    angles = turned.angles
    for index in range(12):
        one, two = (pixels(source.load(index))[..., 0] / 255 for source in (upright, turned))
        batch = torch.tensor(one, dtype=torch.float32).expand(1, 3, -1, -1)
        right, wrong = (
            warp(batch, rotation(np.array([sign * angles[index]])))[0, 0].numpy()
            for sign in (1, -1)
        )
        assert np.abs(right - two).mean() < 0.025, index
        assert np.abs(right - two).mean() < np.abs(wrong - two).mean() / 2, index


def test_rotated_digits_are_odd_sized_and_lack_the_nine():
    source = open_source("rotated-mnist?of=digits")
    assert set(source.labels or []) == set(range(9))
    assert pixels(source.load(0)).shape == (29, 29, 3)
    nines = open_source("rotated-mnist?of=digits&digits=9&size=33")
    assert set(nines.labels or []) == {0}
    assert nines.class_names == ["9"]
    assert pixels(nines.load(0)).shape == (33, 33, 3)


def test_torchvisions_root(root):
    for split in ("train", "test"):
        six = open_source(f"mnist6:plain?of={root}&split={split}")
        assert len(six) == 12
        assert list(six.ids)[:2] == ["2", "3"]
    train, test = (open_source(f"mnist6:plain?of={root}&split={s}") for s in ("train", "test"))
    assert not np.array_equal(pixels(train.load(0)), pixels(test.load(0)))
    assert len(open_source(f"rotated-mnist?of={root}")) == 18


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mnist6", "which task"),
        ("mnist6:rot", "unknown task of mnist6 'rot'"),
        ("mnist6:plain?split=val&of=digits", "unknown mnist6 split 'val'"),
        ("mnist6:plain?of=nowhere", "of='nowhere' is neither a folder nor one of mnist5k, digits"),
        ("mnist6:plain?seed=x", "seed='x'; a whole number from 0 on works"),
        ("rotated-mnist:a", "it takes no argument"),
        ("rotated-mnist?digits=1,1", "digits='1,1'; different digits"),
        ("rotated-mnist?rotate=maybe", "rotate='maybe'; yes and no work"),
        ("rotated-mnist?size=3", "size='3'; a whole number from 8 on works"),
    ],
)
def test_wrong_specs_are_one_line(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        open_source(spec)
    assert "\n" not in str(caught.value)


def test_an_image_is_rgb():
    assert isinstance(open_source("mnist6:plain?of=digits").load(0), Image.Image)
