"""Channel invariance: the oracle, the theorems, dead channels, the messages."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import channel_invariance
from oracles.channels import reference_channel_invariance

SIMILARITIES = ("pearson", "cosine")


def maps(seed, shape=(2, 4, 3, 5)):
    generator = torch.Generator().manual_seed(seed)
    acted = torch.randn(shape, generator=generator)
    return acted, acted + torch.randn(shape, generator=generator)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(*[st.integers(low, 5) for low in (1, 1, 3, 2)]),
    mean=st.sampled_from([0.0, 1.0, -100.0, 1e4]),
)
def test_agrees_with_the_oracle(seed, shape, mean, dtype, similarity):
    acted, transformed = ((tensor + mean).to(dtype) for tensor in maps(seed, shape))
    ours = channel_invariance(acted, transformed, similarity=similarity)
    theirs = reference_channel_invariance(acted.numpy(), transformed.numpy(), similarity)
    assert ours.dtype == dtype
    assert np.allclose(ours.numpy(), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@given(seed=st.integers(0, 10_000))
def test_the_identity_gives_exactly_one(seed, similarity):
    acted, _ = maps(seed)
    for tensor in (acted, acted.double() / 3):
        assert (channel_invariance(tensor, tensor.clone(), similarity=similarity) == 1).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_negative_gives_exactly_minus_one(similarity):
    acted, _ = maps(0)
    assert (channel_invariance(acted, -acted, similarity=similarity) == -1).all()


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), mean=st.floats(-100, 100))
def test_pearson_ignores_scale_and_mean_and_cosine_only_scale(seed, scale, mean):
    acted, transformed = (tensor.double() for tensor in maps(seed))
    plain = channel_invariance(acted, transformed)
    moved = channel_invariance(acted, scale * transformed + mean)
    assert torch.allclose(plain, moved, rtol=0, atol=1e-9)
    plain = channel_invariance(acted, transformed, similarity="cosine")
    scaled = channel_invariance(acted, scale * transformed, similarity="cosine")
    assert torch.allclose(plain, scaled, rtol=0, atol=1e-12)


def test_cosine_of_maps_with_a_large_mean_is_near_one_and_pearson_is_not():
    """Why paper 002 prefers the correlation (its Fig. 2)."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 1, 50, 14, 14, generator=generator) + 10
    assert (channel_invariance(a, b, similarity="cosine") > 0.97).all()
    assert (channel_invariance(a, b).abs() < 0.3).all()


def test_symmetric_and_channel_by_channel():
    acted, transformed = maps(1)
    values = channel_invariance(acted, transformed)
    assert torch.equal(values, channel_invariance(transformed, acted))
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(values[:, order], channel_invariance(acted[:, order], transformed[:, order]))


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_constant_channel_is_dead_on_either_side(value, dtype):
    acted, transformed = (tensor.to(dtype) for tensor in maps(2, (1, 3, 7, 7)))
    acted[0, 1] = value
    transformed[0, 2] = value
    assert channel_invariance(acted, transformed).isnan().tolist() == [[False, True, True]]
    assert channel_invariance(acted, acted).isnan().tolist() == [[False, True, False]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_channel_that_is_constant_up_to_rounding_is_dead(dtype):
    """The dust of a convolution over a constant image correlates with itself, perfectly."""
    weight = torch.randn(1, 16, 3, 3, generator=torch.Generator().manual_seed(0))
    constant = torch.full((1, 16, 12, 12), 0.7)
    dust = 0.3 * (1 + 2**-23 * torch.randint(-1, 2, (1, 1, 9, 9)))
    convolved = torch.nn.functional.conv2d(constant, weight)
    for tensor in (dust, convolved):
        assert channel_invariance(tensor.to(dtype), tensor.to(dtype)).isnan().all()


def test_a_small_variation_on_a_large_mean_is_alive():
    acted, _ = maps(3)
    acted = 1e4 + acted
    assert (channel_invariance(acted, acted.clone()) == 1).all()


def test_a_zero_channel_is_dead_for_cosine_and_a_constant_one_is_not():
    acted, _ = maps(4, (1, 3, 2, 2))
    acted[0, 0] = 0
    acted[0, 1] = 5
    values = channel_invariance(acted, acted, similarity="cosine")
    assert values.isnan().tolist() == [[True, False, False]]
    assert (values[0, 1:] == 1).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_dead(similarity, bad):
    acted, transformed = maps(5)
    transformed[1, 2, 0, 0] = bad
    values = channel_invariance(acted, transformed, similarity=similarity)
    assert values.isnan().sum() == 1
    assert values[1, 2].isnan()


def test_maps_of_one_position_have_no_correlation():
    acted, transformed = maps(6, (2, 4, 1, 1))
    assert channel_invariance(acted, transformed).isnan().all()
    signs = channel_invariance(acted, transformed, similarity="cosine")
    assert torch.equal(signs, (acted * transformed).sign().flatten(1))


def test_many_images_are_taken_in_steps():
    """More numbers than one step holds: the same values as image by image."""
    acted, transformed = maps(7, (6, 8, 512, 400))
    values = channel_invariance(acted, transformed)
    alone = [channel_invariance(acted[i : i + 1], transformed[i : i + 1]) for i in range(6)]
    assert torch.equal(values, torch.cat(alone))
    assert channel_invariance(acted[:0], transformed[:0]).shape == (0, 8)


def test_shapes_that_do_not_fit():
    with pytest.raises(InputError, match=r"acted has shape \[4, 3, 3\]: it must be \[B, C, H, W\]"):
        channel_invariance(torch.ones(4, 3, 3), torch.ones(4, 3, 3))
    message = r"transformed has shape \[2, 4, 3, 5\] but acted has \[2, 4, 5, 3\]"
    with pytest.raises(InputError, match=message):
        channel_invariance(torch.ones(2, 4, 5, 3), torch.ones(2, 4, 3, 5))


def test_an_unknown_similarity():
    message = "similarity must be one of pearson, cosine, not 'spearman'"
    with pytest.raises(InputError, match=message):
        channel_invariance(*maps(0), similarity="spearman")
