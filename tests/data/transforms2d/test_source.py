"""Transforms-2D by spec: options, ids, notes, backgrounds; trained on like any other source."""

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from invariscope.data import backgrounds, open_source, samples
from invariscope.data.transforms2d import scenes
from invariscope.errors import InputError
from invariscope.models import Preprocessing
from invariscope.training.augmentations import augmentation
from invariscope.training.evaluation import TestImages
from invariscope.training.images import Step, TrainingImages
from invariscope.training.recipe import Recipe
from invariscope.training.splits import Split, open_splits


def test_defaults_are_the_papers():
    source = open_source("transforms2d")
    assert (len(source), len(open_source("transforms2d:shapes?split=train"))) == (10_000, 50_000)
    assert source.ids[:2] == ["test 0", "test 1"]
    assert source.class_names is not None
    assert len(source.class_names) == 100
    assert source.labels is not None
    assert source.labels[99:102] == [99, 0, 1]
    assert source.load(0).size == (32, 32)
    notes = " ".join(source.notes)
    assert "rotation → scale → horizontal_flip → vertical_flip → translation → blur" in notes
    assert "drawn by invariscope" in notes


def test_loading_one_is_the_same_as_a_batch():
    source = open_source("transforms2d:shapes?transformations=published&num=50")
    batch = source.pixels(range(50))
    assert batch is not None
    copy = pickle.loads(pickle.dumps(source))
    for index in (0, 7, 49):
        assert np.array_equal(np.asarray(copy.load(index)), batch[index].permute(1, 2, 0).numpy())


def test_options_reach_the_generator():
    source: Any = open_source(
        "transforms2d:shapes?transformations=rotation+scale/blur&classes=4&first=9&num=7&size=16"
        "&seed=5&backgrounds=%23336699&split=val&twin=transformation:2+background"
    )
    data = source.data
    assert data.lists == [("rotation", "scale"), ("blur",)]
    assert [line[0] for line in data.prototypes.provenance] == [9, 10, 11, 12]
    assert (len(source), data.size, data.seed, data.split) == (7, 16, 5, "val")
    assert data.twins == {"transformation": 2, "background": 1}
    assert np.asarray(source.load(0))[0, 0].tolist() == [0x33, 0x66, 0x99]
    assert "rotation → scale / blur" in source.notes[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("split=all", "unknown transforms2d split 'all'"),
        ("classes=0", "transforms2d: classes='0'; a whole number from 1 on works"),
        ("size=4", "transforms2d: size='4'; a whole number from 8 on works"),
        ("twin=object:x", "transforms2d: twin='x'; a whole number from 0"),
        ("twin=object+object", "twin=object.object: object comes twice; give it once"),
        ("backgrounds=clouds", "backgrounds=clouds: no such colour; photographs, samples, drawn"),
        ("class=3", "unknown option of transforms2d 'class': did you mean classes"),
    ],
)
def test_messages(options, message):
    with pytest.raises(InputError, match=message) as error:
        open_source(f"transforms2d:shapes?{options}")
    assert "\n" not in str(error.value)


def test_missing_photographs_are_named(monkeypatch):
    monkeypatch.setattr(backgrounds, "installed_backgrounds", lambda: ([], ["some-wallpapers"]))
    with pytest.raises(InputError, match="apt-get install some-wallpapers; or write backgrounds=d"):
        open_source("transforms2d:shapes?backgrounds=photographs&size=9")


@pytest.mark.skipif(
    bool(backgrounds.installed_backgrounds()[1]), reason="needs three packages of wallpapers"
)
def test_photographs_are_as_many_as_the_paper_has():
    found = scenes("photographs", 16)
    assert found.pixels.shape == (882, 3, 16, 16)
    assert len(set(found.names)) == len(found) == 882
    assert len(np.unique(found.pixels.reshape(882, -1), axis=0)) == 882
    assert "17 photographs, not independent" in found.note


@pytest.mark.skipif(
    samples.package_folder("skimage") is None or samples.package_folder("sklearn") is None,
    reason="needs scikit-image and scikit-learn",
)
def test_sample_photographs_are_backgrounds_too():
    found = scenes("samples", 16)
    assert found.pixels.shape[1:] == (3, 16, 16)
    assert len(found) >= 64
    assert "not independent photographs" in found.note


def test_a_training_and_its_test_take_the_same_pixels():
    """Kept as bytes, or made anew in each epoch: both are what `load` gives."""
    recipe = Recipe(
        "transforms2d:shapes?classes=5&num=40", "small:cnn7", num_train=30, num_test=20, epochs=1
    )
    train, test, names = open_splits(recipe)
    assert len(names) == 5
    assert (train.source.name, test.source.name) == (
        "transforms2d:shapes?classes=5&num=40&split=train",
        "transforms2d:shapes?classes=5&num=40&split=test",
    )
    places = np.array([4, 0, 17])
    expected = torch.stack([_loaded(train, place) for place in places])
    for memory in (1 << 20, 0):
        images = TrainingImages(
            train,
            augmentation("whole image", 32),
            seed=0,
            device=torch.device("cpu"),
            memory=memory,
        )
        assert images.kept == (memory > 0)
        (batch,) = images.batches([Step(0, places)])
        assert torch.equal(batch.pixels, expected)
        assert batch.labels.tolist() == [train.labels[place] for place in places]
    seen = TestImages(test, Preprocessing(size=(32, 32), resize=32))
    ((chosen, pixels),) = seen.batches()
    assert chosen == list(range(20))
    assert torch.equal(pixels[7].float() / 255, _loaded(test, 7))


def _loaded(split: Split, place: int) -> torch.Tensor:
    image = np.asarray(split.source.load(split.indices[int(place)]))
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255


def test_opening_the_sources_of_a_study_does_not_import_torch_before_it_is_asked_for():
    code = (
        "import sys, invariscope.data, invariscope.data.transforms2d;"
        "print([n for n in ('torch', 'pandas', 'datasets') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
