"""Generators against the transformations that they are the derivatives of."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from invariscope.errors import InputError
from invariscope.transformations import FAMILIES, GENERATORS, Resampling, get_transformation, warp
from invariscope.transformations.families import Family
from invariscope.transformations.generators import Generator, generator_of, transport
from oracles.lie import reference_transport

#: Family, and what one unit of the generator is in the unit of the family.
MOTIONS = {
    "rotate": ("rotate", np.rad2deg(1.0)),
    "shear_x": ("shear_x", np.rad2deg(1.0)),
    "shear_y": ("shear_y", np.rad2deg(1.0)),
    "translate_x": ("translate_x", 1.0),
    "translate_y": ("translate_y", 1.0),
    "scale": ("zoom_in", 1.0),
}
APPEARANCES = {
    "brightness": "brightness_up",
    "contrast": "contrast",
    "saturation": "saturation",
    "sharpness": "sharpness",
}
HOW = {
    "zeros": Resampling(fill=0.3),
    "valid": Resampling(border="valid"),
    "reflect": Resampling(border="reflect"),
    "circular": Resampling(border="circular"),
    "corner": Resampling(centre="corner"),
}


def noise(height=9, width=12):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, height, width, dtype=torch.float64, generator=generator)


def matrices(family: Family, magnitude: float, height: int, width: int) -> np.ndarray:
    assert family.matrices is not None
    return family.matrices(np.array([magnitude]), height, width)


def interior(height, width):
    """The pixels whose neighbours are inside the frame."""
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    return inside


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("how", HOW)
def test_the_tangent_is_the_derivative_of_the_warp_signs_and_borders_included(name, how):
    family_name, unit = MOTIONS[name]
    family, images, step = FAMILIES.get(family_name), noise(), 3e-8
    moved = [
        warp(images, matrices(family, family.identity + t * unit, 9, 12), HOW[how])
        for t in (step, -step)
    ]
    expected = (moved[0] - moved[1]) / (2 * step)
    got = GENERATORS.get(name).tangent(images, HOW[how])
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    assert expected.abs().max() > 0.1


def test_stretch_makes_wider_and_flatter():
    images, step = noise(), 1e-6
    moved = [
        warp(images, np.array([[[np.exp(t), 0, 0], [0, np.exp(-t), 0]]])) for t in (step, -step)
    ]
    expected = (moved[0] - moved[1]) / (2 * step)
    got = GENERATORS.get("stretch").tangent(images)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", APPEARANCES)
def test_the_change_of_appearance_is_the_derivative_of_its_family(name):
    change = FAMILIES.get(APPEARANCES[name]).change
    assert change is not None
    images, step = 0.3 + 0.4 * noise(), 1e-3
    expected = (change(images, 1 + step) - change(images, 1 - step)) / (2 * step)
    got = GENERATORS.get(name).tangent(images)
    # torchvision blends in its own precision; the families are linear in the factor.
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)
    assert expected.abs().max() > 0.05


@pytest.mark.parametrize("name", MOTIONS)
def test_a_closed_form_in_float64(name):
    """On a quadratic the central difference is exact: v = −ξ · ∇x, away from the frame."""
    size = 11
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    image = 0.5 + 0.02 * x + 0.03 * y + 0.01 * x * x - 0.004 * x * y + 0.002 * y * y
    slope_x, slope_y = 0.02 + 0.02 * x - 0.004 * y, 0.03 - 0.004 * x + 0.004 * y
    flow = {
        "rotate": (y, -x),  # counter-clockwise on the screen: the right side goes up
        "shear_x": (-y, 0 * x),
        "shear_y": (0 * x, -x),
        "translate_x": (size + 0 * x, 0 * x),
        "translate_y": (0 * x, size + 0 * x),
        "scale": (x, y),
    }[name]
    expected = -(flow[0] * slope_x + flow[1] * slope_y)
    images = torch.from_numpy(np.tile(image, (1, 1, 1, 1)))
    got = GENERATORS.get(name).tangent(images)[0, 0].numpy()
    inside = interior(size, size).numpy()
    np.testing.assert_allclose(got[inside], expected[inside], rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", MOTIONS)
def test_maps_move_with_the_image(name):
    """The tangent commutes with averaging over cells of 4 × 4, as far as the map resolves it."""
    y, x = np.mgrid[:48, :48].astype(np.float64)
    smooth = np.sin(x / 13) * np.cos(y / 11)
    images = torch.from_numpy(smooth)[None, None]
    generator = GENERATORS.get(name)
    coarse = functional.avg_pool2d(images, 4)
    expected = functional.avg_pool2d(generator.tangent(images), 4)
    got = generator.on_maps(coarse, (48, 48))
    inside = interior(12, 12)
    scale = expected[..., inside].abs().max()
    assert (got - expected)[..., inside].abs().max() < 0.05 * scale
    assert generator.on_maps(coarse[..., :1, :1], (48, 48)).abs().max() == 0


def test_a_turn_on_cells_that_are_not_square():
    """A 24 × 48 image on a 12 × 12 grid: cells are 2 high and 4 wide."""
    y, x = np.mgrid[:24, :48].astype(np.float64)
    images = torch.from_numpy(np.sin(x / 13) * np.cos(y / 11))[None, None]
    generator = GENERATORS.get("rotate")
    expected = functional.avg_pool2d(generator.tangent(images), (2, 4))
    got = generator.on_maps(functional.avg_pool2d(images, (2, 4)), (24, 48))
    inside = interior(12, 12)
    scale = expected[..., inside].abs().max()
    assert (got - expected)[..., inside].abs().max() < 0.05 * scale


def test_appearance_does_nothing_to_maps():
    maps = noise()
    assert GENERATORS.get("contrast").on_maps(maps, (36, 48)).abs().max() == 0


def test_the_fill_is_for_images_and_not_for_maps():
    flat = torch.full((1, 3, 5, 5), 0.3)
    shift = GENERATORS.get("translate_x")
    assert shift.tangent(flat, Resampling(fill=0.3)).abs().max() == 0
    assert shift.tangent(flat).abs().max() > 0
    assert shift.on_maps(flat, (5, 5), Resampling(fill=0.3)).abs().max() > 0


def test_families_share_generators_by_what_they_do():
    names = ("zoom_in", "zoom_out", "rescale", "contrast_up", "contrast_down", "contrast")
    found = [generator_of(get_transformation(name)) for name in names]
    assert [item.name for item in found if item] == ["scale"] * 3 + ["contrast"] * 3
    for name in ("posterize", "flip_horizontal", "invert", "C4"):
        assert generator_of(get_transformation(name)) is None


def test_a_generator_is_a_motion_or_a_change():
    with pytest.raises(InputError, match="generator twirl: give either its velocity or its change"):
        Generator("twirl", "rad", "geometric")


@pytest.mark.parametrize("border", ["zeros", "reflect", "circular"])
def test_transport_against_loops_over_pixels(border):
    images = noise()
    velocity = np.array([[0.3, -1.2, 0.7], [0.9, 0.2, -2.0]])
    got = transport(images, velocity, border, 0.3 if border == "zeros" else 0.0)
    for image, rate in zip(images.flatten(0, 1).numpy(), got.flatten(0, 1).numpy(), strict=True):
        expected = reference_transport(image, velocity, border, 0.3)
        np.testing.assert_allclose(rate, expected, rtol=0, atol=1e-13)


def test_transport_keeps_what_is_constant_under_circular_borders():
    velocity = np.array([[0, 0, 1.0], [0, 0, -2.0]])
    rate = transport(noise(), velocity, "circular", 0.0)
    torch.testing.assert_close(rate.sum((2, 3)), torch.zeros(2, 3).double(), atol=1e-12, rtol=0)


def test_stretching_has_these_very_numbers():
    """ξ(x, y) = (x, −y) from the centre: −x along a ramp to the right, +y along one downwards."""
    stretch = GENERATORS.get("stretch")
    assert (stretch.unit, stretch.kind) == ("factor", "geometric")
    assert stretch.velocity is not None
    assert stretch.velocity(4, 6).tolist() == [[1, 0, 0], [0, -1, 0]]
    y, x = torch.meshgrid(torch.arange(5.0) - 2, torch.arange(7.0) - 3, indexing="ij")
    for ramp, rate in ((2 * x, -2 * x), (3 * y, 3 * y), (x + y, y - x)):
        inner = stretch.tangent(ramp[None, None])[0, 0, 1:-1, 1:-1]
        assert torch.equal(inner, rate[1:-1, 1:-1])
        on_maps = stretch.on_maps(ramp[None, None], (50, 70))[0, 0, 1:-1, 1:-1]
        assert torch.equal(on_maps, rate[1:-1, 1:-1])


def test_the_grey_of_bands_that_are_no_colours_is_their_mean():
    """Away from it contrast moves; with four bands there is no luminance."""
    images = torch.rand(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    grey = images.mean((1, 2, 3), keepdim=True)
    change = GENERATORS.get("contrast").change
    assert change is not None
    assert torch.allclose(change(images), images - grey, atol=1e-6)
