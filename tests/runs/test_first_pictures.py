"""A picture on its way from the source: what is noted about it."""

import numpy as np
import pytest
import torch

import invariscope
from invariscope.data import open_source
from invariscope.models import Preprocessing
from invariscope.runs.first_pictures import FirstPictures


@pytest.mark.parametrize(
    ("size", "resize", "crop_mode", "noted"),
    [
        ((224, 224), 256, "center", True),
        ((224, 224), 224, "center", False),
        ((224, 224), None, "center", False),
        ((224, 224), (256, 256), "squash", True),
        ((224, 224), (224, 224), "squash", False),
        ((256, 224), 256, "center", True),
        ((256, 224), 224, "center", False),
        ((300, 224), 256, "center", False),
    ],
)
def test_pictures_of_the_models_size_that_are_resized_all_the_same(size, resize, crop_mode, noted):
    given = Preprocessing(
        size=(256, 224) if size[0] == 256 else (224, 224),
        resize=resize,
        crop_mode=crop_mode,
        source="its configuration",
    )
    images = open_source(np.zeros((1, *size, 3), np.uint8))
    line = FirstPictures(images, given, [0]).size_note()
    assert bool(line) == noted
    if noted:
        assert "(its configuration); `preprocessing={'resize': 224}` takes them as they are" in line


def test_the_note_stands_among_the_warnings_and_its_hint_works():
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    lines = []
    for preprocessing in ({"size": 32, "resize": 36}, {"size": 32, "resize": 32}):
        result = invariscope.measure(
            lambda x: x.flatten(1), images, transformations="rotate=90", preprocessing=preprocessing
        )
        lines.append([line for line in result.warnings if "have the model's size" in line])
    assert len(lines[0]) == 1
    assert not lines[1]
    picture = torch.from_numpy(images[0]).permute(2, 0, 1)
    assert torch.equal(Preprocessing(size=(32, 32), resize=32).geometry(picture), picture)
