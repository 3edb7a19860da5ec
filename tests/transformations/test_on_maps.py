"""Actions on feature maps: which cells count where what lies outside the frame does not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from invariscope.transformations import (
    Action,
    Resampling,
    action_on,
    get_transformation,
    moves_of,
    warp,
)
from invariscope.transformations.geometry import at_grid, inverse


@pytest.mark.parametrize("grid", [(9, 9), (8, 12)])
@pytest.mark.parametrize("level", [1, 3, 9])
@pytest.mark.parametrize("name", ["rotate", "translate_x", "shear_y", "zoom_in", "zoom_out"])
def test_cells_that_went_there_and_back_inside_the_frame(name, level, grid):
    """They are those where a frame of ones, black outside, comes back as ones."""
    size = (grid[0] * 2, grid[1] * 2)
    motion = replace(get_transformation(name), resampling=Resampling(border="valid"))
    found = action_on(motion, level, size, grid, image_ids=["a", "b"], there_and_back=True)
    assert found.forward is None
    assert found.inside is not None
    ways = at_grid(motion.directions(level, size), size, grid)
    ones = torch.ones(len(ways), 1, *grid, dtype=torch.float64)
    back = warp(warp(ones, ways), inverse(ways))
    whole = (back[:, 0] > 1 - 1e-9).all(0)
    assert torch.equal(found.inside, whole)
    if name != "translate_x" or level < 9:
        assert whole.any()


def test_other_borders_leave_no_cell_out():
    motion = get_transformation("rotate")
    how: dict[str, Any] = {"image_ids": ["a", "b"], "there_and_back": True}
    still = action_on(motion, 3, (8, 8), (4, 4), **how)
    assert still.inside is None
    maps = torch.from_numpy(np.arange(16.0).reshape(1, 1, 4, 4))
    assert torch.equal(still(maps), maps)


def test_a_single_motion_moves_all_maps_alike_and_drawn_ones_each_its_own():
    maps = torch.arange(3 * 2 * 4 * 4.0).reshape(3, 2, 4, 4)
    right = np.array([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    circular = Resampling(border="circular")
    single = Action(right, (4, 4), circular)
    assert not single.drawn
    assert torch.equal(single(maps), maps.roll(1, 3))
    left = right.copy()
    left[0, 0, 2] = -1
    several = Action(np.concatenate([right, left, right]), (4, 4), circular)
    assert several.drawn
    moved = torch.stack([maps[0].roll(1, 2), maps[1].roll(-1, 2), maps[2].roll(1, 2)])
    assert torch.equal(several(maps), moved)
    two = Action(np.concatenate([right, left]), (4, 4), circular)
    assert torch.equal(two(maps[:2]), moved[:2])
    assert not Action(None, (4, 4)).drawn
    both = moves_of([single, several], [1, 2, 0], maps)(maps, 0, 6)
    strangers = maps[[1, 2, 0]]
    assert torch.equal(both[:3], strangers.roll(1, 3))
    assert torch.equal(both[3:], several(strangers))


@pytest.mark.parametrize(
    ("linear", "turn"),
    [
        ([[0.0, 1.0], [-1.0, 0.0]], 90.0),
        ([[1.0, 0.0], [0.0, 1.0]], 0.0),
        ([[1.0, 0.2], [0.0, 1.0]], None),  # a shear
        ([[1.1, 0.0], [0.0, 1.1]], None),  # a zoom
        ([[-1.0, 0.0], [0.0, 1.0]], None),  # a flip
    ],
)
def test_only_rigid_motions_turn(linear, turn):
    forward = np.concatenate([np.array([linear]), np.zeros((1, 2, 1))], axis=2)
    assert Action(forward, (4, 4), Resampling()).turn == pytest.approx(turn)
    if turn is not None:  # two images that turn by other angles do not turn by one
        other = forward.copy()
        other[0, :, :2] = -other[0, :, :2]
        assert Action(np.concatenate([forward, other]), (4, 4), Resampling()).turn is None
