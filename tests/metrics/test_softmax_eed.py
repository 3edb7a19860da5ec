"""Softmax G-EED: the oracle, the theorems, confident models, the messages."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import softmax_eed, softmax_eed_from_logits
from oracles.orbits import reference_softmax, reference_softmax_eed


def logits(seed, images=3, elements=4, classes=5, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(images, elements, classes, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 6)),
    scale=st.sampled_from([0.01, 1.0, 10.0]),
)
def test_agree_with_the_oracle(seed, shape, scale, dtype):
    orbit = logits(seed, *shape, scale=scale).to(dtype)
    probabilities = orbit.softmax(-1)
    ours = softmax_eed(probabilities)
    assert ours.dtype == dtype
    theirs = reference_softmax_eed(probabilities.numpy())
    assert np.allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-6)
    exact = [[reference_softmax(row) for row in image] for image in orbit.tolist()]
    ours = softmax_eed_from_logits(orbit)
    assert ours.dtype == dtype
    assert np.allclose(ours.numpy(), reference_softmax_eed(exact), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("elements", [1, 2, 3, 7])
def test_a_constant_model_is_exactly_invariant(elements):
    orbit = logits(0, elements=1).expand(3, elements, 5)
    assert (softmax_eed(orbit.softmax(-1)) == 0).all()
    assert (softmax_eed(orbit.double().softmax(-1)) == 0).all()
    assert (softmax_eed_from_logits(orbit) == 0).all()


@given(seed=st.integers(0, 10_000), noise=st.sampled_from([1e-9, 1e-7, 1e-4, 1.0, 100.0]))
def test_between_zero_and_the_logarithm_of_elements_and_of_classes(seed, noise):
    orbit = logits(seed).double()
    orbit = orbit[:, :1] + noise * logits(seed + 1).double()
    values = torch.stack([softmax_eed_from_logits(orbit), softmax_eed(orbit.softmax(-1))])
    assert (values >= 0).all()
    assert (values <= math.log(4) + 1e-12).all()


def test_another_class_under_every_element_gives_the_logarithm():
    certain = torch.eye(4)[None]  # zeros, so 0 log 0
    assert softmax_eed(certain).item() == pytest.approx(math.log(4))
    assert softmax_eed(certain.repeat(1, 3, 1)).item() == pytest.approx(math.log(4))
    assert softmax_eed_from_logits(certain.log()).item() == pytest.approx(math.log(4))


def test_a_class_of_probability_zero_throughout_adds_nothing():
    orbit = logits(1).double().softmax(-1)
    padded = torch.cat([orbit, torch.zeros(3, 4, 2)], dim=-1)
    assert torch.allclose(softmax_eed(orbit), softmax_eed(padded), rtol=1e-12)


@given(seed=st.integers(0, 10_000), shift=st.floats(-500, 500))
def test_a_shift_of_the_logits_does_not_matter(seed, shift):
    orbit = logits(seed).double()
    moved = orbit.clone()
    moved[:, 1] += shift
    assert torch.allclose(
        softmax_eed_from_logits(orbit), softmax_eed_from_logits(moved), rtol=1e-8, atol=1e-14
    )


@pytest.mark.parametrize("gap", [5.0, 40.0, 300.0])
def test_a_confident_model_keeps_its_digits(gap):
    """Two classes, odds e^-gap and e^-(gap + 2): to first order ½e^-gap·(log 2/(1+r) + …)."""
    orbit = torch.tensor([[[gap, 0.0], [gap + 2, 0.0]]]).double()
    p, q = (1 / (1 + math.exp(-x)) for x in (-gap, -gap - 2))  # of the rare class
    mean = (p + q) / 2
    rare = (p * math.log(p / mean) + q * math.log(q / mean)) / 2
    apart = (p - q) / 2  # of the frequent class, whose terms are of second order
    expected = rare + apart**2 / (2 * (1 - mean))
    tolerance = 1e-4 if gap == 5 else 1e-12
    assert softmax_eed_from_logits(orbit).item() == pytest.approx(expected, rel=tolerance)


def test_small_differences_keep_their_digits():
    """Second order in the difference: the divergence is half the variance of the log-odds."""
    orbit = torch.tensor([[[1e-6, 0.0], [-1e-6, 0.0]]]).double()
    assert softmax_eed_from_logits(orbit).item() == pytest.approx(0.125e-12, rel=1e-3)


def test_what_is_not_finite_is_undefined():
    orbit = logits(2)
    orbit[1, 2, 0] = torch.nan
    orbit[2, 0, 0] = torch.inf
    assert softmax_eed_from_logits(orbit).isnan().tolist() == [False, True, True]
    assert softmax_eed(orbit.softmax(-1)).isnan().tolist() == [False, True, True]
    orbit = logits(2)
    orbit[1, 2, 0] = -torch.inf  # a class that is ruled out
    assert softmax_eed_from_logits(orbit).isfinite().all()


def test_messages():
    message = "sum to 1 over the last dimension: for logits use softmax_eed_from_logits"
    with pytest.raises(InputError, match=message):
        softmax_eed(logits(0))
    with pytest.raises(InputError, match=message):
        softmax_eed(torch.full((1, 2, 3), 0.4))
    with pytest.raises(InputError, match=message):
        softmax_eed(torch.tensor([[[1.5, -0.5]]]))
    for function in (softmax_eed, softmax_eed_from_logits):
        with pytest.raises(InputError, match=r"has shape \[2, 3\]: it must be \[B, G, K\]"):
            function(torch.ones(2, 3))
        with pytest.raises(InputError, match="at least 1 group elements in dimension 1"):
            function(torch.ones(2, 0, 3))
