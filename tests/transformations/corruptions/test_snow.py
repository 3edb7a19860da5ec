"""Snow: whitened as it says, flakes of one draw, none where none is drawn."""

import pytest
import torch

from invariscope.transformations import get_transformation
from invariscope.transformations.corruptions.snow import snow

SEVERITIES = range(1, 6)


def own(count, first=0):
    return [torch.Generator().manual_seed(first + k) for k in range(count)]


def test_without_flakes_what_is_light_becomes_white():
    image = torch.tensor([0.2, 0.6, 0.9]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    made = snow(image, (0.0, 0.3, 3, 9.0, 10, 4, 0.8), own(1))  # no peak is as high as 9
    bright = 1.5 * (0.299 * 0.2 + 0.587 * 0.6 + 0.114 * 0.9) + 0.5
    assert bright > 0.9
    for band, value in enumerate((0.2, 0.6, 0.9)):
        wanted = torch.full((16, 16), 0.8 * value + 0.2 * bright)
        torch.testing.assert_close(made[0, band], wanted)
    dark = torch.zeros(1, 3, 16, 16)  # half as bright as white, by a fifth
    torch.testing.assert_close(snow(dark, (0.0, 0.3, 3, 9.0, 10, 4, 0.8), own(1)), dark + 0.1)


def test_bands_without_colours_are_as_bright_as_their_mean():
    generator = torch.Generator().manual_seed(5)
    grey = torch.rand(2, 1, 32, 32, generator=generator)
    act = get_transformation("corruption:snow")
    made = act(grey, 3, image_ids=["a", "b"])
    torch.testing.assert_close(
        act(grey.expand(-1, 4, -1, -1), 3, image_ids=["a", "b"])[:, 3:], made
    )
    torch.testing.assert_close(
        act(grey.expand(-1, 3, -1, -1), 3, image_ids=["a", "b"])[:, :1], made
    )
    pair = torch.cat([grey, 1 - grey], 1)  # of any two bands that are 0.5 in the mean
    constants = (0.0, 0.3, 3, 9.0, 10, 4, 0.0)
    torch.testing.assert_close(snow(pair, constants, own(2)), torch.full_like(pair, 1.25))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_flakes_fall_both_ways_and_are_the_same_at_half_a_turn(severity):
    act = get_transformation("corruption:snow")
    made = act(torch.zeros(1, 1, 224, 224), severity, image_ids=["a"])
    torch.testing.assert_close(made, made.flip(-2, -1))
    assert float(made.std()) > 0.02


def test_flakes_are_smeared_in_the_direction_that_was_drawn():
    """Along it, a layer hardly changes; across it, much."""
    constants = (0.55, 0.3, 2.5, 0.85, 12, 12, 1.0)
    for seed in range(3):
        made = snow(torch.zeros(1, 1, 224, 224), constants, own(1, seed))[0, 0]
        drawing = own(1, seed)[0]
        torch.randn(1, 224, 224, generator=drawing)
        angle = torch.deg2rad(-45 - 90 * torch.rand((), generator=drawing))
        along = round(float(6 * angle.sin())), round(float(6 * angle.cos()))
        across = -along[1], along[0]
        changes = [
            float((made - made.roll(step, (0, 1)))[20:-20, 20:-20].abs().mean())
            for step in (along, across)
        ]
        assert changes[0] < 0.6 * changes[1]


@pytest.mark.parametrize("side", [224, 32, 28])
def test_each_severity_is_farther_from_the_image(side):
    images = torch.rand(3, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    images = images.expand(-1, -1, side, side)
    act = get_transformation("corruption:snow")
    far = [
        sum(
            float((act(images, level, seed=k, image_ids=["a", "b", "c"]) - images).norm())
            for k in range(3)
        )
        for level in SEVERITIES
    ]
    # 2 and 3 are about as far: larger flakes, of about as many pixels
    assert far[0] < min(far[1:3]) <= max(far[1:3]) < far[3] < far[4]
