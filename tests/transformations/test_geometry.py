"""The geometric core against SciPy and Pillow, its exact paths, its signs and its borders."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from invariscope.errors import InputError
from invariscope.transformations import Resampling, geometry, warp
from invariscope.transformations.geometry import at_grid, is_exact, translation

SCIPY_MODES = {"zeros": "grid-constant", "reflect": "reflect", "circular": "grid-wrap"}


def picture(height=12, width=16, seed=0, count=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator, dtype=torch.float64)


def photograph(size=64):
    """A smooth picture, as an 8-bit Pillow image and as a tensor."""
    noise = np.random.default_rng(0).random((size, size, 3))
    smooth = ndimage.gaussian_filter(noise, (4, 4, 0), mode="nearest")
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    image = Image.fromarray((255 * smooth).astype(np.uint8))
    tensor = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
    return image, tensor


def scipy_warp(image, forward, order, border, fill):
    """SciPy reads output pixel o at matrix @ o + offset, in (row, column)."""
    swap = np.array([[0, 1], [1, 0]])
    back = np.linalg.inv(forward[0, :, :2])
    matrix = swap @ back @ swap
    centre = (np.array(image.shape[-2:]) - 1) / 2
    offset = centre - matrix @ (centre + swap @ forward[0, :, 2])
    return np.stack(
        [
            ndimage.affine_transform(
                channel, matrix, offset, order=order, mode=SCIPY_MODES[border], cval=fill
            )
            for channel in image[0].numpy()
        ]
    )


@pytest.mark.parametrize("border", ["zeros", "reflect", "circular"])
@given(
    xx=st.floats(0.4, 2.5),
    xy=st.floats(-0.8, 0.8),
    yx=st.floats(-0.8, 0.8),
    yy=st.floats(1.3, 2.5),
    right=st.floats(-9, 9),
    down=st.floats(-9, 9),
)
def test_bilinear_agrees_with_scipy(xx, xy, yx, yy, right, down, border):
    forward = np.array([[[xx, xy, right], [yx, yy, down]]])
    image = picture()
    fill = 0.25 if border == "zeros" else 0.0
    ours = warp(image, forward, Resampling(border=border, fill=fill))[0].numpy()
    assert np.allclose(ours, scipy_warp(image, forward, 1, border, fill), atol=1e-9)


@given(degrees=st.floats(-180, 180))
def test_rotation_agrees_with_pillow(degrees):
    image, tensor = photograph()
    theirs = np.asarray(image.rotate(degrees, Image.Resampling.BILINEAR)) / 255
    forward = geometry.rotation(np.array([degrees]))
    ours = warp(tensor, forward)[0].permute(1, 2, 0).numpy()
    inside = geometry.coverage(forward, 64, 64)[0].numpy()
    inside = ndimage.binary_erosion(inside, iterations=2, border_value=1)
    # Pillow rounds to 8 bits and interpolates in fixed point: two grey levels.
    difference = np.abs(ours - theirs).max(axis=-1)
    assert np.where(inside, difference, 0).max() < 2.1 / 255


def test_corner_shear_agrees_with_pillow():
    """Pillow's (1, m, 0, 0, 1, 0) reads x + m·y, from the picture's top-left corner."""
    image, tensor = photograph()
    forward = geometry.shear_x(np.array([np.rad2deg(np.arctan(0.3))]))
    # Pillow's bicubic kernel has a = -0.5 where torch has -0.75; bilinear differs by rounding only.
    for name, tolerance in (("bilinear", 1.1), ("bicubic", 8)):
        how = getattr(Image.Resampling, name.upper())
        theirs = image.transform(image.size, Image.Transform.AFFINE, (1, 0.3, 0, 0, 1, 0), how)
        ours = warp(tensor, forward, Resampling(name, centre="corner"))
        ours = 255 * ours[0].permute(1, 2, 0).numpy()
        assert np.abs(ours - np.asarray(theirs))[2:-2, 2:40].max() < tolerance
        assert np.abs(ours - np.asarray(image))[2:-2, 2:40].max() > 50


def test_signs_as_seen_on_the_screen():
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 4] = 1  # a dot at the right
    up = warp(image, geometry.rotation(np.array([90.0])))
    assert up[0, 0].argmax().item() == 2  # row 0, column 2: counter-clockwise
    dot = torch.zeros(1, 1, 5, 5)
    dot[0, 0, 2, 2] = 1
    right = warp(dot, geometry.translation(np.array([1.0]), np.array([0.0])))
    down = warp(dot, geometry.translation(np.array([0.0]), np.array([1.0])))
    assert right[0, 0, 2, 3] == 1
    assert down[0, 0, 3, 2] == 1
    top = torch.zeros(1, 1, 5, 5)
    top[0, 0, 0, 2] = 1
    leaning = warp(top, geometry.shear_x(np.array([45.0])))
    assert leaning[0, 0, 0, 4] > 0.99  # the top moves right
    side = torch.zeros(1, 1, 5, 5)
    side[0, 0, 2, 4] = 1
    rising = warp(side, geometry.shear_y(np.array([45.0])))
    assert rising[0, 0, 0, 4] > 0.99  # the right side moves up


def test_scale_above_one_enlarges():
    image = torch.zeros(1, 1, 9, 9)
    image[..., 3:6, 3:6] = 1
    assert warp(image, geometry.scaling(np.array([2.0]))).sum() > 2 * image.sum()
    assert warp(image, geometry.scaling(np.array([0.5]))).sum() < 0.5 * image.sum()


@pytest.mark.parametrize(("height", "width"), [(6, 6), (7, 7)])
def test_four_quarter_turns_are_the_identity_bit_for_bit(height, width):
    image = picture(height, width).float()
    turned = image
    for _ in range(4):
        turned = warp(turned, geometry.rotation(np.array([90.0])))
    assert torch.equal(turned, image)
    assert torch.equal(warp(image, geometry.rotation(np.array([90.0]))), image.rot90(1, (2, 3)))
    assert torch.equal(warp(image, geometry.rotation(np.array([-90.0]))), image.rot90(-1, (2, 3)))


@pytest.mark.parametrize(("height", "width"), [(6, 9), (7, 5), (4, 4)])
def test_half_turns_and_flips_are_exact_on_any_rectangle(height, width):
    image = picture(height, width).float()
    half = warp(image, geometry.rotation(np.array([180.0])))
    assert torch.equal(half, image.flip(2, 3))
    assert torch.equal(warp(image, geometry.reflection(True)), image.flip(3))
    assert torch.equal(warp(image, geometry.reflection(False)), image.flip(2))


@given(right=st.integers(-20, 20), down=st.integers(-20, 20))
def test_integer_shifts_are_exact(right, down):
    image = picture(8, 10).float()
    forward = geometry.translation(np.array([float(right)]), np.array([float(down)]))
    rolled = warp(image, forward, Resampling(border="circular"))
    assert torch.equal(rolled, image.roll((down, right), (2, 3)))
    shifted = warp(image, forward, Resampling(fill=0.5))
    inside = geometry.coverage(forward, 8, 10)[0]
    assert torch.equal(shifted[..., inside], rolled[..., inside])
    assert (shifted[..., ~inside] == 0.5).all()


@given(right=st.integers(-5, 5), down=st.integers(-5, 5))
def test_exact_and_sampled_paths_meet(right, down):
    """A shift of 1e-7 pixels more takes the other path and must show the same picture."""
    image = picture(8, 10)
    for border in ("zeros", "reflect", "circular"):
        exact = geometry.translation(np.array([float(right)]), np.array([float(down)]))
        close = exact + np.array([[[0, 0, 1e-7], [0, 0, 1e-7]]])
        how = Resampling(border=border)
        assert torch.allclose(warp(image, exact, how), warp(image, close, how), atol=1e-5)


@given(degrees=st.lists(st.sampled_from([-90.0, 0.0, 30.0, 90.0, 180.0]), min_size=4, max_size=4))
def test_each_image_has_its_own_motion(degrees):
    images = picture(6, 6, count=4)
    together = warp(images, geometry.rotation(np.array(degrees)))
    for index, angle in enumerate(degrees):
        alone = warp(images[index : index + 1], geometry.rotation(np.array([angle])))
        assert torch.equal(together[index : index + 1], alone)


def test_there_and_back_stays_within_the_floor():
    _, tensor = photograph()
    forward = geometry.rotation(np.array([20.0]))
    back = warp(warp(tensor, forward), geometry.inverse(forward))
    inside = geometry.coverage(forward, 64, 64)[0].numpy()
    inside &= geometry.coverage(geometry.inverse(forward), 64, 64)[0].numpy()
    inside = torch.from_numpy(ndimage.binary_erosion(inside, iterations=2))
    floor = (back - tensor)[..., inside].abs().mean()
    moved = (warp(tensor, forward) - tensor)[..., inside].abs().mean()
    assert 0 < floor < 0.02 * moved


def test_the_warp_has_gradients():
    image = picture(6, 6).requires_grad_()
    warp(image, geometry.rotation(np.array([10.0]))).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"interpolation": "cubic"}, "interpolation must be one of nearest, bilinear, bicubic"),
        ({"border": "mirror"}, "border must be one of zeros, reflect, circular, valid"),
        ({"fill": 128}, r"fill must lie in \[0, 1\], not 128"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(InputError, match=message):
        Resampling(**arguments)


def test_bad_matrices():
    with pytest.raises(InputError, match=r"forward has shape \(3, 2, 3\)"):
        warp(picture(count=2), np.zeros((3, 2, 3)))


@given(
    degrees=st.sampled_from([0.0, 37.0, 90.0, 180.0]),
    image=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    grid=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    point=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_a_map_moves_as_its_places_in_the_image(degrees, image, grid, point):
    forward = geometry.rotation(np.array([degrees]))
    forward[:, :, 2] = 5.0, -3.5
    scale = np.array([grid[1] / image[1], grid[0] / image[0]])
    moved = forward[0, :, :2] @ point + forward[0, :, 2]
    on_map = geometry.at_grid(forward, image, grid)[0]
    assert np.allclose(on_map[:, :2] @ (scale * point) + on_map[:, 2], scale * moved, atol=1e-6)
    assert (geometry.at_grid(forward, image, image) == forward).all()


def test_exact_motions_stay_exact_on_a_map():
    for degrees in (0.0, 90.0, 270.0, 33.3):
        forward = geometry.rotation(np.array([degrees]))
        assert (geometry.at_grid(forward, (225, 225), (7, 7)) == forward).all()
    for cells in range(1, 20):
        pixels = np.array([cells * 225 / 7])  # 32.14… px a cell
        shift = geometry.at_grid(geometry.translation(pixels, -pixels), (225, 225), (7, 7))
        assert shift[0, :, 2].tolist() == [cells, -cells]
    part = geometry.at_grid(geometry.translation(np.array([1.0]), np.array([0.0])), (8, 8), (2, 2))
    assert part[0, :, 2].tolist() == [0.25, 0.0]  # a quarter of a cell is not snapped


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4), (3, 1)])
def test_circular_maps_of_one_row_or_column(height, width, interpolation):
    """Sampled between cells, along an axis of one cell, a picture that repeats is constant."""
    maps = picture(height, width)
    across = np.array([0.3 * (width == 1)]), np.array([0.3 * (height == 1)])
    how = Resampling(interpolation, border="circular")
    assert torch.allclose(warp(maps, geometry.translation(*across), how), maps, atol=1e-12)


@pytest.mark.parametrize(("below", "whole"), [(4e-16, True), (5e-10, True), (2e-9, False)])
def test_a_shift_just_below_a_whole_cell_of_the_grid_is_made_whole(below, whole):
    shift = translation(np.array([8 * (3 - below)]), np.array([8 * (below - 3)]))
    right, down = at_grid(shift, image=(32, 32), grid=(4, 4))[0, :, 2].tolist()
    assert (right == 3, down == -3) == (whole, whole)
    assert is_exact(at_grid(shift, image=(32, 32), grid=(4, 4)), 4, 4) == whole
