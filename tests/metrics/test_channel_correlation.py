"""Correlations over a data set: the oracle, streaming, what is left out, standard errors."""

import itertools
from functools import reduce

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.metrics import ChannelCorrelation, channel_invariance
from invariscope.metrics import channel_products as products_module
from invariscope.metrics.channel_products import channel_maps
from invariscope.metrics.dead import resolution
from oracles.channel_sums import (
    reference_delete_one_error,
    reference_pooled,
    reference_pooled_correlation,
)


def related(seed, count=9, channels=5, grid=(4, 3), mean=0.0):
    """Maps, and maps that are a permutation of them with noise."""
    generator = torch.Generator().manual_seed(seed)
    acted = torch.randn(count, channels, *grid, generator=generator) + mean
    # images differ in strength as well
    acted = acted * (0.5 + torch.rand(count, 1, 1, 1, generator=generator))
    noise = torch.randn(acted.shape, generator=generator)
    return acted, acted.roll(1, dims=1) + 0.7 * noise + mean


def streamed(acted, transformed, size):
    sums = ChannelCorrelation.empty(acted.shape[1])
    for own, moved in zip(acted.split(size), transformed.split(size), strict=True):
        sums = sums.add(own, moved)
    return sums


def assert_same(found, other, tolerance=1e-6):
    for name in ("invariance", "equivariance"):
        a, b = getattr(found, name), getattr(other, name)
        assert torch.allclose(a, b, rtol=0, atol=tolerance, equal_nan=True), name
    assert torch.equal(found.match, other.match)
    assert found.images == other.images


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    size=st.sampled_from([1, 2, 7, 9]),
    grid=st.sampled_from([(4, 3), (1, 1), (1, 5)]),
    mean=st.sampled_from([0.0, 3.0, 1e3]),
)
def test_agrees_with_the_oracle_however_it_is_streamed(seed, size, grid, mean):
    acted, transformed = related(seed, grid=grid, mean=mean)
    found = streamed(acted, transformed, size).compute()
    invariance, equivariance, _ = reference_pooled(acted.numpy(), transformed.numpy())
    tolerance = 1e-5 if mean == 3 else 1e-6  # mean²/variance of about 20, see channel_products
    assert np.allclose(found.invariance, invariance, rtol=0, atol=tolerance)
    assert np.allclose(found.equivariance, equivariance, rtol=0, atol=tolerance)
    table = reference_pooled_correlation(acted.numpy(), transformed.numpy())
    chosen = table[np.arange(5), found.match.numpy()]
    assert np.allclose(chosen, table.max(1), rtol=0, atol=2 * tolerance)
    assert found.images == 9


def test_two_hundred_images_one_by_one():
    """Sums in float32 do not drift."""
    acted, transformed = related(0, count=200, channels=3, grid=(2, 2), mean=0.5)
    found = streamed(acted, transformed, 1).compute()
    invariance, equivariance, match = reference_pooled(acted.numpy(), transformed.numpy())
    assert np.allclose(found.invariance, invariance, rtol=0, atol=1e-6)
    assert np.allclose(found.equivariance, equivariance, rtol=0, atol=1e-6)
    assert found.match.tolist() == match.tolist() == [2, 0, 1]


def test_merged_in_any_order_and_grouping():
    acted, transformed = related(1, count=10)
    parts = [
        ChannelCorrelation.empty(5).add(acted[some], transformed[some])
        for some in (slice(0, 1), slice(1, 4), slice(4, 4), slice(4, 10))
    ]
    whole = ChannelCorrelation.empty(5).add(acted, transformed)
    first = reduce(ChannelCorrelation.merge, parts)
    assert_same(first.compute(), whole.compute())
    for order in itertools.permutations(parts):
        merged = reduce(ChannelCorrelation.merge, order)
        assert_same(merged.compute(), whole.compute())
        # errors add up as well: each part has its own
        assert torch.allclose(merged.influences, first.influences, rtol=1e-9)
    a, b, c, d = parts
    assert_same(a.merge(b).merge(c.merge(d)).compute(), a.merge(b.merge(c).merge(d)).compute())


