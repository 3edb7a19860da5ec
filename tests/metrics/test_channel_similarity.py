"""Channel invariance and equivariance: oracle, theorems, dead channels, memory."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import (
    channel_equivariance,
    channel_invariance,
    channel_match,
    channel_similarity,
)
from oracles.representations import reference_channels

SIMILARITIES = ("pearson", "cosine")


def maps(seed, channels=4, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, 2, channels, 3, 5, generator=generator)
    return first + offset, 0.6 * first + second + offset


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(seed=st.integers(0, 10_000), offset=st.sampled_from([0.0, 3.0, 500.0]))
def test_agrees_with_the_oracle(seed, offset, dtype, similarity):
    acted, transformed = (t.to(dtype) for t in maps(seed, offset=offset))
    truth = reference_channels(acted.numpy(), transformed.numpy(), similarity)
    ours = channel_invariance(acted, transformed, similarity=similarity)
    assert ours.dtype == dtype
    assert np.allclose(ours, np.diagonal(truth, axis1=1, axis2=2), atol=1e-6)
    best = channel_equivariance(acted, transformed, similarity=similarity)
    assert np.allclose(best, truth.max(2), atol=1e-6)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(4)))
def test_a_permutation_of_channels_is_found_exactly(seed, order, similarity):
    acted, _ = maps(seed)
    values, index = channel_match(acted, acted[:, list(order)], similarity=similarity)
    assert index.tolist() == [list(order)] * 2
    assert torch.allclose(values, torch.ones(2, 4))


@pytest.mark.parametrize("similarity", SIMILARITIES)
@given(seed=st.integers(0, 10_000), chunk=st.sampled_from([1, 9, 1 << 24]))
def test_equivariance_is_never_below_invariance(seed, chunk, similarity):
    acted, transformed = maps(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel_similarity, "_PAIRS", chunk)  # channels in chunks
        best = channel_equivariance(acted, transformed, similarity=similarity)
    own = channel_invariance(acted, transformed, similarity=similarity)
    assert (best >= own - 1e-6).all()
    assert torch.equal(best, channel_equivariance(acted, transformed, similarity=similarity))


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10), shift=st.floats(-10, 10))
def test_what_each_similarity_ignores(seed, scale, shift):
    acted, transformed = (t.double() for t in maps(seed))
    pearson = channel_invariance(acted, transformed)
    assert torch.allclose(pearson, channel_invariance(acted, scale * transformed + shift))
    cosine = channel_invariance(acted, transformed, similarity="cosine")
    assert torch.allclose(
        cosine, channel_invariance(acted, scale * transformed, similarity="cosine")
    )
    assert torch.allclose(-pearson, channel_invariance(acted, -transformed))


def test_dead_channels():
    acted, transformed = maps(0)
    acted[:, 1] = 0.7  # no variance
    transformed[:, 2] = 0.1
    own, (best, index) = channel_invariance(acted, transformed), channel_match(acted, transformed)
    assert own.isnan().tolist() == [[False, True, True, False]] * 2
    assert best.isnan().tolist() == [[False, False, True, False]] * 2
    assert (index[:, 2] == -1).all()
    assert (index != 1).all()
    assert channel_equivariance(torch.ones(1, 3, 2, 2), transformed[:1, :3, :2, :2]).isnan().all()
    acted[:, 1] = 0
    cosine = channel_invariance(acted, transformed, similarity="cosine")
    assert cosine.isnan().tolist() == [[False, True, False, False]] * 2


def test_one_by_one_maps_are_dead_for_pearson():
    assert channel_invariance(torch.rand(2, 3, 1, 1), torch.rand(2, 3, 1, 1)).isnan().all()


@pytest.mark.slow
def test_memory_is_bounded():
    """32 images, C = 2048 at 7 × 7: all pairs of channels at once would be 1 GB more."""
    script = (
        "import resource, torch\n"
        "from invariscope.metrics import channel_equivariance\n"
        "maps = torch.rand(32, 2048, 7, 7)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert torch.allclose(channel_equivariance(maps, maps), torch.ones(32, 2048))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    path = os.pathsep.join(filter(None, sys.path))
    out = subprocess.check_output(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path}
    )
    assert int(out) < 700  # MB; the maps themselves, in float64, are 2 × 26


@pytest.mark.parametrize("function", [channel_invariance, channel_equivariance])
def test_messages(function):
    with pytest.raises(InputError, match=r"acted has shape \[2, 3\]: it must be \[B, C, H, W\]"):
        function(torch.ones(2, 3), torch.ones(2, 3))
    with pytest.raises(InputError, match=r"transformed has shape \[1, 2, 3, 4\] but acted has"):
        function(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3, 4))
    with pytest.raises(InputError, match="similarity must be one of pearson, cosine, not 'l2'"):
        function(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3, 3), similarity="l2")
