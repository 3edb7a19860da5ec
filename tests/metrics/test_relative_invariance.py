"""Relative invariance: the oracle, the theorems, the messages."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import relative_invariance
from oracles.metrics import reference_relative_invariance

DISTANCES = ("cosine", "l2")


def embeddings(seed, count=7, size=5):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(count, size, generator=generator)
    return z, z + 0.5 * torch.randn(count, size, generator=generator)


def next_image(count):
    return torch.arange(count).roll(-1)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(seed=st.integers(0, 10_000), count=st.integers(2, 9), size=st.integers(2, 8))
def test_agrees_with_the_oracle(seed, count, size, dtype, distance):
    z, moved = (tensor.to(dtype) for tensor in embeddings(seed, count, size))
    pairing = next_image(count)
    ours = relative_invariance(z, moved, pairing=pairing, distance=distance)
    theirs = reference_relative_invariance(z.numpy(), moved.numpy(), pairing.tolist(), distance)
    assert ours.dtype == dtype
    assert np.allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@given(seed=st.integers(0, 10_000))
def test_the_identity_gives_exactly_one(seed, distance):
    z, _ = embeddings(seed)
    assert (relative_invariance(z, z.clone(), pairing=next_image(7), distance=distance) == 1).all()


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), other=st.floats(0.01, 100))
def test_scaling_embeddings_changes_nothing_for_cosine(seed, scale, other):
    z, moved = (tensor.double() for tensor in embeddings(seed))
    plain = relative_invariance(z, moved, pairing=next_image(7))
    scaled = relative_invariance(scale * z, other * moved, pairing=next_image(7))
    assert torch.allclose(plain, scaled, rtol=1e-9, atol=1e-9)


def test_scaling_the_transformed_changes_l2():
    z, moved = embeddings(0)
    plain = relative_invariance(z, moved, pairing=next_image(7), distance="l2")
    scaled = relative_invariance(z, 2 * moved, pairing=next_image(7), distance="l2")
    assert not torch.allclose(plain, scaled)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_permuted_copy_scores_about_zero(distance):
    """If T turned each image into a random other one, own and baseline distance are alike."""
    z, _ = embeddings(0, count=4000, size=16)
    moved = z[torch.randperm(4000, generator=torch.Generator().manual_seed(1))]
    values = relative_invariance(z, moved, pairing=next_image(4000), distance=distance)
    assert values.median().abs() < 0.02


def test_pairing_with_itself_scores_exactly_zero():
    """The published code's random permutation has such fixed points; they are worth nothing."""
    z, moved = embeddings(3)
    assert (relative_invariance(z, moved, pairing=torch.arange(7)) == 0).all()


def test_the_baseline_is_transformed_as_well():
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    moved = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    value = relative_invariance(z, moved, pairing=torch.tensor([1, 0]), distance="l2")
    # image 0: own distance 1, baseline |z0 - moved1| = 0 (|z0 - z1| would have been 1.41)
    assert value[0] == -torch.inf
    assert torch.allclose(value[1], 1 - torch.tensor(2.0).sqrt() / torch.tensor(5.0).sqrt())


def test_all_equal_embeddings_are_undefined():
    z = torch.ones(3, 4)
    assert relative_invariance(z, z, pairing=next_image(3)).isnan().all()


def test_zero_embeddings_are_undefined_for_cosine():
    z, moved = embeddings(0)
    moved[2] = 0
    values = relative_invariance(z, moved, pairing=next_image(7))
    assert values.isnan().tolist() == [False, True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (torch.ones(3, 2), torch.ones(3, 4)),
            r"transformed has shape \[3, 4\] but embeddings has",
        ),
        ((torch.ones(3), torch.ones(3)), r"embeddings has shape \[3\]: it must be \[N, D\]"),
        ((torch.ones(1, 2), torch.ones(1, 2)), "at least two images"),
    ],
)
def test_shapes_that_do_not_fit(arguments, message):
    with pytest.raises(InputError, match=message):
        relative_invariance(*arguments, pairing=next_image(len(arguments[0])))


@pytest.mark.parametrize(
    ("pairing", "message"),
    [
        (torch.tensor([1, 0]), r"pairing has shape \[2\] but there are 3 images"),
        (torch.tensor([1, 2, 3]), "indices from 0 to 2"),
    ],
)
def test_pairings_that_do_not_fit(pairing, message):
    with pytest.raises(InputError, match=message):
        relative_invariance(torch.ones(3, 2), torch.ones(3, 2), pairing=pairing)


def test_an_unknown_distance():
    with pytest.raises(InputError, match="distance must be one of cosine, l2, not 'l1'"):
        relative_invariance(*embeddings(0), pairing=next_image(7), distance="l1")