def test_nothing_is_changed_in_place():
    acted, transformed = related(2)
    empty = ChannelCorrelation.empty(5)
    first = empty.add(acted[:4], transformed[:4])
    before = first.compute()
    first.add(acted[4:], transformed[4:])
    first.merge(first)
    assert_same(first.compute(), before, 0)
    assert (empty.images, float(empty.products.abs().sum())) == (0, 0)


def test_channels_are_taken_in_steps(monkeypatch):
    acted, transformed = related(3)
    whole = ChannelCorrelation.empty(5).add(acted, transformed)
    monkeypatch.setattr(products_module, "STEP", 2 * 25)
    assert_same(ChannelCorrelation.empty(5).add(acted, transformed).compute(), whole.compute())


def test_positions_count_alike_and_so_do_images():
    """Vectors are correlated over images; a map whose images are flat says the same."""
    acted, transformed = related(4, count=12, grid=(1, 1))
    vectors = ChannelCorrelation.empty(5).add(acted, transformed).compute()
    flat = (maps.expand(-1, -1, 3, 2) for maps in (acted, transformed))
    assert_same(ChannelCorrelation.empty(5).add(*flat).compute(), vectors)
    one = ChannelCorrelation.empty(5).add(acted[:1], transformed[:1]).compute()
    assert one.invariance.isnan().all()  # a single vector has no correlation
    assert one.match.tolist() == [-1] * 5


def test_one_image_is_the_correlation_of_its_maps():
    acted, transformed = related(5, count=1)
    found = ChannelCorrelation.empty(5).add(acted, transformed).compute()
    wanted = channel_invariance(acted.double(), transformed.double())[0]
    assert torch.allclose(found.invariance, wanted, rtol=0, atol=1e-6)
    assert found.invariance_error.isnan().all()  # of one image nobody knows


def test_dead_channels_are_nan_never_win_and_change_no_other():
    acted, transformed = related(6, channels=6)
    clean = ChannelCorrelation.empty(6).add(acted, transformed).compute()
    acted[:, 0], transformed[:, 3] = 0.3, 0.0
    found = ChannelCorrelation.empty(6).add(acted, transformed).compute()
    assert found.invariance.isnan().tolist() == [True, False, False, True, False, False]
    assert found.equivariance.isnan().tolist() == [False] * 3 + [True] + [False] * 2
    assert found.invariance_error.isnan().tolist() == found.invariance.isnan().tolist()
    assert found.match[3] == -1
    assert 0 not in found.match.tolist()
    oracle = reference_pooled(acted.numpy(), transformed.numpy())
    assert np.allclose(found.equivariance, oracle[1], rtol=0, atol=1e-6, equal_nan=True)
    for channel in (2, 4, 5):
        assert torch.allclose(found.equivariance[channel], clean.equivariance[channel], atol=1e-6)
    nobody = ChannelCorrelation.empty(6).add(torch.zeros_like(acted), transformed).compute()
    assert nobody.equivariance.isnan().all()
    assert nobody.match.tolist() == [-1] * 6


def test_a_channel_that_is_constant_up_to_rounding_over_the_data_set_is_dead():
    """Constant on each image and on all, though not to the last bit; large against its dust."""
    acted, transformed = related(7)
    acted[:, 1] = 1e3 * (1 + 2.0**-23 * torch.randint(0, 2, acted[:, 1].shape))
    found = ChannelCorrelation.empty(5).add(acted, transformed).compute()
    assert found.invariance.isnan().tolist() == [False, True, False, False, False]


