"""What each family does to the values: against Pillow on 8-bit pictures, and the identities."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from invariscope.errors import InputError
from invariscope.transformations import FAMILIES, Resampling, get_transformation


def pictures(count=2, size=32):
    values = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    values[0] //= 3  # not all pictures use the whole range
    return [Image.fromarray(value) for value in values], (
        torch.from_numpy(values).permute(0, 3, 1, 2).float() / 255
    )


PILLOW = {
    "brightness_up": lambda image, m: ImageEnhance.Brightness(image).enhance(m),
    "brightness_down": lambda image, m: ImageEnhance.Brightness(image).enhance(m),
    "contrast_up": lambda image, m: ImageEnhance.Contrast(image).enhance(m),
    "contrast_down": lambda image, m: ImageEnhance.Contrast(image).enhance(m),
    "saturation": lambda image, m: ImageEnhance.Color(image).enhance(m),
    "sharpness": lambda image, m: ImageEnhance.Sharpness(image).enhance(m),
    "posterize": lambda image, m: ImageOps.posterize(image, int(m)),
    "solarize": lambda image, m: ImageOps.solarize(image, round(m * 255, 6)),
    "autocontrast": lambda image, m: ImageOps.autocontrast(image),
    "equalize": lambda image, m: ImageOps.equalize(image),
    "invert": lambda image, m: ImageOps.invert(image),
    "flip_horizontal": lambda image, m: ImageOps.mirror(image),
    "flip_vertical": lambda image, m: ImageOps.flip(image),
}
# Pillow works on integers: it rounds to one level, and enhances about a rounded mean.
LEVELS = {"contrast_up": 2, "contrast_down": 2, "saturation": 2, "sharpness": 2}


@pytest.mark.parametrize("name", PILLOW)
def test_agrees_with_pillow(name):
    images, tensor = pictures()
    transformation = get_transformation(name)
    for level in transformation.levels[1:]:
        magnitude = transformation.magnitudes[level]
        family = FAMILIES.get(name)
        ours = family.apply(tensor, np.array([magnitude]), Resampling())
        for image, moved in zip(images, ours, strict=True):
            theirs = torch.from_numpy(np.asarray(PILLOW[name](image, magnitude)).copy())
            difference = (moved.permute(1, 2, 0) * 255 - theirs).abs()
            assert difference.max() <= LEVELS.get(name, 1) + 1e-3, (name, level)


def test_posterize_to_no_bits_is_black():
    _, tensor = pictures()
    assert (FAMILIES.get("posterize").apply(tensor, np.array([0.0]), Resampling()) == 0).all()


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_keeps_shape_range_and_identity(name):
    _, tensor = pictures()
    transformation = get_transformation(name)
    ids = ["a", "b"]
    assert transformation(tensor, 0, seed=1, image_ids=ids) is tensor
    for level in transformation.levels[1:]:
        moved = transformation(tensor, level, seed=1, image_ids=ids)
        assert moved.shape == tensor.shape
        assert moved.dtype == tensor.dtype
        assert not torch.equal(moved, tensor), level
        assert -1e-6 <= moved.min()
        assert moved.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_batch_does_not_matter(name):
    """An image's fate depends on seed and id, not on its place or its company."""
    _, tensor = pictures(count=6)
    ids = [f"image-{index}" for index in range(6)]
    transformation = get_transformation(name)
    level = transformation.levels[-1]
    together = transformation(tensor, level, seed=3, image_ids=ids)
    order = [4, 1, 5]
    some = transformation(tensor[order], level, seed=3, image_ids=[ids[k] for k in order])
    assert torch.allclose(together[order], some, atol=1e-6)


def test_directions_are_drawn_per_image_and_seed():
    rotate = get_transformation("rotate")
    ids = [str(index) for index in range(2000)]
    drawn = rotate.drawn(3, 0, ids)
    assert set(drawn) == {60.0, -60.0}
    assert abs(drawn.mean()) < 6  # within 4.5 standard errors of 0
    assert (rotate.drawn(5, 0, ids) == drawn * 100 / 60).all()  # one direction per image
    assert (rotate.drawn(3, 1, ids) != drawn).any()
    assert (get_transformation("shear_x").drawn(3, 0, ids) / 15 != drawn / 60).any()
    with pytest.raises(InputError, match="rotate draws its direction per image"):
        rotate(torch.rand(1, 3, 4, 4), 1)


