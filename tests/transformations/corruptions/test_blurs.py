"""The pixels of glass_blur, copied one after the other as the published code does."""

import numpy as np
import pytest
import torch

from invariscope.transformations import get_transformation
from invariscope.transformations.corruptions.blurs import copied_from, smeared


def reference_copied(steps, reach):
    """From the last pixel to the first, each shows what its neighbour shows by then."""
    height, width = steps.shape[1:]
    shown = np.arange(height * width).reshape(height, width)
    for row in range(height - reach, reach, -1):
        for column in range(width - reach, reach, -1):
            down, right = steps[:, row, column]
            shown[row, column] = shown[row + down, column + right]
    return shown.ravel()


@pytest.mark.parametrize("reach", [1, 2, 4])
@pytest.mark.parametrize("shape", [(24, 31), (9, 12), (8, 3), (1, 1)])
def test_against_loops(shape, reach):
    generator = torch.Generator().manual_seed(reach)
    steps = torch.randint(-reach, reach, (3, 2, *shape), generator=generator)
    made = copied_from(steps, reach)
    for own, found in zip(steps, made, strict=True):
        np.testing.assert_array_equal(found.numpy(), reference_copied(own.numpy(), reach))


def test_a_chain_over_the_whole_image():
    """All show their neighbour on the right: by then it shows what is at the border."""
    steps = torch.zeros(1, 2, 40, 60, dtype=torch.long)
    steps[:, 1] = 1
    places = copied_from(steps, 2).view(40, 60)
    assert (places[20, 3:59] == places[20, 59]).all()
    steps[:, 1] = -1  # on the left: that has not had its turn
    assert torch.equal(copied_from(steps, 2).view(40, 60)[20, 3:59], torch.arange(2, 58) + 20 * 60)


def test_pixels_are_copied_and_lost_and_move_at_most_so_far_in_one_step():
    """Light is not kept, as it would be if pixels changed places."""
    act = get_transformation("corruption:glass_blur")
    image = torch.zeros(1, 1, 224, 224)
    image[..., 100:124, 100:124] = 1
    sums = [
        float(act(image, 5, seed=seed, image_ids=["a"])[..., 60:164, 60:164].sum())
        for seed in range(6)
    ]
    assert np.std(sums) > 0.005 * 24**2
    assert np.mean(sums) == pytest.approx(24**2, rel=0.1)


def test_a_smear_shows_what_lies_in_its_direction():
    image = torch.zeros(1, 1, 31, 31)
    image[..., 15, 15] = 1
    for angle, seen in ((0, (15, 14)), (-90, (16, 15)), (45, (14, 14)), (-45, (16, 14))):
        made = smeared(image, [angle], 3, 2)[0, 0]
        assert float(made.sum()) == pytest.approx(1)
        assert min(float(made[15, 15]), float(made[seen])) > 0.1
        opposite = tuple(30 - place for place in seen)
        assert float(made[opposite]) == 0
