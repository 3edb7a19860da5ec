"""Networks whose answer is known, through a whole sweep: what must come out exactly."""

from typing import Any

import numpy as np
import torch
from torch import nn

import invariscope
from invariscope.metrics import METRICS
from invariscope.transformations import Resampling
from networks.toys import (
    LAYERS,
    circular_network,
    constant_network,
    corner_cut_network,
    isotropic_network,
)


def pictures(count=4, side=12):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def sweep(model, **more: Any):
    settings: dict[str, Any] = {
        "groups": "C4", "layers": ",".join(LAYERS), "workers": 0,
        "metrics": "channel_invariance,channel_equivariance", **more,
    }  # fmt: skip
    return invariscope.measure(model, pictures(), **settings)


def values(result, metric, layers=LAYERS):
    frame = result.frame[(result.frame.metric == metric) & result.frame["class"].isna()]
    frame = frame[frame.layer.isin(layers) & (frame.level > 0)]
    assert len(frame) >= len(layers)
    assert (frame.n >= 3).all()  # a picture may be dark to all filters of a toy
    return frame.value.to_numpy()


def test_isotropic_filters_are_invariant():
    result = sweep(isotropic_network())
    for metric in ("channel_invariance", "channel_invariance:pooled"):
        assert np.allclose(values(result, metric), 1, rtol=0, atol=1e-5)


def test_corner_cut_filters_are_equivariant_and_permuted_as_known():
    """Under a quarter turn channel r answers as channel r − 1 did, turned."""
    result = sweep(corner_cut_network())
    for metric in ("channel_equivariance", "channel_equivariance:pooled"):
        assert np.allclose(values(result, metric), 1, rtol=0, atol=1e-5)
    for metric in ("channel_invariance", "channel_invariance:pooled"):
        assert (values(result, metric) < 0.99).all()
    table = result.channels
    assert table is not None
    table = table[(table.control == "") & table.layer.isin(LAYERS)]
    for quarters, cell in enumerate(("rotate=90", "rotate=180", "rotate=270"), 1):
        for layer in LAYERS:
            part = table[(table.cell == cell) & (table.layer == layer)]
            assert part.match.tolist() == [(r - quarters) % 4 for r in range(4)]
            assert part.exact.all()


def test_circular_convolutions_follow_circular_shifts():
    result = sweep(
        circular_network(), groups="shift(1..3)", resampling=Resampling(border="circular")
    )
    for metric in ("channel_equivariance", "channel_invariance:pooled"):
        assert np.allclose(values(result, metric), 1, rtol=0, atol=1e-5)


def test_a_constant_model_is_dead_and_said_to_be():
    left_out = ("vectors", "derivative")
    names = [name for name in METRICS if METRICS.get(name).kind not in left_out]
    result = sweep(constant_network(), metrics=names)
    for metric in ("latent_eed", "softmax_eed"):
        layers = ("logits",) if metric == "softmax_eed" else (*LAYERS, "embedding", "logits")
        assert (values(result, metric, layers) == 0).all()
    assert (values(result, "dead_channels") == 1).all()
    assert np.allclose(values(result, "channel_invariance:cosine"), 1, rtol=0, atol=1e-6)
    frame = result.frame[result.frame["class"].isna()]
    identity = frame[(frame.level == 0) & (frame.metric == "channel_invariance:cosine")]
    assert (identity.value == 1).all()
    dead = frame[frame.metric.isin(["channel_invariance", "channel_equivariance:pooled"])]
    dead = dead[dead.layer.isin(LAYERS)]
    assert len(dead)
    assert (dead.n == 0).all()
    assert (dead.n_undefined == 4).all()
    assert dead.value.isna().all()
    assert np.isfinite(frame.value[frame.n > 0]).all()
    table = result.channels
    assert table is not None
    assert (table.match == -1).all()
    assert table.invariance.isna().all()


class Permuting(nn.Module):
    """Looks at the picture, or at its mirror image with the channels in another order."""

    def __init__(self, order):
        super().__init__()
        torch.manual_seed(0)
        self.look = nn.Conv2d(3, len(order), 3, padding=1)
        self.order = order
        self.answer = nn.Identity()

    def forward(self, x):
        bright = x[..., : x.shape[-1] // 2].mean((1, 2, 3)) > x.mean((1, 2, 3))
        one, other = self.look(x), self.look(x.flip(3)).flip(3)[:, self.order]
        return self.answer(torch.where(bright[:, None, None, None], one, other)).mean((2, 3))


def test_a_random_permutation_of_channels_is_found():
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    images = pictures(6)
    images[:, :, :6] //= 2
    images[:, :, 6:] = 128 + images[:, :, 6:] // 2  # the right half is brighter
    result = invariscope.measure(
        Permuting(order), images, groups="flip", metrics="channel_equivariance",
        layers="answer", workers=0,
    )  # fmt: skip
    table = result.channels
    assert table is not None
    table = table[(table.control == "") & (table.layer == "answer")]
    inverse = order.argsort()
    assert table.match.tolist() == inverse.tolist()
    assert np.allclose(table.equivariance, 1, rtol=0, atol=1e-5)
    rows = result.rows[(result.rows.layer == "answer") & (result.rows.control == "")]
    assert np.allclose(rows.value[rows.metric == "channel_equivariance"], 1, rtol=0, atol=1e-5)


class Poisoned(nn.Module):
    """Gives NaN for one image."""

    def forward(self, x):
        out = x.mean((2, 3)) @ torch.tensor([[1.0, 2, 0], [0, 1, 1], [3, 0, 1]])
        return torch.where(x[:, :1, 0, 0] == 1, torch.nan, out)


def test_an_image_that_is_not_finite_takes_no_value_of_others():
    images = pictures(6)
    images[..., 0] = images[..., 0] // 2
    poisoned = images.copy()
    poisoned[2, 0, 0, 0] = 255
    orders = {"groups": "flip_vertical", "workers": 0}
    metrics = "latent_eed,latent_eed:cosine,normalized_variance,channel_invariance:pooled"
    result = invariscope.measure(Poisoned(), poisoned, metrics=metrics, **orders)
    alone = invariscope.measure(Poisoned(), np.delete(images, 2, 0), metrics=metrics, **orders)
    keys = ["metric", "transformation", "level", "layer"]
    both = result.frame.merge(alone.frame, on=keys)
    assert len(both) == len(alone.frame) > 5
    assert np.allclose(both.value_x, both.value_y, rtol=0, atol=1e-5, equal_nan=True), both
    assert (both.n_x == both.n_y).all()
    assert (both.n_undefined_x == both.n_undefined_y + 1).all()
