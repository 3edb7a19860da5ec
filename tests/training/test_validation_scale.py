"""Enlarged test images: their law, and networks of which the accuracy is known."""

import math

import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

from invariscope.errors import InputError
from invariscope.models import Preprocessing
from invariscope.training import Recipe, TrainedRun
from invariscope.training.augmentations import augmentation
from invariscope.training.validation_scale import (
    ZOOMS,
    enlargement,
    over_training_seeds,
    scale_accuracy,
)

DATA = "torchvision:FakeData?size=90&image_size=3,16,16&num_classes=3"


class ByHash(nn.Module):
    """Answers by the sum of all pixels: right by chance, and another answer once they change."""

    def forward(self, images):
        chosen = (images.sum(dim=(1, 2, 3)) * 1e4).round().long() % 3
        return nn.functional.one_hot(chosen, 3).float()


def trained(module, seed=0, augment="none"):
    recipe = Recipe(DATA, "small:cnn7", augment=augment, size=16, seed=seed)
    preprocessing = Preprocessing(size=(16, 16), resize=18)
    table = pd.DataFrame(columns=["image", "class", "method", "seed", "correct"])
    return TrainedRun(recipe, module, preprocessing, ("0", "1", "2"), table, table)


def test_the_sizes_of_the_paper():
    assert len(ZOOMS) == 15
    assert (ZOOMS[0], ZOOMS[-1]) == (1, 6)
    assert ZOOMS[1] == pytest.approx(1.357, abs=1e-3)
    assert [round(enlargement(8, zoom).area.low, 3) for zoom in ZOOMS[:4]] == [
        1,
        0.543,
        0.34,
        0.233,
    ]


def test_areas_are_uniform_and_images_untouched_at_one():
    crop = enlargement(16, 2.5)
    numbers = torch.rand(
        20_000, crop.num_draws, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    boxes = crop.boxes(numbers, (5000, 5000))
    area = (boxes.height * boxes.width).double() / 5000**2
    assert stats.kstest(area, stats.uniform(0.16, 0.84).cdf).pvalue > 0.01
    assert (boxes.height == boxes.width).all()
    assert (boxes.top == (5000 - boxes.height) // 2).all()
    images = torch.rand(4, 3, 16, 16)
    assert torch.equal(enlargement(16, 1.0).augment(images, numbers[:4]), images)


def test_an_image_keeps_its_draws_over_test_seeds_and_batches():
    table = scale_accuracy(trained(ByHash()), zooms=(1.0, 3.0), test_seeds=(0, 1))
    assert table.columns.tolist() == ["scale", "test_seed", "accuracy", "n_images"]
    assert (table["n_images"] == 18).all()
    untouched = table[table["scale"] == 1]["accuracy"]
    assert untouched.nunique() == 1
    again = scale_accuracy(trained(ByHash()), zooms=(3.0,), test_seeds=(1,))
    last = table[(table["scale"] == 3) & (table["test_seed"] == 1)]["accuracy"]
    assert again["accuracy"].item() == last.item()


def test_accuracy_is_that_of_a_naive_loop():
    from invariscope.data import open_source
    from invariscope.seeding import draws
    from invariscope.training.splits import open_splits

    run = trained(ByHash())
    _, split, _ = open_splits(run.recipe)
    source = open_source(DATA)
    crop, right = enlargement(16, 3.0), 0
    centre = augmentation("FixedSizeCenterCrop", 16)
    for place, index in enumerate(split.indices):
        pixels = run.preprocessing.geometry(source.load(index))[None] / 255
        assert centre.augment(pixels, torch.empty(1, 0)).shape == pixels.shape
        drawn = torch.from_numpy(draws(1, "validation scale", [place], crop.num_draws))
        answer = run.module(run.preprocessing.normalise(crop.augment(pixels, drawn))).argmax()
        right += int(answer == split.labels[place])
    found = scale_accuracy(run, zooms=(3.0,), test_seeds=(1,))
    assert found["accuracy"].item() == pytest.approx(right / len(split))


def test_means_over_test_seeds_then_over_training_seeds():
    rows = [
        ("none", seed, 1.0, test_seed, accuracy)
        for seed, pair in ((0, (0.4, 0.6)), (1, (0.6, 0.8)), (2, (0.7, 1.1)))
        for test_seed, accuracy in enumerate(pair)
    ]
    table = pd.DataFrame(rows, columns=["method", "seed", "scale", "test_seed", "accuracy"])
    (row,) = over_training_seeds(table).to_dict("records")
    assert row["accuracy"] == pytest.approx(0.7)
    assert row["sem"] == pytest.approx(0.2 / math.sqrt(3))
    assert row["n"] == 3


def test_a_curve_for_each_method():
    runs = [
        trained(ByHash(), seed, augment)
        for augment in ("none", "RandomResizedCrop")
        for seed in (0, 1)
    ]
    tables = [
        scale_accuracy(run, (1.0, 2.0), (0,), num_images=9).assign(
            method=run.recipe.augment, seed=run.recipe.seed
        )
        for run in runs
    ]
    curve = over_training_seeds(pd.concat(tables, ignore_index=True))
    assert curve[["method", "scale"]].to_numpy().tolist() == [
        ["none", 1.0], ["none", 2.0], ["RandomResizedCrop", 1.0], ["RandomResizedCrop", 2.0],
    ]  # fmt: skip
    assert (curve["n"] == 2).all()
    assert (curve["sem"] == 0).all()


def test_messages():
    with pytest.raises(InputError, match=r"an enlargement of 0\.5"):
        enlargement(8, 0.5)
