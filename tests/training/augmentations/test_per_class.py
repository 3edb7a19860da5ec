"""Policies per class: which operations, how often, how far."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import invariscope
from invariscope.errors import InputError
from invariscope.search import get_operations
from invariscope.training.augmentations import Choice, PerClassPolicy, augmentation, class_policies
from invariscope.transformations import geometry, warp


def row(name, operation, boosted, change, weighted=0.1, kind="geometric"):
    return {
        "class": name,
        "operation": operation,
        "kind": kind,
        "key": operation,
        "proportion_boosted": boosted,
        "relative_change": change,
        "weighted_boost": weighted,
    }


TABLE = pd.DataFrame(
    [
        row("", "rotate 9", 0.9, 0.5),
        row("cat", "rotate 3", 0.4, 0.5),
        row("cat", "rotate 9", 0.6, 0.1, 0.5),
        row("cat", "invert 3", 0.8, 0.0, 1.5),
        row("cat", "solarize 3", 0.9, -0.1),
        row("cat", "rescale 0", 1.0, 0.0, kind="identity"),
        row("dog", "equalize 3", 0.3, 0.1),
    ]
)


def operation(name):
    return get_operations(name)[0]


def named(policy):
    return {choice.operation.name: choice.probability for choice in policy}


def test_the_best_operations_of_a_class():
    policies = class_policies(TABLE)
    assert list(policies) == ["cat", "dog"]
    assert named(policies["cat"]) == {"invert 3": 0.5, "rotate 9": 0.5}
    assert list(named(policies["cat"])) == ["invert 3", "rotate 9"]
    assert policies["dog"] == ()
    assert named(class_policies(TABLE, "fixed")["cat"]) == {"invert 3": 0.1, "rotate 9": 0.1}
    softmax = named(class_policies(TABLE, "softmax")["cat"])
    assert softmax["invert 3"] == pytest.approx(np.exp(1.5) / (np.exp(1.5) + np.exp(0.5)))
    assert sum(softmax.values()) == pytest.approx(1)
    assert list(named(class_policies(TABLE, most=1)["cat"])) == ["invert 3"]


def test_operations_are_done_as_often_as_they_should_and_per_class():
    policies = {"cat": [Choice(operation("invert 3"), 0.3)], "dog": []}
    policy = PerClassPolicy(policies)
    count = 20_000
    numbers = torch.rand(
        count, policy.num_draws, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    labels = torch.arange(count) % 2
    out = policy.augment(torch.zeros(count, 3, 1, 1), numbers, labels)[:, 0, 0, 0]
    assert not out[1::2].any()
    # invert has one strength, which level 0 of 0 … 3 leaves out.
    done = int(out[::2].sum())
    assert stats.binomtest(done, count // 2, 0.3 * 3 / 4).pvalue > 0.01


def test_levels_are_uniform_up_to_the_one_found_in_both_directions():
    turn = operation("shear_x 4")
    transformation = turn.steps[0][0]
    policy = PerClassPolicy({"cat": [Choice(turn, 1.0)]})
    image = torch.rand(1, 3, 12, 12)
    for level in range(5):
        for sign in (1, -1):
            numbers = torch.tensor([[0.5, (level + 0.5) / 5, 0.75 if sign > 0 else 0.25]])
            out = policy.augment(image, numbers, torch.tensor([0]))
            degrees = np.array([sign * transformation.magnitudes[level]])
            expected = warp(image, geometry.shear_x(degrees), transformation.resampling)
            assert torch.allclose(out, expected, atol=1e-6)


def test_a_batch_is_its_images_one_by_one():
    policies = {
        "cat": [Choice(operation("shear_x 4 + invert 3"), 0.8), Choice(operation("rotate 9"), 0.8)],
        "dog": [Choice(operation("saturation 8"), 0.9)],
    }
    policy = PerClassPolicy(policies, class_names=["dog", "cat"])
    images, labels = torch.rand(12, 3, 10, 10), torch.arange(12) % 2
    numbers = torch.rand(12, policy.num_draws, dtype=torch.float64)
    together = policy.augment(images, numbers, labels)
    assert not torch.equal(together, images)
    for k in range(12):
        one = slice(k, k + 1)
        assert torch.allclose(
            policy.augment(images[one], numbers[one], labels[one]), together[one], atol=1e-6
        )


def test_from_a_folder_of_factors(tmp_path):
    pictures = torch.rand(8, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    found = invariscope.find_factors(
        lambda x: x.flatten(1), (pictures, [0, 0, 0, 0, 1, 1, 1, 1]), operations="singles"
    )
    found.save(tmp_path / "search")
    change = augmentation(f"RandomResizedCrop + per-class({tmp_path / 'search'}, softmax)", 6)
    numbers = torch.rand(8, change.num_draws, dtype=torch.float64)
    out = change.augment(pictures, numbers, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]))
    assert out.shape == pictures.shape
    assert torch.isfinite(out).all()
    with pytest.raises(InputError, match="needs the labels"):
        change(pictures)


def test_messages():
    with pytest.raises(InputError, match="unknown weighing 'even'"):
        class_policies(TABLE, "even")
    with pytest.raises(InputError, match="no column 'weighted_boost'"):
        class_policies(TABLE.drop(columns="weighted_boost"))
    with pytest.raises(InputError, match=r"unknown class .*'bird'"):
        PerClassPolicy({"cat": []}, class_names=["bird"])
