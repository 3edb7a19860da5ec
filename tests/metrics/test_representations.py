"""Response alignment, similarity change, class distances, normalised variance, CKA."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import (
    class_distance_ratio,
    column_shuffle,
    linear_cka,
    normalized_variance,
    response_alignment,
    similarity_change,
)
from invariscope.metrics import (
    class_distance_ratio as ratio,
)
from oracles.representations import (
    reference_class_distance_ratio,
    reference_linear_cka,
    reference_normalized_variance,
    reference_response_alignment,
    reference_similarity_change,
)


def random(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 10_000), count=st.integers(2, 8), size=st.integers(2, 6))
def test_response_alignment_agrees_with_the_oracle(seed, count, size):
    z, moved = random(seed, count, size), random(seed + 1, count, size)
    pairing = torch.arange(count).roll(-1)
    order = column_shuffle(count, size, torch.Generator().manual_seed(seed))
    ours = response_alignment(z, moved, pairing=pairing, shuffle=order)
    theirs = reference_response_alignment(
        z.numpy(), moved.numpy(), pairing.tolist(), order.tolist()
    )
    assert np.allclose(ours, theirs, atol=1e-6)


def test_a_common_response_is_aligned_and_none_is_not():
    z = random(0, 200, 16)
    pairing = torch.arange(200).roll(-1)
    order = column_shuffle(200, 16, torch.Generator().manual_seed(1))
    # Each image moves along one direction by an amount of its own, of either sign in each half.
    along = random(2, 1, 16) * (1 + random(3, 200, 1).abs())
    aligned = response_alignment(z, z + along, pairing=pairing, shuffle=order)
    assert aligned.mean() > 0.02
    unrelated = response_alignment(z, z + random(4, 200, 16), pairing=pairing, shuffle=order)
    assert abs(unrelated.mean()) < 0.06
    assert response_alignment(z, z, pairing=pairing, shuffle=order).isnan().all()


@given(seed=st.integers(0, 10_000))
def test_similarity_change_agrees_with_the_oracle(seed):
    anchor, other, moved = random(seed, 3, 6, 4)
    ours = similarity_change(anchor.double(), other.double(), moved.double())
    theirs = reference_similarity_change(anchor.numpy(), other.numpy(), moved.numpy())
    assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_similarity_change_of_nothing_and_of_orthogonal_pairs():
    anchor, other, _ = random(0, 3, 6, 4)
    assert (similarity_change(anchor, other, other) == 0).all()
    assert similarity_change(torch.eye(2)[:1], torch.eye(2)[1:], torch.eye(2)[:1]).isnan().all()


@pytest.mark.parametrize("distance", ["l2", "cosine"])
@given(seed=st.integers(0, 10_000), rows=st.sampled_from([1, 3, 1024]))
def test_class_distance_ratio_agrees_with_the_oracle(seed, rows, distance):
    z = random(seed, 9, 4).double()
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("invariscope.metrics.class_distance_ratio._ROWS", rows, raising=False)
        ours = ratio(z, labels, distance=distance)
    theirs = reference_class_distance_ratio(z.numpy(), labels.tolist(), distance)
    assert np.isclose(ours.item(), theirs, rtol=1e-9)


def test_random_labels_have_a_ratio_of_one():
    labels = torch.arange(600) % 5
    assert abs(class_distance_ratio(random(0, 600, 8), labels) - 1) < 0.01


@given(seed=st.integers(0, 10_000))
def test_normalized_variance_agrees_with_the_oracle(seed):
    responses = random(seed, 5, 4, 3).double()
    responses[..., 2] = 0.3  # dead
    ours = normalized_variance(responses)
    assert np.allclose(
        ours, reference_normalized_variance(responses.numpy()), rtol=1e-9, equal_nan=True
    )
    assert ours[2].isnan()


def test_normalized_variance_of_invariant_and_of_unrelated_responses():
    images = random(0, 50, 1, 3).expand(50, 6, 3)
    assert (normalized_variance(images) == 0).all()
    unrelated = normalized_variance(random(1, 400, 400, 2))
    assert (unrelated - 1).abs().max() < 0.02
    assert normalized_variance(random(2, 1, 6, 3).expand(50, 6, 3)).isinf().all()


@given(seed=st.integers(0, 10_000), count=st.integers(3, 9), size=st.integers(1, 6))
def test_linear_cka_agrees_with_the_oracle(seed, count, size):
    x, y = random(seed, count, size).double(), random(seed + 1, count, 4).double()
    assert np.isclose(linear_cka(x, y).item(), reference_linear_cka(x, y), atol=1e-9)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 9))
def test_linear_cka_ignores_rotation_scale_and_shift(seed, scale):
    x = random(seed, 12, 4).double()
    turn = torch.linalg.qr(random(seed + 1, 4, 4).double()).Q
    assert torch.allclose(linear_cka(x, scale * x @ turn + 3), torch.ones((), dtype=x.dtype))
    assert linear_cka(x, torch.ones(12, 2, dtype=x.dtype)).isnan()


def test_messages():
    z = random(0, 4, 3)
    pairing = torch.arange(4).roll(1)
    with pytest.raises(InputError, match=r"shuffle has shape \[4, 2\] but embeddings has \[4, 3\]"):
        response_alignment(z, z, pairing=pairing, shuffle=torch.zeros(4, 2, dtype=torch.long))
    with pytest.raises(InputError, match="shuffle must hold indices from 0 to 3"):
        response_alignment(z, z, pairing=pairing, shuffle=torch.full((4, 3), 4))
    with pytest.raises(InputError, match=r"other has shape \[3, 3\] but anchor has \[4, 3\]"):
        similarity_change(z, z[:3], z)
    with pytest.raises(InputError, match=r"labels has shape \[3\] but embeddings has"):
        class_distance_ratio(z, torch.zeros(3, dtype=torch.long))
    with pytest.raises(InputError, match="no class has two images"):
        class_distance_ratio(z, torch.arange(4))
    with pytest.raises(InputError, match="all images are of one class"):
        class_distance_ratio(z, torch.zeros(4, dtype=torch.long))
    with pytest.raises(InputError, match=r"responses has shape \[4, 3\]: it must be \[N, T, D\]"):
        normalized_variance(z)
    with pytest.raises(InputError, match="must have the same number of images"):
        linear_cka(z, z[:3])
