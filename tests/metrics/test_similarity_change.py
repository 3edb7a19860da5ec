"""Similarity change: the oracle, the theorems, small denominators."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import similarity_change
from oracles.representations import reference_similarity_change


def triples(seed, count=6, size=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, count, size, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(seed=st.integers(0, 10_000), count=st.integers(1, 9), size=st.integers(2, 8))
def test_agrees_with_the_oracle(seed, count, size, dtype):
    anchor, other, moved = triples(seed, count, size).to(dtype)
    ours = similarity_change(anchor, other, moved)
    theirs = reference_similarity_change(anchor.numpy(), other.numpy(), moved.numpy())
    assert ours.dtype == dtype
    assert np.allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-6)


@given(seed=st.integers(0, 10_000))
def test_the_identity_changes_exactly_nothing(seed):
    anchor, other, _ = triples(seed)
    assert (similarity_change(anchor, other, other.clone()) == 0).all()


def test_known_changes():
    anchor, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]]).double()
    anchor = anchor.double()
    for moved, change in (([1.0, 0.0], 2 / 3), ([0.0, 1.0], -1.0), ([-3.0, 4.0], -2.0)):
        value = similarity_change(anchor, other, torch.tensor([moved]).double())
        assert value.item() == pytest.approx(change, abs=1e-12)


@given(seed=st.integers(0, 10_000), scales=st.tuples(*[st.floats(0.01, 100)] * 3))
def test_the_lengths_do_not_matter(seed, scales):
    vectors = triples(seed).double()
    scaled = [scale * vector for scale, vector in zip(scales, vectors, strict=True)]
    assert torch.allclose(similarity_change(*vectors), similarity_change(*scaled), rtol=1e-6)


def test_pairs_without_a_similarity_are_undefined():
    anchor = torch.tensor([[1.0, 0.0]] * 4)
    other = torch.tensor([[0.0, 1.0], [9e-7, 1.0], [1.1e-6, 1.0], [-1.1e-6, 1.0]])
    values = similarity_change(anchor, other, torch.ones(4, 2))
    assert values.isnan().tolist() == [True, True, False, False]
    assert values[2] > 0 > values[3]  # a negative similarity turns the sign round
    assert similarity_change(torch.zeros(1, 2), other[:1], other[:1]).isnan().all()


def test_shapes_that_do_not_fit():
    with pytest.raises(InputError, match=r"other_transformed has shape \[2, 3\] but anchor has"):
        similarity_change(torch.ones(2, 4), torch.ones(2, 4), torch.ones(2, 3))
    with pytest.raises(InputError, match=r"anchor has shape \[4\]: it must be \[P, D\]"):
        similarity_change(torch.ones(4), torch.ones(4), torch.ones(4))
