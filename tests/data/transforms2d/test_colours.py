"""Colour operations against torchvision and Pillow on opaque pictures, and what alpha changes."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional

from invariscope.data.transforms2d import TRANSFORMS2D, colours, fields, prototypes, scenes
from invariscope.data.transforms2d.colours import recolour
from invariscope.data.transforms2d.generator import Transforms2D

ON, OFF = torch.ones(3, 1), torch.zeros(3, 1)


@pytest.fixture
def opaque():
    """Three pictures of 8 bits without a transparent pixel."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 4, 24, 24), generator=generator).float() / 255
    pixels[:, 3] = 1
    pixels[0, :3, :5] = 0.4  # grey, where hue is undefined
    return pixels


@pytest.mark.parametrize(
    ("change", "theirs", "values"),
    [
        (colours.brightness, functional.adjust_brightness, (0.0, 0.7, 1.9)),
        (colours.contrast, functional.adjust_contrast, (0.0, 0.6, 1.8)),
        (colours.saturation, functional.adjust_saturation, (0.0, 0.5, 1.5)),
        (colours.hue, functional.adjust_hue, (-0.5, 0.1, 0.37)),
    ],
)
def test_factors_are_torchvisions_on_opaque_pictures(opaque, change, theirs, values):
    drawn = torch.tensor(values)[:, None]
    found = recolour(opaque, change, drawn)
    for number, value in enumerate(values):
        expected = theirs(opaque[number, :3], value)
        assert torch.allclose(found[number, :3], expected, atol=2e-4), value
    assert torch.equal(found[:, 3], opaque[:, 3])


def test_switched_operations_are_pillows(opaque):
    pillow = [
        Image.fromarray((255 * picture[:3]).round().byte().permute(1, 2, 0).numpy())
        for picture in opaque
    ]
    for change, theirs in (
        (colours.invert, ImageOps.invert),
        (colours.posterize, lambda image: ImageOps.posterize(image, 1)),
    ):
        found = recolour(opaque, change, ON)[:, :3]
        for number, image in enumerate(pillow):
            expected = np.asarray(theirs(image), dtype=np.float32).transpose(2, 0, 1) / 255
            assert np.abs(found[number].numpy() - expected).max() < 1e-4
        assert torch.equal(recolour(opaque, change, OFF), opaque)
    grey = recolour(opaque, colours.grayscale, ON)[:, :3]
    assert torch.allclose(grey, functional.rgb_to_grayscale(opaque[:, :3], 3), atol=1e-3)


def test_sharpening_is_torchvisions_inside(opaque):
    found = colours.sharpening(opaque, ON[:, 0])
    expected = functional.adjust_sharpness(opaque[:, :3], 7.0)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    assert torch.allclose(found[:, :3][inner], expected[inner], atol=1e-4)
    assert torch.equal(colours.sharpening(opaque, OFF[:, 0]), opaque)


def test_jitter_is_its_four_steps(opaque):
    drawn = torch.tensor([[0.6, 1.4, 0.5, 0.3], [1.5, 0.5, 1.5, -0.5], [1.0, 1.0, 1.0, 0.0]])
    found = recolour(opaque, colours.color_jitter, drawn)[:, :3]
    for number, (bright, contrast, saturated, hue) in enumerate(drawn.tolist()):
        image = functional.adjust_brightness(opaque[number, :3], bright)
        image = functional.adjust_saturation(functional.adjust_contrast(image, contrast), saturated)
        assert torch.allclose(found[number], functional.adjust_hue(image, hue), atol=5e-4)


def test_contrast_is_about_the_object_not_its_frame():
    """A grey object of one value stays as it is, however much transparency surrounds it."""
    sprites = torch.zeros(1, 4, 8, 8)
    sprites[:, :3, 2:5, 2:5], sprites[:, 3, 2:5, 2:5] = 0.3, 1
    found = recolour(sprites, colours.contrast, torch.tensor([[2.0]]))
    assert torch.allclose(found, sprites, atol=1e-3)  # torchvision's weights of grey sum to 0.9999


