"""Raw products and moments in float32 against the functions in float64 and against loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from invariscope.metrics import channel_eed, channel_equivariance, channel_invariance
from invariscope.metrics import channel_products as module
from invariscope.metrics.channel_products import (
    MapStep,
    channel_maps,
    covariances,
    images_per_step,
    paired_correlation,
    permuted_cosine,
)
from oracles.channels import reference_channel_invariance, reference_channel_match

FORMS: tuple[str, ...] = ("invariance", "equivariance", "cosine_invariance", "cosine_equivariance")


def scores(acted, transformed, inside=None):
    moved, own = channel_maps(transformed, inside), channel_maps(acted, inside)
    found = MapStep(moved, own)
    assert found.complete == (not found.pearson.isnan().any())
    values: list[torch.Tensor] = [*found.pearson, *found.cosine]
    return dict(zip(FORMS, values, strict=True))


def exact(acted, transformed):
    """The same of the functions, in float64."""
    acted, transformed = acted.double(), transformed.double()
    return {
        f"{prefix}{name}": function(acted, transformed, similarity=similarity)
        for prefix, similarity in (("", "pearson"), ("cosine_", "cosine"))
        for name, function in (
            ("invariance", channel_invariance),
            ("equivariance", channel_equivariance),
        )
    }


def related(seed, shape=(3, 6, 7, 5), mean=0.0):
    """Maps and maps that are half of them, around a mean in standard deviations."""
    generator = torch.Generator().manual_seed(seed)
    acted = torch.randn(shape, generator=generator)
    return acted + mean, acted / 2 + torch.randn(shape, generator=generator) + mean


def assert_close(found, wanted, tolerance):
    for form in FORMS:
        assert found[form].dtype == torch.float32
        assert torch.equal(found[form].isnan(), wanted[form].isnan()), form
        apart = (found[form].double() - wanted[form]).nan_to_num(0).abs().max()
        assert apart <= tolerance, (form, float(apart))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), last=st.booleans(), odd=st.booleans(), relu=st.booleans())
def test_agrees_with_the_functions(seed, last, odd, relu):
    maps = related(seed, (3, 6, 5, 9) if odd else (2, 16, 14, 14))
    if relu:  # two thirds zeros
        maps = [(m - 0.4).clamp_min(0) for m in maps]
    if last:
        maps = [m.to(memory_format=torch.channels_last) for m in maps]
    assert_close(scores(*maps), exact(*maps), 1e-6)


def test_the_functions_agree_with_loops_where_the_sweep_does():
    acted, transformed = related(1, (2, 5, 3, 4))
    found = scores(acted, transformed)
    for prefix, similarity in (("", "pearson"), ("cosine_", "cosine")):
        oracle = reference_channel_invariance(acted.numpy(), transformed.numpy(), similarity)
        assert np.allclose(found[f"{prefix}invariance"], oracle, rtol=0, atol=1e-6)
        best, _ = reference_channel_match(acted.numpy(), transformed.numpy(), similarity)
        assert np.allclose(found[f"{prefix}equivariance"], best, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mean", [0.0, 1.0, 3.0, 9.0, 11.0, 100.0, 1e3])
@pytest.mark.parametrize("side", [2, 7, 28])
def test_a_mean_that_is_large_against_the_variation(mean, side):
    """Float32 sums of squares are rounded relative to mean², not to the variance.

    So the bound is eight roundings times mean²/variance, up to `CENTRE_ABOVE` of it; beyond that
    the maps are centred, and nothing is lost.
    """
    for seed in range(2):
        maps = related(seed, (2, 8, side, side), mean)
        flat = [m.double().flatten(2) for m in maps]
        worst = max(float((m.mean(2) ** 2 / m.var(2, correction=0)).max()) for m in flat)
        worst = min(worst, module.CENTRE_ABOVE)
        centred = all(bool((channel_maps(m).offset.abs() < 1e-3).all()) for m in maps)
        tolerance = 1e-6 if centred else 1e-6 + 8 * 2**-24 * worst
        assert_close(scores(*maps), exact(*maps), tolerance)


@pytest.mark.parametrize("means", [(500, 0), (0, -500), (1e3, 6), (-6, 1e3), (500, 500)])
def test_one_side_alone_may_be_centred(means):
    acted, transformed = (m + mean for m, mean in zip(related(3), means, strict=True))
    small = min(map(abs, means)) if 0 < min(map(abs, means)) < 10 else 0
    assert_close(scores(acted, transformed), exact(acted, transformed), 1e-6 + 5e-7 * small**2)
    centred = [bool((channel_maps(m).offset.abs() < 1e-3).all()) for m in (acted, transformed)]
    assert centred == [abs(mean) > 10 for mean in means]


def test_dead_channels_are_the_same_ones():
    """Constant (to the last bit, and after a convolution), zero, infinite and NaN channels."""
    acted, transformed = related(4, (2, 8, 6, 6))
    for maps, first in ((acted, 0), (transformed, 1)):
        maps[:, first] = 0.0
        maps[:, 2] = 0.3
        maps[0, 3, 2, 2] = torch.inf
        maps[1, 4 + first, 1, 1] = torch.nan
        ones = torch.ones(2, 3, 6, 6)
        weight = torch.full((1, 3, 1, 1), 0.1)
        maps[:, 6:7] = nn.functional.conv2d(ones, weight) / 3  # constant but for rounding
    found = scores(acted, transformed)
    assert_close(found, exact(acted, transformed), 1e-6)
    dead = found["invariance"][0].isnan()
    assert dead.nonzero().flatten().tolist() == [0, 1, 2, 3, 6]
    assert found["cosine_invariance"][0, 2] == pytest.approx(1, abs=1e-6)  # constant, not zero
    assert not channel_maps(acted).alive[:, 2].any()


def test_all_channels_dead_on_one_side():
    acted, transformed = related(5)
    for a, t in ((torch.zeros_like(acted), transformed), (acted, torch.zeros_like(acted))):
        assert all(values.isnan().all() for values in scores(a, t).values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_maps_of_other_dtypes(dtype):
    acted, transformed = (m.to(dtype) for m in related(6))
    assert_close(scores(acted, transformed), exact(acted, transformed), 1e-6)


@pytest.mark.parametrize("shape", [(3, 4, 1, 1), (3, 1, 5, 5), (1, 4, 1, 2), (2, 1, 1, 1)])
def test_one_position_one_channel_one_image(shape):
    acted, transformed = related(7, shape)
    found = scores(acted, transformed)
    assert_close(found, exact(acted, transformed), 1e-6)
    if shape[2:] == (1, 1):
        assert found["invariance"].isnan().all()


def test_positions_that_do_not_count():
    acted, transformed = related(8)
    inside = torch.zeros(7, 5, dtype=torch.bool)
    inside[1:4, :3] = True
    cut = [maps[..., 1:4, :3] for maps in (acted, transformed)]
    spoilt = [torch.where(inside, maps, torch.nan) for maps in (acted, transformed)]
    assert_close(scores(spoilt[0], spoilt[1], inside), exact(*cut), 1e-6)


def test_paired_correlation_is_the_diagonal():
    acted, transformed = related(9)
    acted[:, 2] = 1.0
    for mean in (0.0, 1e3):
        values = paired_correlation(channel_maps(transformed + mean), channel_maps(acted))
        wanted = channel_invariance(acted.double(), (transformed + mean).double())
        assert torch.allclose(values.double(), wanted, rtol=0, atol=2e-6, equal_nan=True)


def test_permuted_cosine_is_the_channelwise_deviation_of_permuted_channels():
    acted, transformed = related(10)
    order = torch.tensor([3, 1, 0, 5, 4, 2])
    moved, own = channel_maps(transformed), channel_maps(acted)
    values = permuted_cosine(MapStep(moved, own, permutation=order))
    oracle = channel_eed(acted[:, order].double(), transformed.double())
    assert torch.allclose(-values.mean(1).double(), oracle, rtol=0, atol=1e-6)


def test_the_products_are_covariances():
    acted, transformed = related(11, mean=2.0)
    products = covariances(channel_maps(transformed), channel_maps(acted))
    for image in range(3):
        both = [maps[image].flatten(1).double().numpy() for maps in (transformed, acted)]
        oracle = np.cov(np.concatenate(both))[:6, 6:] * (both[0].shape[1] - 1)
        assert np.allclose(products[image], oracle, rtol=0, atol=1e-4)


def test_memory_of_the_products_does_not_grow_with_the_channels(monkeypatch):
    assert images_per_step(2048) == 1
    assert images_per_step(2**13) == images_per_step(2**15) == 1
    for channels in (1, 64, 300, 2048):
        assert images_per_step(channels) * channels**2 <= max(module.STEP, channels**2)


def test_a_choice_of_images_is_their_maps():
    acted, transformed = related(12)
    whole = scores(acted, transformed)
    some = torch.tensor([2, 0])
    moved, own = channel_maps(transformed)[some], channel_maps(acted)[some]
    for form, values in zip(FORMS[:2], MapStep(moved, own).pearson, strict=True):
        assert torch.allclose(values, whole[form][some], rtol=0, atol=1e-6)