def test_both_directions_of_a_factor_are_about_one():
    saturation = get_transformation("saturation")
    assert set(saturation.drawn(9, 0, list("abcdefgh"))) == {0.0, 2.0}
    rescale = get_transformation("rescale")
    assert set(rescale.drawn(9, 0, list("abcdefgh"))) == {3.5, 1 / 3.5}


def test_only_geometry_has_a_floor():
    _, tensor = pictures()
    back = get_transformation("zoom_in").there_and_back(tensor, 3)
    assert back.shape == tensor.shape
    with pytest.raises(InputError, match="solarize moves no pixels"):
        get_transformation("solarize").there_and_back(tensor, 3)
    quarter = get_transformation("rotate=90")
    assert torch.equal(quarter.there_and_back(tensor, 1), tensor)


SEEDS: tuple[dict[str, Any], ...] = ({}, {"seed": 0}, {"seed": 1}, {"seed": -1})


def test_the_seed_is_0_unless_another_is_given():
    _, tensor = pictures(count=40, size=8)
    rotate = get_transformation("rotate")
    how: dict[str, Any] = {"image_ids": [str(number) for number in range(len(tensor))]}
    for function in (rotate, rotate.there_and_back):
        unsaid, *said = (function(tensor, 1, **how, **seed) for seed in SEEDS)
        assert [torch.equal(unsaid, images) for images in said] == [True, False, False]
    unsaid, *said = (np.array(rotate.motion(1, (8, 8), **how, **seed)) for seed in SEEDS)
    assert [np.array_equal(unsaid, matrices) for matrices in said] == [True, False, False]


@pytest.mark.parametrize(("sigma", "radius"), [(0.3, 1), (0.5, 2), (1.0, 3), (1.2, 4), (3.0, 9)])
def test_blur_reaches_three_sigma_and_is_a_gaussian(sigma, radius):
    point = torch.zeros(1, 1, 31, 31, dtype=torch.float64)
    point[0, 0, 15, 15] = 1
    blurred = FAMILIES.get("blur").apply(point, np.array([sigma / 31]), Resampling())[0, 0]
    places = np.arange(-15, 16)
    weights = np.where(np.abs(places) <= radius, np.exp(-0.5 * (places / sigma) ** 2), 0.0)
    weights /= weights.sum()
    np.testing.assert_allclose(blurred.numpy(), np.outer(weights, weights), rtol=1e-6, atol=0)


def test_a_blur_reaches_no_farther_than_the_picture():
    picture = torch.rand(1, 3, 4, 8, generator=torch.Generator().manual_seed(0))
    wide = FAMILIES.get("blur").apply(picture, np.array([50.0]), Resampling())
    assert wide.shape == picture.shape
    assert wide.std() < picture.std()


@pytest.mark.parametrize("fraction", [0.29, 0.57, 0.58, -0.29])
def test_a_shift_of_a_whole_number_of_pixels_is_whole(fraction):
    """0.29 × 100 is 28.999999999999996 in floating point."""
    pixels = round(100 * fraction)
    assert fraction * 100 != pixels
    for name, axis in (("translate_x", 0), ("translate_y", 1)):
        matrices = FAMILIES.get(name).matrices
        assert matrices is not None
        assert matrices(np.array([fraction]), 100, 100)[0, axis, 2] == pixels
        almost = matrices(np.array([fraction - 1e-10]), 100, 100)[0, axis, 2]
        assert almost == (fraction - 1e-10) * 100


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
def test_contrast_of_many_bands_is_about_the_mean_of_all_of_them(factor):
    bands = torch.rand(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    values = bands.numpy()
    mean = np.array([image.mean() for image in values])[:, None, None, None]
    expected = np.clip(mean + factor * (values - mean), 0, 1)
    changed = FAMILIES.get("contrast").apply(bands, np.array([factor]), Resampling())
    np.testing.assert_allclose(changed.numpy(), expected, rtol=0, atol=1e-6)
