"""Latent G-EED and its normaliser: the oracles, the theorems, the guards."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import latent_eed, latent_normalizer
from oracles.orbits import reference_latent_eed, reference_latent_normalizer

DISTANCES = ("l2", "cosine")


def orbits(seed, images=3, elements=4, size=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, elements, size, generator=generator) + 0.5


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 6)),
    normalizer=st.floats(0.05, 1),
)
def test_agrees_with_the_oracle(seed, shape, normalizer, dtype, distance):
    orbit = orbits(seed, *shape).to(dtype)
    ours = latent_eed(orbit, normalizer=normalizer, distance=distance)
    theirs = reference_latent_eed(orbit.numpy(), normalizer, distance)
    assert ours.dtype == dtype
    assert np.allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(seed=st.integers(0, 10_000), count=st.integers(2, 9))
def test_the_normaliser_agrees_with_the_oracle(seed, count, dtype, distance):
    z = orbits(seed, 1, count)[0].to(dtype)
    ours = latent_normalizer(z, distance=distance)
    assert ours.dtype == dtype
    theirs = reference_latent_normalizer(z.numpy(), distance)
    assert np.isclose(ours.item(), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("elements", [1, 2, 3, 7])
def test_a_constant_model_is_exactly_invariant(elements, dtype):
    """Thirds and tenths, whose sums round: the centre must still be the point itself."""
    point = torch.tensor([0.1, 1 / 3, -7.7, 1e8], dtype=dtype)
    orbit = point.expand(5, elements, 4)
    normalizer = latent_normalizer(orbit[:, 0])
    assert normalizer == 0
    assert (latent_eed(orbit, normalizer=normalizer) == 0).all()
    cosine = latent_normalizer(orbit[:, 0], distance="cosine")
    assert torch.allclose(latent_eed(orbit, normalizer=cosine, distance="cosine"), -cosine)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_l2_ignores_scale_through_its_normaliser_and_where_the_origin_is(seed, scale):
    orbit = orbits(seed).double()
    plain = latent_eed(orbit, normalizer=latent_normalizer(orbit[:, 0]))
    other = scale * (orbit + 3)
    moved = latent_eed(other, normalizer=latent_normalizer(other[:, 0]))
    assert torch.allclose(plain, moved, rtol=1e-9)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_cosine_ignores_scale(seed, scale):
    orbit = orbits(seed).double()
    plain = latent_eed(orbit, normalizer=0.5, distance="cosine")
    scaled = latent_eed(scale * orbit, normalizer=0.5, distance="cosine")
    assert torch.allclose(plain, scaled, rtol=0, atol=1e-9)
    assert (plain >= -2).all()
    assert (plain <= 2).all()


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_order_of_the_group_does_not_matter(distance):
    orbit = orbits(1).double()
    plain = latent_eed(orbit, normalizer=1.0, distance=distance)
    assert torch.allclose(plain, latent_eed(orbit.flip(1), normalizer=1.0, distance=distance))


def test_known_values():
    orbit = torch.tensor([[[3.0, 0.0], [0.0, 3.0]]]).double()  # the centre is (1.5, 1.5)
    assert latent_eed(orbit, normalizer=3).item() == pytest.approx(0.5**0.5)
    cosine = latent_eed(orbit, normalizer=0.5, distance="cosine").item()
    assert cosine == pytest.approx(-(2**0.5))


def test_an_orbit_as_wide_as_the_data_scores_about_one():
    generator = torch.Generator().manual_seed(0)
    orbit = torch.randn(50, 64, 32, generator=generator)
    normalizer = latent_normalizer(torch.randn(400, 32, generator=generator))
    # from the centre instead of from one another: smaller by the square root of 2
    values = latent_eed(orbit, normalizer=normalizer)
    assert abs(values.mean() * 2**0.5 - 1) < 0.02


@pytest.mark.parametrize("normalizer", [0.0, 1e-9, torch.nan, torch.inf])
def test_an_l2_normaliser_that_says_nothing(normalizer):
    orbit = orbits(2)
    orbit[1] = orbit[1, 0]  # does not move: 0 all the same
    values = latent_eed(orbit, normalizer=normalizer)
    assert values.isnan().tolist() == [True, False, True]
    assert values[1] == 0


def test_an_l2_normaliser_is_small_against_the_embeddings_only():
    orbit = 1e-12 * orbits(2)
    normalizer = latent_normalizer(orbit[:, 0])
    assert torch.allclose(
        latent_eed(orbit, normalizer=normalizer),
        latent_eed(1e12 * orbit, normalizer=1e12 * normalizer),
    )


@pytest.mark.parametrize("normalizer", [0.0, 9e-7, -0.5, torch.nan, torch.inf])
def test_a_cosine_normaliser_that_is_no_similarity(normalizer):
    assert latent_eed(orbits(3), normalizer=normalizer, distance="cosine").isnan().all()


def test_without_a_direction_the_cosine_is_undefined():
    orbit = orbits(4)
    orbit[0, 1] = 0
    orbit[2, 1:] = -orbit[2, :1]
    orbit[2, 1] = orbit[2, 0]
    orbit[2, 2:] = -orbit[2, :1]  # the centre is zero
    values = latent_eed(orbit, normalizer=1.0, distance="cosine")
    assert values.isnan().tolist() == [True, False, True]
    assert latent_eed(orbit, normalizer=1.0).isfinite().all()
    assert latent_normalizer(orbit[0], distance="cosine").isnan()


def test_the_normaliser_in_steps_is_the_same(monkeypatch):
    z = orbits(5, 1, 40)[0].double()
    whole = latent_normalizer(z)
    monkeypatch.setattr("invariscope.metrics.memory.STEP", 100)
    assert torch.allclose(whole, latent_normalizer(z), rtol=1e-12)


def test_messages():
    with pytest.raises(InputError, match=r"orbit has shape \[3, 5\]: it must be \[B, G, D\]"):
        latent_eed(torch.ones(3, 5), normalizer=1.0)
    with pytest.raises(InputError, match=r"shape \[3, 0, 5\]: it needs at least 1 group elements"):
        latent_eed(torch.ones(3, 0, 5), normalizer=1.0)
    with pytest.raises(InputError, match="normalizer is -2: a mean l2 distance cannot be neg"):
        latent_eed(torch.ones(3, 2, 5), normalizer=-2.0)
    with pytest.raises(InputError, match=r"normalizer has shape \[3\]: it must be one number"):
        latent_eed(torch.ones(3, 2, 5), normalizer=torch.ones(3))
    with pytest.raises(InputError, match="distance must be one of cosine, l2, not 'kl'"):
        latent_eed(torch.ones(3, 2, 5), normalizer=1.0, distance="kl")
    with pytest.raises(InputError, match=r"shape \[1, 5\]: it needs at least 2 images in dim"):
        latent_normalizer(torch.ones(1, 5))
    with pytest.raises(InputError, match="not 'dot'"):
        latent_normalizer(torch.ones(2, 5), distance="dot")
