"""Channel equivariance: the oracle, permutations found, ties, dead channels, memory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from invariscope.errors import InputError
from invariscope.metrics import channel_equivariance, channel_invariance, channel_match
from oracles.channels import reference_channel_match

SIMILARITIES = ("pearson", "cosine")


def maps(seed, shape=(2, 6, 4, 4)):
    generator = torch.Generator().manual_seed(seed)
    acted = torch.randn(shape, generator=generator)
    return acted, acted + torch.randn(shape, generator=generator)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(*[st.integers(low, 5) for low in (1, 1, 2, 2)]),
    mean=st.sampled_from([0.0, 3.0, -1e4]),
)
def test_agrees_with_the_oracle(seed, shape, mean, dtype, similarity):
    acted, transformed = ((tensor + mean).to(dtype) for tensor in maps(seed, shape))
    acted[0, 0] = 0  # a dead channel
    values, indices = channel_match(acted, transformed, similarity=similarity)
    theirs, channels = reference_channel_match(acted.numpy(), transformed.numpy(), similarity)
    assert values.dtype == dtype
    assert np.allclose(values.numpy(), theirs, rtol=0, atol=1e-6, equal_nan=True)
    if similarity == "pearson" or not mean:  # else all cosines are near 1, and near one another
        assert (indices.numpy() == channels).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
@given(seed=st.integers(0, 10_000))
def test_a_permutation_of_channels_is_found_exactly(seed, similarity):
    acted, _ = maps(seed, (2, 20, 5, 5))
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(20, generator=generator)
    scales = 0.1 + torch.rand(20, 1, 1, generator=generator)
    values, indices = channel_match(acted, acted[:, order], similarity=similarity)
    assert (values == 1).all()
    assert (indices == order).all()
    scaled = channel_match(acted, scales * acted[:, order], similarity=similarity)
    assert torch.allclose(scaled.values, torch.ones(2, 20), rtol=0, atol=1e-6)
    assert (scaled.indices == order).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(seed=st.integers(0, 10_000), noise=st.sampled_from([0.0, 1e-7, 0.1, 10.0]))
def test_never_below_invariance(seed, noise, dtype, similarity):
    acted, transformed = (tensor.to(dtype) for tensor in maps(seed))
    transformed = acted + noise * (transformed - acted)
    most = channel_equivariance(acted, transformed, similarity=similarity)
    own = channel_invariance(acted, transformed, similarity=similarity)
    assert (most >= own).all()
    assert (most <= 1).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_among_equal_channels_a_channel_matches_itself(similarity):
    acted = maps(0)[0][:, :1].expand(2, 6, 4, 4).clone()
    values, indices = channel_match(acted, acted, similarity=similarity)
    assert (values == 1).all()
    assert indices.tolist() == [list(range(6))] * 2


def test_unrelated_maps_score_above_zero():
    """The maximum of many correlations of nothing: the bias that the docstring warns of."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 1, 64, 7, 7, generator=generator)
    assert channel_equivariance(a, b).mean() > 0.25
    assert channel_invariance(a, b).mean().abs() < 0.05


def test_a_rotation_of_the_filters_is_equivariant_and_not_invariant():
    """Paper 002, Fig. 3b: four filters that are rotations of one another."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(3, 3, generator=generator)
    filters = torch.stack([corner.rot90(k) for k in range(4)])[:, None]
    images = torch.rand(3, 1, 16, 16, generator=generator)
    with torch.no_grad():
        acted = torch.conv2d(images, filters).rot90(1, (2, 3))
        transformed = torch.conv2d(images.rot90(1, (2, 3)), filters)
    values, indices = channel_match(acted, transformed)
    assert torch.allclose(values, torch.ones(3, 4), rtol=0, atol=1e-6)
    assert indices.tolist() == [[3, 0, 1, 2]] * 3
    assert (channel_invariance(acted, transformed) < 0.99).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_dead_channels_never_win(similarity):
    acted, _ = maps(1, (1, 3, 4, 4))
    transformed = acted.clone()
    acted[0, 0], acted[0, 1] = 0, torch.nan
    transformed[0, 2] = 0
    transformed[0, :2] = -acted[0, 2]  # so that every living pair scores -1
    values, indices = channel_match(acted, transformed, similarity=similarity)
    assert values[0, :2].tolist() == [-1, -1]
    assert indices.tolist() == [[2, 2, -1]]
    assert values[0, 2].isnan()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_without_a_living_channel_nothing_is_defined(similarity):
    acted, transformed = maps(2)
    acted[1] = 0
    values, indices = channel_match(acted, transformed, similarity=similarity)
    assert values[0].isfinite().all()
    assert values[1].isnan().all()
    assert (indices[1] == -1).all()


def test_a_constant_model_is_dead_throughout():
    constant = torch.full((2, 5, 6, 6), 0.3)
    assert channel_equivariance(constant, constant).isnan().all()


class Largest(TorchDispatchMode):
    """The size in bytes of the largest array that is made; views make none."""

    def __init__(self):
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = {arg.untyped_storage()._cdata for arg in args if isinstance(arg, torch.Tensor)}
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in given:
                self.size = max(self.size, tensor.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize(
    ("images", "channels", "side"), [(32, 2048, 7), (32, 2048, 14), (64, 5000, 14)]
)
def test_memory_is_bounded(images, channels, side):
    """No array is larger than a step, whatever the number of images, channels and positions.

    About six of them live at once. On the meta device the arrays have sizes and no contents.
    """
    acted, transformed = torch.empty(2, images, channels, side, side, device="meta")
    with Largest() as largest:
        values = channel_equivariance(acted, transformed)
    assert values.shape == (images, channels)
    assert largest.size <= 8 * 2**22


def test_channels_in_steps_give_the_same(monkeypatch):
    acted, transformed = maps(3, (5, 12, 4, 4))
    whole = channel_match(acted, transformed)
    for step in (1, 60, 12 * 16, 12 * 16 * 2, 12 * 16 * 3):  # some channels of one image … 3 images
        monkeypatch.setattr("invariscope.metrics.memory.STEP", step)
        some = channel_match(acted, transformed)
        assert torch.allclose(whole.values, some.values, rtol=0, atol=1e-7)
        assert torch.equal(whole.indices, some.indices)
    empty = channel_match(acted[:0], transformed[:0])
    assert empty.values.shape == empty.indices.shape == (0, 12)


def test_messages():
    with pytest.raises(InputError, match=r"transformed has shape \[2, 3\]: it must be \[B, C, H"):
        channel_match(torch.ones(1, 2, 3, 3), torch.ones(2, 3))
    with pytest.raises(InputError, match=r"but acted has \[1, 2, 3, 3\]"):
        channel_equivariance(torch.ones(1, 2, 3, 3), torch.ones(1, 4, 3, 3))
    with pytest.raises(InputError, match="not 'Pearson'"):
        channel_equivariance(*maps(0), similarity="Pearson")
