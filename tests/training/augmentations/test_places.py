"""Flips, turns and moves against index paths, Pillow's conventions and their laws."""

import numpy as np
import pytest
import torch
from scipy import stats

from invariscope.errors import InputError
from invariscope.training.augmentations import HorizontalFlip, Rotation, Translation, augmentation


def pictures(count=6, side=9):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def draws(count, number=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, number, generator=generator, dtype=torch.float64)


def test_flips_half_of_the_images():
    images, numbers = pictures(2), torch.tensor([[0.49], [0.5]])
    flipped = HorizontalFlip().augment(images, numbers)
    assert torch.equal(flipped[0], images[0].flip(2))
    assert torch.equal(flipped[1], images[1])
    many = HorizontalFlip().augment(
        torch.tensor([[[[0.0, 1.0]]]]).expand(4000, -1, -1, -1), draws(4000)
    )
    assert stats.binomtest(int(many[:, 0, 0, 0].sum()), 4000).pvalue > 0.01


def test_turns_are_counter_clockwise_and_exact_at_right_angles():
    images = pictures(4)
    turned = Rotation(4).augment(images, torch.tensor([[0.0], [0.25], [0.5], [0.75]]))
    for k in range(4):
        assert torch.equal(turned[k], torch.rot90(images[k], k, (1, 2)))
    any_angle = Rotation().augment(images, torch.full((4, 1), 0.25))
    assert torch.equal(any_angle[0], torch.rot90(images[0], 1, (1, 2)))


def test_angles_are_uniform():
    degrees = Rotation().degrees(draws(20_000))
    assert stats.kstest(degrees, stats.uniform(0, 360).cdf).pvalue > 0.01
    eighths = Rotation(8).degrees(draws(20_000))
    values, counts = np.unique(eighths, return_counts=True)
    assert values.tolist() == [45.0 * k for k in range(8)]
    assert stats.chisquare(counts).pvalue > 0.01


def test_moves_are_whole_pixels():
    images = pictures(3, 10)
    numbers = torch.tensor([[0.0, 0.5], [0.5, 1 - 1e-9], [0.5, 0.5]], dtype=torch.float64)
    moved = Translation(0.3).augment(images, numbers)
    up, right = torch.zeros_like(images[0]), torch.zeros_like(images[0])
    up[:, :-3], right[:, :, 3:] = images[0][:, 3:], images[1][:, :, :-3]
    assert torch.equal(moved, torch.stack([up, right, images[2]]))


@pytest.mark.parametrize("name", ["horizontal flip", "rotation", "rotation(C8)"])
def test_a_batch_is_its_images_one_by_one(name):
    change = augmentation(name, 9)
    images, numbers = pictures(), draws(6, change.num_draws)
    together = change.augment(images, numbers)
    for k in range(6):
        alone = change.augment(images[k : k + 1], numbers[k : k + 1])
        assert torch.allclose(together[k : k + 1], alone, atol=1e-6)


def test_messages():
    with pytest.raises(InputError, match=r"T\.\(200%\) came"):
        Translation(2)
    with pytest.raises(InputError, match="positive order"):
        Rotation(-1)
