"""Which output stands for which class: WordNet ids, equal counts, plain labels, or no accuracy."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from invariscope.data import open_source
from invariscope.models import load_model
from invariscope.sweep.targets import class_targets


@pytest.fixture(scope="module")
def imagenet():
    return load_model("timm:resnet10t+untrained")


def classifier(outputs):
    return load_model(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, outputs)))


def folder(root, *names):
    for name in names:
        (root / name).mkdir()
        Image.new("RGB", (4, 4)).save(root / name / "a.png")
    return open_source(root)


def test_wordnet_ids_are_looked_up(tmp_path, imagenet):
    targets, note = class_targets(folder(tmp_path, "n02123045", "n01440764"), imagenet)
    assert targets is not None
    assert targets.tolist() == [0, 281]  # in the order of the folders: tench, tabby
    assert note == ""


def test_as_many_classes_as_outputs(tmp_path):
    targets, note = class_targets(folder(tmp_path, "cat", "dog"), classifier(2))
    assert targets is not None
    assert targets.tolist() == [0, 1]
    assert "in their order" in note


def test_no_basis_for_an_accuracy(tmp_path, imagenet):
    targets, note = class_targets(folder(tmp_path, "cat", "dog"), imagenet)
    assert targets is None
    assert "the data have 2 classes and the model 1000 outputs" in note
    headless = load_model(lambda x: x)
    assert class_targets(open_source(tmp_path), headless) == (
        None,
        "accuracy is not measured: the model gives no class scores",
    )


@pytest.mark.parametrize(("labels", "known"), [([0, 4], True), ([0, 5], False)])
def test_labels_without_names_are_outputs(labels, known):
    images = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    targets, note = class_targets(open_source((images, labels)), classifier(5))
    assert (targets is not None) == known
    assert ("a label is 5, the model has 5 outputs" in note) != known
    assert class_targets(open_source(torch.zeros(2, 3, 4, 4)), classifier(5)) == (None, "")
