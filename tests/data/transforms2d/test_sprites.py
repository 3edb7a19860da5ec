"""Objects are moved as the conventions say: exact turns and flips, boxes inside the frame."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional

from invariscope.data.transforms2d import prototypes, scenes
from invariscope.data.transforms2d.generator import Transforms2D
from invariscope.data.transforms2d.sprites import (
    Sprites,
    gaussian_blur,
    gaussian_matrix,
    rotation,
    scaling,
    shearing,
)
from oracles.transforms2d import reference_blur, reference_motion


@pytest.fixture(scope="module")
def objects():
    return prototypes("shapes", classes=20)


@pytest.fixture
def sprites(objects):
    return Sprites.of(torch.from_numpy(objects.pictures), torch.from_numpy(objects.outlines))


def all_of(value):
    return torch.full((20,), value, dtype=torch.float64)


def test_a_quarter_turn_is_counter_clockwise_and_exact(sprites):
    before = sprites.pixels
    sprites.turn(rotation(all_of(90.0)))
    assert torch.allclose(sprites.settle(), torch.rot90(before, 1, (2, 3)), atol=1e-5)


def test_flips_are_exact(sprites):
    before = sprites.pixels
    sprites.turn(scaling(all_of(-1.0), all_of(1.0)))
    assert torch.equal(sprites.settle(), before.flip(3))
    sprites.turn(scaling(all_of(1.0), all_of(-1.0)))
    assert torch.equal(sprites.settle(), before.flip(3).flip(2))


def test_a_shear_leans_like_italics(sprites):
    """Along x the top goes right; along y the right side goes up; x first; area stays."""
    matrix = shearing(torch.tensor([30.0], dtype=torch.float64), all_of(0.0)[:1])[0]
    assert matrix @ torch.tensor([0.0, -1.0]).double() == pytest.approx([math.tan(math.pi / 6), -1])
    matrix = shearing(all_of(0.0)[:1], torch.tensor([30.0], dtype=torch.float64))[0]
    assert matrix @ torch.tensor([1.0, 0.0]).double() == pytest.approx([1, -math.tan(math.pi / 6)])
    both = shearing(all_of(20.0)[:1], all_of(-40.0)[:1])[0]
    first = shearing(all_of(20.0)[:1], all_of(0.0)[:1])[0]
    then = shearing(all_of(0.0)[:1], all_of(-40.0)[:1])[0]
    assert torch.allclose(both, then @ first)
    assert torch.det(both).item() == pytest.approx(1)


def test_motions_are_about_the_object_and_are_resampled_as_the_oracle_does(sprites, objects):
    sprites.place(torch.tensor([[0.4, 0.55]], dtype=torch.float64).expand(20, 2))
    sprites.turn(rotation(all_of(25.0)))
    centre = sprites.centre.clone()
    found = sprites.settle().numpy()
    angle = math.radians(25)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    for number in (0, 7):
        expected = reference_motion(objects.pictures[number], turn, centre[number].numpy())
        assert np.abs(found[number] - expected).max() < 1e-4
    # moved on from where it is, not from the middle
    sprites.turn(rotation(all_of(-25.0)))
    assert torch.equal(sprites.centre, centre)
    back = sprites.settle()[:, 3].sum((1, 2)).numpy()
    assert back == pytest.approx(objects.pictures[:, 3].sum((1, 2)), rel=0.02)


@given(st.integers(0, 10**12))
@settings(max_examples=5)
def test_translated_objects_lie_wholly_inside_the_frame(start):
    """Whatever was done before: their opacity is that of the same object in the middle."""
    data = Transforms2D(
        prototypes("shapes", classes=20), scenes("black"), ("rotation", "scale", "translation")
    )
    still = Transforms2D(data.prototypes, data.scenes, ("rotation", "scale"))
    counters = torch.arange(start, start + 200)
    moved, middle = (each.sprites(counters)[:, 3].sum((1, 2)) for each in (data, still))
    # faint pixels at the rim, below the alpha that counts as the object, may be cut
    assert ((moved - middle).abs() / middle).max() < 0.06


def test_all_places_in_the_frame_occur(objects):
    data = Transforms2D(objects, scenes("black"), ("scale", "translation"))
    alpha = data.sprites(torch.arange(2000))[:, 3] > 0.1
    columns, rows = alpha.any(1), alpha.any(2)
    for seen in (columns, rows):
        assert seen[:, 0].any()
        assert seen[:, -1].any()
        assert 0.05 < (seen.float().argmax(1) <= 1).float().mean() < 0.3


def test_a_blur_is_the_oracles_and_torchvisions(sprites):
    sigma = torch.linspace(0.1, 1.5, 20)
    found = gaussian_blur(sprites.pixels, sigma, 3)
    for number in (0, 10, 19):
        expected = reference_blur(sprites.pixels[number].numpy(), float(sigma[number]), 3)
        assert np.abs(found[number].numpy() - expected).max() < 1e-5
        theirs = functional.gaussian_blur(
            sprites.pixels[number], [7, 7], [float(sigma[number])] * 2
        )
        inner = (slice(None), slice(4, -4), slice(4, -4))
        assert torch.allclose(found[number][inner], theirs[inner], atol=1e-5)


def test_a_blur_of_nothing_is_nothing_and_no_weight_is_denormal():
    assert torch.equal(gaussian_matrix(torch.zeros(1), 8, 5)[0], torch.eye(8))
    weights = gaussian_matrix(torch.linspace(0, 2, 50), 32, 5)
    assert ((weights == 0) | (weights > 1e-36)).all()
    middle = weights[:, 16].sum(1)
    assert torch.allclose(middle, torch.ones(50), atol=1e-5)


def test_a_reduction_keeps_the_mean_colour(objects):
    """Fine stripes reduced to 0.4 become their mixture, not one of the two colours."""
    stripes = torch.zeros(1, 4, 32, 32)
    stripes[:, 3] = stripes[:, 0, ::2] = 1
    sprites = Sprites.of(stripes, torch.zeros(1, 1, 2, dtype=torch.float64))
    sprites.turn(scaling(*[torch.full((1,), 0.4, dtype=torch.float64)] * 2))
    red = sprites.settle()[0, 0, 13:19, 13:19]
    assert (red - 0.5).abs().max() < 0.05