def test_half_transparent_colours_change_as_opaque_ones_do(opaque):
    """What is seen through is the same colour: operations commute with opacity."""
    thin = opaque * 0.4
    for change in (colours.hue, colours.saturation, colours.contrast, colours.invert):
        drawn = torch.tensor([[0.3], [0.8], [0.1]])
        assert torch.allclose(
            recolour(thin, change, drawn), 0.4 * recolour(opaque, change, drawn), atol=1e-5
        )


@pytest.mark.parametrize("name", TRANSFORMS2D)
def test_no_colour_exceeds_its_alpha(name):
    data = Transforms2D(prototypes("shapes", classes=10), scenes("black"), (name,), seed=7)
    sprites = data.sprites(torch.arange(40))
    assert sprites.shape == (40, 4, 32, 32)
    assert sprites.min() >= -1e-6
    assert sprites.max() <= 1 + 1e-5
    assert (sprites[:, :3] - sprites[:, 3:]).max() < 1e-5
    still = torch.from_numpy(data.prototypes.pictures)[data.labels(range(40))]
    changed = (sprites - still).abs().amax((1, 2, 3)) > 1e-3
    drawn = data.parameters(range(40))[name]
    if TRANSFORMS2D[name].parameters[0] == "applied":
        assert not changed[drawn[:, 0] == 0].any()
        assert changed[drawn[:, 0] == 1].float().mean() > 0.4  # symmetric objects stay
    else:
        assert changed.float().mean() > 0.8


def test_noise_is_standard_normal_before_it_is_clipped():
    sprites = torch.full((4, 4, 64, 64), 0.5)
    sprites[:, 3] = 1
    uniform = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)).double()
    found = fields.noise(sprites, uniform)[:, :3]
    inside = (found > 0) & (found < 1)
    # within half a standard deviation of the mean: 2 Φ(1/2) − 1
    assert inside.float().mean().item() == pytest.approx(0.3829, abs=0.01)
    assert (found == 0).float().mean().item() == pytest.approx(0.3085, abs=0.01)
    edges = torch.tensor([[[[0.0, 1 - 2.0**-53]]]], dtype=torch.float64).expand(1, 3, 1, 2)
    assert fields.noise(sprites[:1, :, :1, :2], edges).isfinite().all()


def test_elastic_moves_as_torchvisions_displacement_does(opaque):
    picture = functional.resize(opaque, [32, 32], antialias=True)
    uniform = torch.rand(3, 2, 32, 32, generator=torch.Generator().manual_seed(2)).double()
    found = fields.elastic(picture, uniform)
    for number in range(3):
        noise = 2 * uniform[number].float() - 1
        smooth = functional.gaussian_blur(noise, [41, 41], [5.0, 5.0]).permute(1, 2, 0)
        theirs = functional.elastic(picture[number], smooth[None] * 150 / 32)
        middle = (slice(None), slice(14, 18), slice(14, 18))  # mirrored noise does not reach it
        assert (found[number][middle] - theirs[middle]).abs().mean() < 0.05


def test_erasing_leaves_a_square_hole_inside_the_frame():
    sprites = torch.ones(2000, 4, 32, 32)
    drawn = torch.rand(2000, 3, generator=torch.Generator().manual_seed(3))
    drawn[:, 0] = (drawn[:, 0] < 0.5).float()
    holes = fields.erase(sprites, drawn)[:, 3] == 0
    assert set(holes.sum((1, 2))[drawn[:, 0] == 1].tolist()) == {14 * 14}
    assert not holes[drawn[:, 0] == 0].any()
    for side in (1, 2):
        assert holes.any(0).any(side - 1).all()  # from one end of the frame to the other


def test_pixelated_pictures_have_ten_cells_a_side():
    picture = torch.rand(1, 4, 32, 32, generator=torch.Generator().manual_seed(4))
    found = fields.pixelate(picture, torch.ones(1))
    assert len(torch.unique(found[0, 0])) <= 100
    assert found.mean().item() == pytest.approx(picture.mean().item(), abs=0.02)
