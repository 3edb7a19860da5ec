"""Linear CKA: the oracle, the theorems, constant representations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import linear_cka
from oracles.representations import reference_linear_cka


def representations(seed, count=8, width=3, other=5):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(count, width, generator=generator)
    mixed = a @ torch.randn(width, other, generator=generator)
    return a, mixed + torch.randn(count, other, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(3, 12), st.integers(1, 7), st.integers(1, 7)),
    mean=st.sampled_from([0.0, 100.0]),
)
def test_agrees_with_the_oracle(seed, shape, mean, dtype):
    a, b = ((tensor + mean).to(dtype) for tensor in representations(seed, *shape))
    ours = linear_cka(a, b)
    assert ours.dtype == dtype
    # the oracle multiplies kernels of uncentred values, so that a mean costs it digits
    theirs = reference_linear_cka(a.double() - mean, b.double() - mean)
    assert np.isclose(ours.item(), theirs, rtol=1e-6, atol=1e-6)


@given(seed=st.integers(0, 10_000), count=st.sampled_from([3, 20]))
def test_the_same_representation_gives_one(seed, count):
    a, _ = representations(seed, count, 6)
    assert linear_cka(a, a.clone()) == 1


@given(seed=st.integers(0, 10_000), count=st.sampled_from([3, 20]), scale=st.floats(0.01, 100))
def test_rotation_scale_and_shift_do_not_matter_and_it_is_symmetric(seed, count, scale):
    a, b = (tensor.double() for tensor in representations(seed, count, 6, 4))
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=generator).double()).Q
    plain = linear_cka(a, b)
    assert torch.allclose(linear_cka(scale * a @ rotation + 3, b), plain, rtol=1e-9)
    assert torch.allclose(linear_cka(b, a), plain, rtol=1e-12)
    assert 0 <= plain <= 1


def test_a_linear_map_that_is_no_rotation_matters():
    a, _ = representations(0, 50)
    assert linear_cka(a, a * torch.tensor([1.0, 10.0, 100.0])) < 0.8


def test_unrelated_representations():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 5000, 4, generator=generator)
    assert linear_cka(a, b) < 0.01
    crossed = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert linear_cka(crossed[:, :1], crossed[:, 1:]) == 0


def test_few_images_and_many_units_look_alike():
    """The bias that the docstring warns of."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 10, 2000, generator=generator)
    assert linear_cka(a, b) > 0.95


def test_a_constant_representation_has_none():
    a, _ = representations(1)
    dust = 0.3 * (1 + 2**-23 * torch.randint(-1, 2, (8, 4)))
    for constant in (
        torch.full((8, 4), 0.1),
        torch.zeros(8, 4),
        dust,
        torch.full((8, 4), torch.nan),
    ):
        assert linear_cka(a, constant).isnan()
        assert linear_cka(constant.double(), a.double()).isnan()


@given(seed=st.integers(0, 10_000))
def test_a_rotation_gives_one_and_not_more(seed):
    a = representations(seed, 20, 6)[0].double()
    rotation = torch.linalg.qr(representations(seed, 6, 6)[0].double()).Q
    assert 1 - 1e-12 < linear_cka(a, a @ rotation) <= 1


@pytest.mark.parametrize("size", [1e-90, 1e90])
def test_very_small_and_very_large_values(size):
    a, b = (tensor.double() for tensor in representations(2))
    assert torch.allclose(linear_cka(size * a, b), linear_cka(a, b))


def test_messages():
    with pytest.raises(InputError, match=r"b has shape \[4, 2\] but a has \[3, 2\]: both must"):
        linear_cka(torch.ones(3, 2), torch.ones(4, 2))
    with pytest.raises(InputError, match=r"a has shape \[3\]: it must be \[N, D\]"):
        linear_cka(torch.ones(3), torch.ones(3))
    with pytest.raises(InputError, match=r"a has shape \[1, 2\]: it needs at least 2 images"):
        linear_cka(torch.ones(1, 2), torch.ones(1, 2))
