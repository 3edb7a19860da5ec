"""Motions as sparse matrices, against the sampling of images (which SciPy and Pillow check)."""

import numpy as np
import pytest
import torch

from invariscope.transformations import (
    Moves,
    Resampling,
    action_on,
    get_transformation,
    moves_of,
    warp,
)
from invariscope.transformations.geometry import rotation, scaling, shear_x, translation
from invariscope.transformations.taps import taps_of

MOTIONS = {
    "a turn": rotation(np.array([23.0])),
    "a quarter turn": rotation(np.array([90.0])),
    "a shift": translation(np.array([1.3]), np.array([-2.6])),
    "a whole shift": translation(np.array([2.0]), np.array([-1.0])),
    "a zoom": scaling(np.array([0.6])),
    "a shear": shear_x(np.array([31.0])),
    "out of the frame": translation(np.array([40.0]), np.array([0.0])),
}


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("border", ["zeros", "reflect", "circular"])
@pytest.mark.parametrize("motion", MOTIONS)
def test_maps_move_as_images_do(motion, border, interpolation):
    maps = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    how = Resampling(interpolation, border)
    forward = MOTIONS[motion]
    moves = Moves([taps_of(forward[0], 9, 9, how)], [0, 0], [0, 1], (9, 9), maps)
    assert torch.allclose(moves(maps, 0, 2), warp(maps, forward, how), atol=1e-12)


@pytest.mark.parametrize("border", ["zeros", "reflect", "circular"])
def test_frames_that_are_not_square(border):
    maps = torch.rand(1, 2, 5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for forward in MOTIONS.values():
        how = Resampling(border=border)
        moves = Moves([taps_of(forward[0], 5, 8, how)], [0], [0], (5, 8), maps)
        assert torch.allclose(moves(maps, 0, 1), warp(maps, forward, how), atol=1e-12)


def test_each_image_has_its_own_source_and_motion():
    maps = torch.rand(3, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    there, back = (rotation(np.array([angle])) for angle in (20.0, -20.0))
    taps = [taps_of(forward[0], 6, 6, Resampling()) for forward in (there, back)]
    moves = Moves(taps, [1, 0, 1, 0], [2, 2, 0, 1], (6, 6), maps)
    found = moves(maps, 1, 4)
    assert torch.allclose(found[0], warp(maps[2:], there)[0], atol=1e-6)
    assert torch.allclose(found[1], warp(maps[:1], back)[0], atol=1e-6)
    assert torch.allclose(found[2], warp(maps[1:2], there)[0], atol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_what_is_not_read_does_not_spoil_the_rest():
    """An infinite cell that leaves the frame leaves the map finite."""
    maps = torch.ones(1, 1, 4, 4)
    maps[0, 0, :, 0] = torch.inf
    left = translation(np.array([-1.0]), np.array([0.0]))
    moved = Moves([taps_of(left[0], 4, 4, Resampling())], [0], [0], (4, 4), maps)(maps, 0, 1)
    assert moved.isfinite().all()
    assert moved[0, 0, :, 3].tolist() == [0.0] * 4


def test_several_actions_one_after_the_other():
    maps = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    ids = ["a", "b"]
    shear = get_transformation("shear_x")  # each image in a direction of its own
    turn = get_transformation("rotate")
    actions = [
        action_on(move, 5, (16, 16), (8, 8), image_ids=ids, seed=1) for move in (shear, turn)
    ]
    moves = moves_of(actions, [1, 0], maps)
    found = moves(maps, 0, 4)
    wanted = torch.cat([action(maps.flip(0)) for action in actions])
    assert torch.equal(found, wanted)
    assert torch.equal(moves(maps, 1, 3), wanted[1:3])


@pytest.mark.parametrize("below", [0.0, 1e-12, 5e-10, -5e-10])
def test_a_shift_just_below_a_whole_cell_is_that_cell(below):
    """It reads one cell each, with all of its weight; a shift farther off reads two."""
    shift = np.array([[1.0, 0.0, 1 - below], [0.0, 1.0, 0.0]])
    taps = taps_of(shift, 2, 4, Resampling(border="circular"))
    assert taps.cells.tolist() == [3, 0, 1, 2, 7, 4, 5, 6]
    assert taps.weights.tolist() == [1.0] * 8
    off = np.array([[1.0, 0.0, 1 - 1e-6], [0.0, 1.0, 0.0]])
    assert len(taps_of(off, 2, 4, Resampling(border="circular")).cells) == 16
