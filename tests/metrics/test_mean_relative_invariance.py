"""Mean relative invariance: the oracle, the closed form, streaming, the form of a block."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import CosineMeanRelativeInvariance, ImageMean, mean_relative_invariance
from invariscope.metrics.mean_relative_invariance import per_image
from oracles.metrics import reference_mean_relative_invariance

DISTANCES = ("cosine", "l2")


def embeddings(seed, count=7, size=5):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(count, size, generator=generator)
    return z, z + 0.5 * torch.randn(count, size, generator=generator)


@pytest.mark.parametrize("distance", DISTANCES)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 9), size=st.integers(2, 8))
def test_agrees_with_the_oracle(seed, count, size, distance):
    z, moved = embeddings(seed, count, size)
    ours = mean_relative_invariance(z.double(), moved.double(), distance=distance).item()
    theirs = reference_mean_relative_invariance(z.numpy(), moved.numpy(), distance)
    assert np.isclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@given(seed=st.integers(0, 10_000))
def test_the_identity_gives_exactly_one(seed, distance):
    z, _ = embeddings(seed)
    assert mean_relative_invariance(z, z.clone(), distance=distance).item() == 1.0


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_permuted_copy_scores_about_zero(distance):
    z, _ = embeddings(0, count=600, size=16)
    moved = z[torch.randperm(600, generator=torch.Generator().manual_seed(1))]
    assert abs(mean_relative_invariance(z, moved, distance=distance).item()) < 0.02


@given(seed=st.integers(0, 10_000), order=st.permutations(range(7)))
def test_the_order_of_images_does_not_matter(seed, order):
    z, moved = (tensor.double() for tensor in embeddings(seed))
    shuffled = mean_relative_invariance(z[list(order)], moved[list(order)])
    assert torch.allclose(mean_relative_invariance(z, moved), shuffled, rtol=1e-12)


@pytest.mark.parametrize("batch", [1, 2, 7, 40])
@given(seed=st.integers(0, 10_000), turn=st.integers(0, 39))
def test_streamed_equals_whole(seed, turn, batch):
    z, moved = (tensor.double() for tensor in embeddings(seed, count=40))
    streams = []
    for start in range(0, 40, batch):
        stream = CosineMeanRelativeInvariance()
        stream.update(z[start : start + batch], moved[start : start + batch])
        streams.append(stream)
    first, *others = streams[turn % len(streams) :] + streams[: turn % len(streams)]
    for other in others:
        first.merge(other)
    assert first.count == 40
    assert torch.allclose(first.compute(), mean_relative_invariance(z, moved), rtol=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 12))
def test_the_per_image_form_of_a_block_is_the_formula(seed, count, distance):
    z, moved = (tensor.double() for tensor in embeddings(seed, count))
    mean = ImageMean()
    mean.update(*per_image(z, moved, distance))
    whole = mean_relative_invariance(z, moved, distance=distance)
    assert torch.allclose(mean.compute(), whole, rtol=1e-10, atol=1e-12)


def test_the_weight_of_an_image_is_its_mean_distance_to_and_from_the_others():
    z, moved = (tensor.double() for tensor in embeddings(2, count=5))
    far = torch.cdist(z, moved)
    _, weights = per_image(z, moved, "l2")
    for i in range(5):
        others = [j for j in range(5) if j != i]
        expected = sum(far[i, j] + far[j, i] for j in others) / 8
        assert torch.allclose(weights[i], torch.as_tensor(expected))


@pytest.mark.parametrize("distance", DISTANCES)
def test_cells_can_be_evaluated_together(distance):
    z, moved = embeddings(1)
    values, weights = per_image(z, torch.stack([moved, z]), distance)
    alone, alone_weights = per_image(z, moved, distance)
    assert torch.allclose(values[0], alone, rtol=1e-12)
    assert torch.allclose(weights[0], alone_weights, rtol=1e-12)
    assert (values[1] == 1).all()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("form", [0, 1])
def test_an_image_that_is_not_finite_takes_no_other_with_it(distance, form):
    z, moved = embeddings(4, count=6)
    expected = per_image(z[1:], moved[1:], distance)
    (z, moved)[form][0, 0] = torch.nan
    for found, alone in zip(per_image(z, moved[None], distance), expected, strict=True):
        assert found[0, 0].isnan()
        assert torch.allclose(found[0, 1:], alone, rtol=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
def test_all_equal_embeddings_are_undefined(distance):
    z = torch.full((5, 3), 0.3)
    assert mean_relative_invariance(z, z, distance=distance).isnan()
    assert per_image(z, z, distance)[0].isnan().all()


def test_one_image_has_no_baseline():
    with pytest.raises(InputError, match="at least two images"):
        mean_relative_invariance(torch.ones(1, 2), torch.ones(1, 2))
    with pytest.raises(InputError, match="0 image was added"):
        CosineMeanRelativeInvariance().compute()


def test_shapes_that_do_not_fit():
    with pytest.raises(
        InputError, match=r"transformed has shape \[4, 2\] but embeddings has \[3, 2\]"
    ):
        mean_relative_invariance(torch.ones(3, 2), torch.ones(4, 2))
