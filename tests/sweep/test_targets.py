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


def test_a_source_that_knows_imagenet_says_which_outputs_are_right(tmp_path, imagenet):
    source = folder(tmp_path, "bird", "cat", "n01440764")
    source.imagenet_outputs = [(7, 8, 9), (281,), (0, 1)]
    targets, note = class_targets(source, imagenet)
    assert targets is not None
    assert targets.tolist() == [[7, 8, 9], [281, -1, -1], [0, 1, -1]]
    assert "2 of the 3 classes have several" in note
    # a model that is not of ImageNet: its outputs have nothing to do with these
    targets, note = class_targets(source, classifier(3))
    assert targets is not None
    assert targets.tolist() == [0, 1, 2]


def test_any_right_output_counts_in_a_run(tmp_path, imagenet):
    import invariscope

    source = folder(tmp_path, "all", "none")
    source.imagenet_outputs = [range(1000), (1000,)]  # every answer is right; none can be
    result = invariscope.measure(
        imagenet, source, transformations="rotate=90", metrics="accuracy", layers="last",
        twin=False, floor=False,
    )  # fmt: skip
    frame = result.frame[result.frame["class"].notna()]
    assert set(frame.loc[frame["class"] == "all", "value"]) == {1.0}
    assert set(frame.loc[frame["class"] == "none", "value"]) == {0.0}


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