def test_a_channel_that_is_constant_on_each_image_but_not_over_them_is_alive():
    acted, transformed = related(8)
    strength = torch.arange(9.0)[:, None, None] + torch.zeros(9, 4, 3)
    acted[:, 0], transformed[:, 0] = strength, 2 * strength + 1
    found = ChannelCorrelation.empty(5).add(acted, transformed).compute()
    assert found.invariance[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("size", [1, 4, 9])
def test_images_that_are_not_finite_are_left_out_and_counted(size):
    acted, transformed = related(9)
    spoilt = acted.clone(), transformed.clone()
    spoilt[0][2, 4, 1, 1] = torch.inf
    spoilt[1][5, 0, 0, 0] = torch.nan
    sums = streamed(*spoilt, size)
    left = [0, 1, 3, 4, 6, 7, 8]
    assert (sums.images, sums.excluded) == (7, 2)
    whole = ChannelCorrelation.empty(5).add(acted[left], transformed[left])
    assert_same(sums.compute(), whole.compute())
    both = sums.merge(sums)
    assert (both.images, both.excluded) == (14, 4)
    nothing = ChannelCorrelation.empty(5).add(*(m * torch.nan for m in spoilt))
    assert (nothing.images, nothing.excluded) == (0, 9)
    assert nothing.compute().invariance.isnan().all()
    assert_same(nothing.merge(sums).compute(), sums.compute(), 0)
    for one, other in ((nothing, sums), (sums, nothing)):
        joined = one.merge(other)
        assert (joined.images, joined.excluded) == (7, 11)


def influences(acted, transformed):
    moved, own = channel_maps(transformed), channel_maps(acted)
    products = []
    if moved.positions > 1:
        both = torch.einsum("npc,npd->ncd", *(m.values - m.offset[:, None] for m in (moved, own)))
        products = list(both.split(150))
    empty = ChannelCorrelation.empty(acted.shape[1])
    return empty.with_products(products, moved, own)


@pytest.mark.parametrize("grid", [(4, 3), (1, 1)])
def test_influences_are_what_is_lost_without_an_image(grid):
    acted, transformed = related(10, count=12, grid=grid)
    sums, found = influences(acted, transformed)
    assert found.shape == (2, 12)
    match = sums.compute().match.tolist()
    whole = reference_pooled_correlation(acted.numpy(), transformed.numpy())
    for image in (0, 7, 11):
        without = reference_pooled_correlation(
            *(np.delete(maps.numpy(), image, 0) for maps in (acted, transformed))
        )
        for form, partners in enumerate((range(5), match)):
            change = [
                whole[own, other] - without[own, other]
                for own, other in zip(range(5), partners, strict=True)
            ]
            assert float(found[form, image]) == pytest.approx(11 * np.mean(change), abs=1e-4)
    assert found.abs().max() > 0.1  # nor is everything zero


def test_influences_of_images_that_are_left_out_and_of_dead_layers():
    acted, transformed = related(11)
    acted[3, 0, 0, 0] = torch.nan
    _, found = influences(acted, transformed)
    assert found.isnan().any(0).tolist() == [image == 3 for image in range(9)]
    _, dead = influences(torch.zeros_like(acted), transformed)
    assert (dead == 0).all()


@pytest.mark.parametrize("grid", [(4, 3), (1, 1)])
def test_errors_are_those_of_the_delete_one_jackknife(grid):
    acted, transformed = related(12, count=200, grid=grid)
    found = ChannelCorrelation.empty(5).add(acted, transformed).compute()
    for channel in range(5):
        oracle = reference_delete_one_error(acted.numpy(), transformed.numpy(), channel, channel)
        assert float(found.invariance_error[channel]) == pytest.approx(oracle, rel=1e-3)
        other = int(found.match[channel])
        assert other == (channel - 1) % 5
        oracle = reference_delete_one_error(acted.numpy(), transformed.numpy(), channel, other)
        assert float(found.equivariance_error[channel]) == pytest.approx(oracle, rel=1e-3)


def test_errors_of_images_that_come_in_blocks():
    """Early blocks are judged by the sums so far: that costs little from two blocks on."""
    acted, transformed = related(13, count=96)
    whole = ChannelCorrelation.empty(5).add(acted, transformed).compute()
    blocks = streamed(acted, transformed, 32).compute()
    assert torch.allclose(blocks.invariance_error, whole.invariance_error, rtol=0.1)
    assert torch.allclose(blocks.equivariance_error, whole.equivariance_error, rtol=0.1)


@pytest.mark.parametrize(("grid", "noise"), [((3, 3), 0.33), ((1, 1), 0.33)])
def test_coverage_of_the_standard_error(grid, noise):
    """Invariance near 0.95 of 50 images: the true value lies within 1.96 errors in 95 % of sets.

    Images share a strength, so positions of an image are not independent.
    """
    generator = torch.Generator().manual_seed(0)

    def draw(count, sets):
        shape = (count, sets, *grid)
        strength = 0.3 + torch.rand(count, sets, 1, 1, generator=generator)
        acted = strength * torch.randn(shape, generator=generator)
        return acted, acted + noise * strength * torch.randn(shape, generator=generator)

    truth = 1 / np.sqrt(1 + noise**2)
    assert 0.94 < truth < 0.96
    # each channel is a set of its own
    found = ChannelCorrelation.empty(600).add(*draw(50, 600)).compute()
    apart = (found.invariance - truth).abs()
    covered = (apart <= 1.96 * found.invariance_error).double().mean()
    assert 0.88 < covered < 0.98, float(covered)
    ratio = found.invariance.std() / found.invariance_error.mean()
    assert 0.85 < ratio < 1.2, float(ratio)


def test_shapes_that_do_not_fit():
    acted, transformed = related(14)
    with pytest.raises(InputError, match="acted has 4 channels, but these sums are over 5"):
        ChannelCorrelation.empty(5).add(acted[:, :4], transformed[:, :4])
    with pytest.raises(
        InputError, match=r"transformed has shape \[9, 5, 4, 3\] but acted has \[3, 5"
    ):
        ChannelCorrelation.empty(5).add(acted[:3], transformed)
    with pytest.raises(InputError, match=r"must be \[B, C, H, W\]"):
        ChannelCorrelation.empty(5).add(acted[0], transformed[0])


@pytest.mark.parametrize("mean", [1.0, -3.0])
@pytest.mark.parametrize(("far", "alive"), [(0.5, False), (0.99, False), (1.01, True), (2.0, True)])
def test_a_channel_is_dead_whose_deviations_are_within_the_rounding_of_its_values(mean, far, alive):
    """Deviations d from a mean m are none if d² ≤ r² (d² + m²), r four units of float32."""
    images, positions = 3, 4
    deviation = far * resolution(torch.float32) * abs(mean)
    squares = torch.full((2, 1), images * positions * deviation**2, dtype=torch.float64)
    means = torch.full((2, 1), mean, dtype=torch.float64)
    sums = ChannelCorrelation(
        images, 0, positions, means, squares, squares[:1].float(), torch.zeros_like(means)
    )
    assert (sums.compute().match.tolist() == [0]) == alive
    maps = torch.full((images, 1, 2, 2), mean, dtype=torch.float64)
    maps[:, :, 0] += deviation
    maps[:, :, 1] -= deviation
    assert bool(channel_invariance(maps, maps).isfinite().all()) == alive


def test_no_image_moves_a_correlation_by_more_than_it_can():
    """Of three images one has nearly all of the variation: without it rounding is left."""
    draw = torch.Generator().manual_seed(1)
    maps = torch.randn(3, 4, 2, 2, generator=draw)
    maps = torch.cat([1e-7 * maps[:2], 1e3 * maps[2:]])
    moved = maps + 1e-3 * maps.roll(1, 1)
    sums, influences = ChannelCorrelation.empty(4), []
    for number in range(3):
        one = channel_maps(moved[number : number + 1]), channel_maps(maps[number : number + 1])
        sums, own = sums.with_products([products_module.covariances(*one)], *one)
        influences.append(own)
    # (n - 1)(r - r_i) of correlations in [-1, 1]
    assert torch.cat(influences, 1).abs().max() <= 2 * 2 + 1e-6
