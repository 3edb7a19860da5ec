"""The box around a foreground: against loops, and what shifting and scaling do to it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.foregrounds.boxes import MEASURES, NO_BOX, Box, box_overlap, foreground_box
from oracles.boxes import reference_box


def values(box):
    return [getattr(box, name) for name in MEASURES]


@given(
    seed=st.integers(0, 10_000),
    height=st.integers(1, 9),
    width=st.integers(1, 13),
    threshold=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
)
def test_agrees_with_loops_over_pixels(seed, height, width, threshold):
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) * (rng.random((height, width)) < 0.15)
    expected = reference_box(mask.tolist(), threshold)
    box = foreground_box(mask, threshold)
    if expected is None:
        assert box is NO_BOX
        assert box.mask_area == 0
        assert all(math.isnan(value) for value in values(box)[:-1])
    else:
        assert values(box) == pytest.approx(expected, abs=1e-15)
        assert 0 < box.mask_area <= box.area + 1e-15 <= 1 + 1e-15


@given(
    seed=st.integers(0, 10_000),
    down=st.integers(-6, 6),
    right=st.integers(-6, 6),
    width=st.integers(20, 40),
)
def test_a_shift_moves_the_centre_by_exactly_as_much(seed, down, right, width):
    rng = np.random.default_rng(seed)
    mask = np.zeros((25, width))
    mask[8:14, 8:12] = rng.random((6, 4))
    before = foreground_box(mask)
    after = foreground_box(np.roll(mask, (down, right), axis=(0, 1)))
    assert after.x - before.x == pytest.approx(right / width, abs=1e-12)
    assert after.y - before.y == pytest.approx(down / 25, abs=1e-12)
    assert (after.width, after.height, after.area) == (before.width, before.height, before.area)
    assert after.mask_area == before.mask_area


@given(seed=st.integers(0, 10_000), factor=st.integers(2, 4))
def test_more_pixels_change_nothing_a_larger_thing_scales_the_area(seed, factor):
    rng = np.random.default_rng(seed)
    mask = (rng.random((5, 7)) < 0.3).astype(float)
    mask[2, 3] = 1
    block = np.ones((factor, factor))
    same, finer = foreground_box(mask), foreground_box(np.kron(mask, block))
    assert values(finer) == pytest.approx(values(same), abs=1e-12)
    # in a frame that stays as large, the thing alone is magnified
    frame, small = np.zeros((40, 60)), np.zeros((40, 60))
    small[:5, :7] = mask
    frame[: 5 * factor, : 7 * factor] = np.kron(mask, block)
    assert foreground_box(frame).area == pytest.approx(factor**2 * foreground_box(small).area)


def test_width_is_across_and_height_is_down_in_frames_that_are_not_square():
    mask = np.zeros((10, 40))
    mask[:5, :10] = 1
    box = foreground_box(mask)
    assert (box.width, box.height) == (0.25, 0.5)
    assert (box.x, box.y) == (0.125, 0.25)
    turned = foreground_box(mask.T)
    assert (turned.width, turned.height) == (0.5, 0.25)


def test_the_whole_frame_one_pixel_and_the_threshold_itself():
    assert values(foreground_box(np.ones((3, 5)))) == [0.5, 0.5, 1, 1, 1, 1]
    dot = np.zeros((4, 4))
    dot[0, 3] = 0.11
    assert values(foreground_box(dot)) == [0.875, 0.125, 0.25, 0.25, 1 / 16, 1 / 16]
    assert foreground_box(dot, 0.11) is NO_BOX  # above, not at


def test_overlap():
    box = Box(x=0.5, y=0.5, width=0.4, height=0.2, area=0.08, mask_area=0.08)
    shifted = Box(x=0.7, y=0.5, width=0.4, height=0.2, area=0.08, mask_area=0.08)
    away = Box(x=0.1, y=0.1, width=0.1, height=0.1, area=0.01, mask_area=0.01)
    assert box_overlap(box, box) == pytest.approx(1)
    assert box_overlap(box, shifted) == pytest.approx(1 / 3)
    assert box_overlap(box, shifted) == box_overlap(shifted, box)
    assert box_overlap(box, away) == 0
    assert math.isnan(box_overlap(box, NO_BOX))


@pytest.mark.parametrize("shape", [(3,), (1, 4, 4), (0, 3)])
def test_messages(shape):
    with pytest.raises(InputError, match=r"a mask has shape .*: \[height, width\] is needed"):
        foreground_box(np.zeros(shape))
