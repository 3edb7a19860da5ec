"""Response alignment: the oracle, the theorems, the messages."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import response_alignment
from invariscope.metrics.response_alignment import _valid_shuffle
from oracles.representations import reference_response_alignment


def embeddings(seed, count=7, size=5):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(count, size, generator=generator)
    return z, z + 0.5 * torch.randn(count, size, generator=generator)


def next_image(count):
    return torch.arange(count).roll(-1)


def drawn(count, size, seed=0):
    return torch.rand(count, size, generator=torch.Generator().manual_seed(seed)).argsort(0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(seed=st.integers(0, 10_000), count=st.integers(2, 9), size=st.integers(2, 8))
def test_agrees_with_the_oracle(seed, count, size, dtype):
    z, moved = (tensor.to(dtype) for tensor in embeddings(seed, count, size))
    pairing, shuffle = next_image(count), drawn(count, size, seed)
    ours = response_alignment(z, moved, pairing=pairing, shuffle=shuffle)
    theirs = reference_response_alignment(
        z.numpy(), moved.numpy(), pairing.tolist(), shuffle.tolist()
    )
    assert ours.dtype == dtype
    assert np.allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-6)


def test_one_direction_for_all_is_aligned():
    """Each image moves along one line, by its own amount, forwards or backwards."""
    generator = torch.Generator().manual_seed(0)
    amount = torch.randn(500, 1, generator=generator)
    amount = amount.sign() * (1 + amount.abs())
    amount[1::2] = amount[::2].sign() * amount[1::2].abs()  # partners move the same way
    z = torch.randn(500, 64, generator=generator)
    moved = z - amount * torch.randn(64, generator=generator)
    pairing = torch.arange(500).view(-1, 2).flip(1).flatten()
    values = response_alignment(z, moved, pairing=pairing, shuffle=drawn(500, 64))
    assert abs(values.mean() - 1) < 0.03


def test_unrelated_movements_score_about_zero():
    z, moved = embeddings(1, count=3000, size=32)
    values = response_alignment(z, moved, pairing=next_image(3000), shuffle=drawn(3000, 32))
    assert values.mean().abs() < 0.02


def test_the_same_displacement_for_all_scores_exactly_zero():
    """Shuffling a column of equal numbers changes nothing: the baseline is as aligned."""
    z = torch.randint(-9, 9, (6, 4), generator=torch.Generator().manual_seed(0)).float()
    moved = z + torch.tensor([1.0, -2.0, 3.0, 0.0])
    values = response_alignment(z, moved, pairing=next_image(6), shuffle=drawn(6, 4))
    assert (values == 0).all()


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_the_size_of_the_displacements_does_not_matter(seed, scale):
    z, moved = (tensor.double() for tensor in embeddings(seed))
    arguments = {"pairing": next_image(7), "shuffle": drawn(7, 5, seed)}
    plain = response_alignment(z, moved, **arguments)
    larger = response_alignment(z, z + scale * (moved - z), **arguments)
    assert torch.allclose(plain, larger, rtol=0, atol=1e-9)


def test_the_identity_shuffle_scores_exactly_zero():
    z, moved = embeddings(2)
    shuffle = torch.arange(7)[:, None].expand(7, 5)
    assert (response_alignment(z, moved, pairing=next_image(7), shuffle=shuffle) == 0).all()


def test_what_does_not_move_is_undefined():
    z, moved = embeddings(3)
    arguments = {"pairing": next_image(7), "shuffle": torch.arange(7)[:, None].expand(7, 5)}
    assert response_alignment(z, z, **arguments).isnan().all()
    moved[2] = z[2]
    undefined = response_alignment(z, moved, **arguments).isnan().tolist()
    assert undefined == [False, True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("shuffle", "message"),
    [
        (torch.zeros(3, 2).long(), "a permutation of 0 to 2 in each column"),
        (torch.tensor([[1, 0], [2, 1], [3, 2]]), "a permutation of 0 to 2 in each column"),
        (torch.zeros(3, 4).long(), r"shuffle has shape \[3, 4\] but embeddings has \[3, 2\]"),
        (torch.arange(3), r"shuffle has shape \[3\]: it must be \[N, D\]"),
    ],
)
def test_shuffles_that_do_not_fit(shuffle, message):
    with pytest.raises(InputError, match=message):
        response_alignment(
            torch.ones(3, 2), torch.zeros(3, 2), pairing=next_image(3), shuffle=shuffle
        )


def test_a_shuffle_of_random_numbers_that_were_not_sorted():
    with pytest.raises(InputError, match="shuffle holds image indices: it must be integer, not"):
        _valid_shuffle(torch.rand(3, 2))  # the type check of the tests would not let it this far


def test_shapes_and_pairings_that_do_not_fit():
    shuffle = drawn(3, 2)
    with pytest.raises(InputError, match=r"transformed has shape \[2, 2\] but embeddings has"):
        response_alignment(
            torch.ones(3, 2), torch.ones(2, 2), pairing=next_image(3), shuffle=shuffle
        )
    with pytest.raises(InputError, match=r"pairing has shape \[4\] but there are 3 images"):
        response_alignment(
            torch.ones(3, 2), torch.ones(3, 2), pairing=next_image(4), shuffle=shuffle
        )
