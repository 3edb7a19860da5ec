"""Channelwise G-EED: the oracle, the theorems, dead channels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import channel_eed
from oracles.channels import reference_channel_eed


def maps(seed, shape=(2, 4, 3, 5)):
    generator = torch.Generator().manual_seed(seed)
    acted = torch.randn(shape, generator=generator)
    return acted, acted + torch.randn(shape, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(*[st.integers(1, 5)] * 4),
    dead=st.integers(0, 4),
)
def test_agrees_with_the_oracle(seed, shape, dead, dtype):
    acted, transformed = (tensor.to(dtype) for tensor in maps(seed, shape))
    acted[0, dead:] = 0
    ours = channel_eed(acted, transformed)
    theirs = reference_channel_eed(acted.numpy(), transformed.numpy())
    assert ours.dtype == dtype
    assert np.allclose(ours.numpy(), theirs, rtol=0, atol=1e-6, equal_nan=True)


@given(seed=st.integers(0, 10_000))
def test_equal_maps_give_exactly_minus_one_and_negatives_one(seed):
    acted, _ = maps(seed)
    assert (channel_eed(acted, acted.clone()) == -1).all()
    assert (channel_eed(acted, -acted) == 1).all()


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_the_scale_of_a_channel_does_not_matter(seed, scale):
    acted, transformed = (tensor.double() for tensor in maps(seed))
    scaled = transformed.clone()
    scaled[:, 1] *= scale
    assert torch.allclose(channel_eed(acted, transformed), channel_eed(acted, scaled), atol=1e-12)


def test_unrelated_maps_score_about_zero():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 4, 100, 14, 14, generator=generator)
    assert (channel_eed(a, b).abs() < 0.03).all()


def test_zero_channels_are_left_out():
    acted, transformed = maps(0)
    acted[0, 1], transformed[0, 2] = 0, 0
    kept = channel_eed(acted[:, [0, 3]], transformed[:, [0, 3]])
    assert torch.equal(channel_eed(acted, transformed)[0], kept[0])
    acted[1] = 0
    assert channel_eed(acted, transformed).isnan().tolist() == [False, True]


def test_shapes_that_do_not_fit():
    with pytest.raises(InputError, match=r"transformed has shape \[1, 2, 3, 4\] but acted has"):
        channel_eed(torch.ones(1, 2, 4, 3), torch.ones(1, 2, 3, 4))
    with pytest.raises(InputError, match=r"acted has shape \[2, 3\]: it must be \[B, C, H, W\]"):
        channel_eed(torch.ones(2, 3), torch.ones(2, 3))
