"""G-EED in its three forms: oracles, theorems, guards."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import (
    channel_eed,
    latent_eed,
    latent_normalizer,
    softmax_eed,
    softmax_eed_from_logits,
)
from oracles.representations import (
    reference_channels,
    reference_latent_eed,
    reference_latent_normalizer,
    reference_softmax_eed,
)


def orbit(seed, images=3, elements=4, size=5):
    return torch.randn(images, elements, size, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 10_000))
def test_channelwise(seed):
    acted, transformed = orbit(seed, 2, 3, 16).reshape(2, 3, 4, 4), orbit(seed + 1, 2, 3, 16)
    transformed = transformed.reshape(2, 3, 4, 4)
    truth = reference_channels(acted.numpy(), transformed.numpy(), "cosine")
    expected = -np.diagonal(truth, axis1=1, axis2=2).mean(1)
    assert np.allclose(channel_eed(acted, transformed), expected, atol=1e-6)
    assert torch.allclose(channel_eed(acted, 3 * acted), -torch.ones(2))
    transformed[:, 1] = 0  # dead: left out
    expected = -np.diagonal(truth, axis1=1, axis2=2)[:, [0, 2]].mean(1)
    assert np.allclose(channel_eed(acted, transformed), expected, atol=1e-6)


@pytest.mark.parametrize("distance", ["l2", "cosine"])
@given(seed=st.integers(0, 10_000))
def test_latent(seed, distance):
    z = orbit(seed)
    scale = latent_normalizer(z[:, 0], distance=distance)
    truth = reference_latent_normalizer(z[:, 0].numpy(), distance)
    assert np.isclose(scale.item(), truth, atol=1e-6)
    if abs(truth) > 0.01:
        ours = latent_eed(z, normalizer=scale, distance=distance)
        expected = reference_latent_eed(z.numpy(), truth, distance)
        assert np.allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_a_constant_model():
    still = torch.full((2, 8, 3), 0.1)
    assert latent_eed(still, normalizer=0.7).tolist() == [0, 0]
    assert softmax_eed(still.softmax(-1)).tolist() == [0, 0]
    assert softmax_eed_from_logits(still).tolist() == [0, 0]
    # under −cos an invariant latent scores −1 / M
    assert torch.allclose(
        latent_eed(still, normalizer=0.5, distance="cosine"), torch.tensor([-2.0, -2.0])
    )


@given(seed=st.integers(0, 10_000), elements=st.integers(1, 6))
def test_softmax(seed, elements):
    logits = 3 * orbit(seed, elements=elements).double()
    p = logits.softmax(-1)
    ours = softmax_eed(p)
    assert np.allclose(ours, reference_softmax_eed(p.numpy()), atol=1e-9)
    assert torch.allclose(ours, softmax_eed_from_logits(logits), atol=1e-9)
    assert (ours >= 0).all()
    assert (ours <= math.log(elements) + 1e-12).all()


def test_probabilities_of_zero():
    p = torch.eye(3)[None]
    assert torch.allclose(softmax_eed(p), torch.tensor([math.log(3)]))
    far = torch.tensor([[[1e4, 0.0, 0.0], [0.0, 1e4, 0.0]]])
    assert torch.allclose(softmax_eed_from_logits(far), torch.tensor([math.log(2)]))


@given(seed=st.integers(0, 10_000), order=st.permutations(range(4)))
def test_the_order_of_the_orbit_does_not_matter(seed, order):
    z = orbit(seed).double()
    turned = z[:, list(order)]
    assert torch.allclose(latent_eed(z, normalizer=1.0), latent_eed(turned, normalizer=1.0))
    assert torch.allclose(softmax_eed_from_logits(z), softmax_eed_from_logits(turned))


def test_messages():
    z = orbit(0)
    for scale, text in ((0.0, "normalizer is 0"), (1e-9, "normalizer is 1e-09"), (-1.0, "is -1")):
        with pytest.raises(InputError, match=text):
            latent_eed(z, normalizer=scale)
    assert latent_eed(z, normalizer=-1.0, distance="cosine").isfinite().all()
    with pytest.raises(InputError, match=r"orbit has shape \[3, 5\]: it must be \[B, G, D\]"):
        latent_eed(z[:, 0], normalizer=1.0)
    with pytest.raises(InputError, match="must be probabilities"):
        softmax_eed(z)
    with pytest.raises(InputError, match="at least two images"):
        latent_normalizer(z[:1, 0])
