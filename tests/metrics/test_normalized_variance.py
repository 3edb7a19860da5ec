"""Normalised variance: the oracle, the theorems, dead units."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import normalized_variance
from oracles.representations import reference_normalized_variance


def responses(seed, images=5, transformations=4, units=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, transformations, units, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(2, 6), st.integers(2, 6), st.integers(1, 4)),
    mean=st.sampled_from([0.0, 100.0]),
)
def test_agrees_with_the_oracle(seed, shape, mean, dtype):
    values = (responses(seed, *shape) + mean).to(dtype)
    ours = normalized_variance(values)
    assert ours.dtype == dtype
    theirs = reference_normalized_variance(values.numpy())
    assert np.allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-6)


def test_unrelated_responses_score_about_one_for_any_numbers():
    for shape in ((3, 40, 4000), (40, 3, 4000)):
        assert abs(normalized_variance(responses(0, *shape)).mean() - 1) < 0.06
    assert abs(normalized_variance(responses(0, 200, 3, 400)).median() - 1) < 0.02


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_scale_and_shift_do_not_matter(seed, scale, shift):
    values = responses(seed).double()
    plain = normalized_variance(values)
    assert torch.allclose(plain, normalized_variance(scale * values + shift), rtol=1e-6)
    assert torch.allclose(plain, 1 / normalized_variance(values.transpose(0, 1)), rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_invariant_units_and_units_that_see_the_transformation_only(dtype):
    values = responses(1).to(dtype) + 0.1
    values[:, :, 0] = values[:, :1, 0]
    values[:, :, 1] = values[:1, :, 1]
    ratios = normalized_variance(values)
    assert ratios[0] == 0
    assert ratios[1] == torch.inf
    assert 0 < ratios[2] < torch.inf


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -3e7])
def test_dead_units_are_undefined(value, dtype):
    values = responses(2).to(dtype)
    values[:, :, 1] = value
    values[:, :, 2] = 0.3 * (1 + 2**-23 * torch.randint(-1, 2, (5, 4)))
    assert normalized_variance(values).isnan().tolist() == [False, True, True]


def test_what_is_not_finite_is_undefined():
    values = responses(3)
    values[1, 1, 0] = torch.nan
    values[2, 0, 2] = torch.inf
    assert normalized_variance(values).isnan().tolist() == [True, False, True]


def test_messages():
    with pytest.raises(InputError, match=r"shape \[3, 4\]: it must be \[N, T, D\]"):
        normalized_variance(torch.ones(3, 4))
    with pytest.raises(InputError, match="at least 2 images in dimension 0"):
        normalized_variance(torch.ones(1, 3, 4))
    with pytest.raises(InputError, match="at least 2 transformations in dimension 1"):
        normalized_variance(torch.ones(3, 1, 4))
