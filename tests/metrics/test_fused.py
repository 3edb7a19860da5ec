"""The compiled loops against float64 and against plain torch, with one thread and with several."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from invariscope.metrics import fused
from invariscope.metrics.channel_products import (
    MapStep,
    channel_maps,
    in_one_pass,
    in_plain_torch,
)
from invariscope.transformations import Moves, Resampling
from invariscope.transformations.geometry import rotation, translation
from invariscope.transformations.taps import taps_of


@pytest.fixture(params=[1, 2])
def threads(request, monkeypatch):
    """So many threads."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: request.param)
    return request.param


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 200, 17), (1, 64, 5), (2, 1, 3), (0, 9, 4)])
def test_moments(shape, threads):
    values = random(*shape) + 3
    mean, power = fused.moments(values)
    exact = values.double()
    assert mean.dtype == power.dtype == torch.float32
    assert torch.allclose(mean.double(), exact.mean(1), rtol=2e-7)
    assert torch.allclose(power.double(), exact.square().sum(1), rtol=2e-7)


def test_long_sums_keep_their_digits():
    """A million equal values: float32 sums one by one would be off by a per cent."""
    mean, power = fused.moments(torch.full((1, 1 << 20, 1), 0.1))
    assert mean.item() == pytest.approx(0.1, rel=1e-6)
    assert power.item() == pytest.approx((1 << 20) * 0.01, rel=1e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_moved_maps(interpolation, threads):
    maps = random(3, 18, 9, 7).to(memory_format=torch.channels_last)
    how = Resampling(interpolation, "zeros")
    motions = [rotation(np.array([30.0])), translation(np.array([2.0]), np.array([-40.0]))]
    taps = [taps_of(forward[0], 9, 7, how) for forward in motions]
    moves = Moves(taps, [0, 1, 0, 0], [2, 0, 1, 2], (9, 7), maps)
    made, (mean, power) = fused.moved(maps, moves.matrices, moves.motions, moves.sources)
    wanted = moves(maps, 0, 4)
    assert made.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(made, wanted, atol=1e-6)
    assert torch.allclose(mean, wanted.mean((2, 3)), atol=1e-6)
    assert torch.allclose(power, wanted.square().sum((2, 3)), rtol=1e-5, atol=1e-6)


def step(channels=19, dead=(), strange=None):
    """Four images, of two cells, with means; some channels of the acted maps do not vary."""
    own, acted = random(4, channels, 5, 6) + 1, random(4, channels, 5, 6, seed=1)
    acted = acted + own / 2
    for image, channel in dead:
        acted[image, channel] = 7.0
    if strange is not None:
        acted[3, 2, 0, 0] = own[3, 1, 1, 1] = strange
    return channel_maps(own), channel_maps(acted)


@pytest.mark.parametrize("dead", [(), ((0, 3), (0, 4), (2, 18))])
def test_matches_are_those_of_plain_torch(dead, threads):
    own, acted = step(dead=dead)
    for found, wanted in zip(
        in_one_pass(own, acted, 2), in_plain_torch(own, acted, 2), strict=True
    ):
        alive = wanted.isfinite()
        assert found.shape == wanted.shape
        assert torch.allclose(found[alive], wanted[alive], rtol=1e-5, atol=1e-5)


def test_one_dead_channel_never_matches():
    own, acted = step(dead=[(image, channel) for image in range(4) for channel in range(1, 19)])
    _, _, same, best = in_one_pass(own, acted, 1)
    assert torch.equal(best[:, 0], same[:, 0])  # the only living one is its match


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_with_its_image_and_channel(value):
    found = MapStep(*step(strange=value)).pearson
    wanted = MapStep(*step()).pearson
    assert torch.allclose(found[:, :3], wanted[:, :3], atol=1e-6)
    assert found[:, 3, 1].isnan().all()
    assert found[0, 3, 2].isnan()
    others = [channel for channel in range(19) if channel not in (1, 2)]
    assert found[:, 3, others].isfinite().all()


def test_numbers_of_threads_change_no_bit(monkeypatch):
    found = []
    for count in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=count: count)
        found.append(in_one_pass(*step(), 2))
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


@pytest.mark.parametrize("channels", [1, 2, 7, 16, 33])
def test_largest(channels, threads):
    sums, scale = random(3, channels, channels), random(3, channels, seed=2).abs()
    alive = torch.ones(3, channels, dtype=torch.bool)
    alive[1, ::2] = channels == 1
    wanted = (sums * scale[:, None]).masked_fill(~alive[:, None], -torch.inf).argmax(2)
    assert torch.equal(fused.largest(sums, scale, alive), wanted)


def test_a_row_without_a_living_channel_names_some_channel():
    """It is dead anyway; the column has to be one that exists."""
    none = torch.zeros(1, 4, dtype=torch.bool)
    columns = fused.largest(random(1, 4, 4), torch.ones(1, 4), none)
    assert columns.min() >= 0
    assert columns.max() < 4


def test_torch_keeps_its_threads():
    """Numba and torch share OpenMP, whose number of threads numba sets when it begins."""
    code = (
        "import torch; torch.set_num_threads(1); from invariscope.metrics import fused; "
        "fused.moments(torch.ones(2, 3, 4)); print(torch.get_num_threads())"
    )
    environment = os.environ | {"NUMBA_NUM_THREADS": "2"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == "1"


def test_a_forked_child_does_with_one_thread(monkeypatch):
    """OpenMP ends a child of a process that has used it."""
    wanted = fused.moments(random(2, 70, 3))
    monkeypatch.setattr(fused, "_PROCESS", -1)
    assert all(map(torch.equal, fused.moments(random(2, 70, 3)), wanted))
