"""What a run says of the way in which its network is computed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.errors import InputError
from invariscope.models.state_hash import hash_state

PIXELS = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    net = nn.Sequential(*body, nn.Flatten(), nn.Linear(6, 3))
    with torch.no_grad():
        for _ in range(3):
            net(PIXELS * 2)
    return net.eval()


def measured(net=None, **settings):
    net = network() if net is None else net
    how: dict[str, Any] = {"transformations": "rotate=90/45", "layers": "embedding", **settings}
    return invariscope.measure(net, PIXELS, **how)


def test_a_folded_run_has_the_numbers_of_the_plain_one_and_another_identity():
    folded, plain = measured(twin=True), measured(twin=True, fold=False)
    said = {"batch_norms_folded": 1, "amp": None, "compiled": False}
    assert folded.manifest["settings"]["arithmetic"] == said
    assert plain.manifest["settings"]["arithmetic"] == {**said, "batch_norms_folded": 0}
    assert folded.manifest["settings"]["twin_arithmetic"]["batch_norms_folded"] == 1
    assert folded.manifest["settings"]["weights"] == plain.manifest["settings"]["weights"]
    assert folded.manifest["identity"] != plain.manifest["identity"]
    said = folded.manifest["decisions"]["batch norms"]
    assert said == "1 of 1 folded into the convolutions before them"
    np.testing.assert_allclose(folded.frame["value"], plain.frame["value"], rtol=1e-4, atol=1e-5)
    assert not folded.frame["value"].equals(plain.frame["value"])


def test_what_is_watched_is_not_folded():
    result = measured(layers="0,1", metrics="relative_invariance,channel_equivariance")
    plain = measured(layers="0,1", metrics="relative_invariance,channel_equivariance", fold=False)
    assert result.manifest["settings"]["arithmetic"]["batch_norms_folded"] == 0
    assert result.frame["value"].equals(plain.frame["value"])


def test_derivatives_and_maps_of_a_folded_network_are_those_of_the_plain_one():
    how = {"metrics": "lie_derivative,channel_equivariance", "layers": "2"}
    folded, plain = measured(**how), measured(**how, fold=False)
    assert folded.manifest["settings"]["arithmetic"]["batch_norms_folded"] == 1
    np.testing.assert_allclose(folded.frame["value"], plain.frame["value"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("amp", [None, "bf16"])
def test_the_users_module_is_as_it_was(amp):
    net = network()
    before, parts = hash_state(net.state_dict()), list(net.modules())
    measured(net, amp=amp, twin=True)
    assert hash_state(net.state_dict()) == before
    assert list(net.modules()) == parts
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in parts)


def test_a_run_in_bf16_is_another_run_of_nearly_the_same_numbers(tmp_path):
    plain, coarse = measured(), measured(amp="bf16", output=tmp_path)
    assert coarse.manifest["settings"]["arithmetic"]["amp"] == "bf16"
    assert coarse.manifest["identity"] != plain.manifest["identity"]
    apart = (coarse.frame["value"] - plain.frame["value"]).abs()
    assert 0 < apart.median() < 0.02
    with pytest.raises(
        InputError, match=r"other settings: arithmetic\.amp is .bf16. in its manifest"
    ):
        measured(output=tmp_path)


def test_derivatives_are_refused_in_bf16():
    with pytest.raises(InputError, match="lie_derivative differentiates the network, for which"):
        measured(amp="bf16", metrics="lie_derivative", layers="last")


def test_a_search_is_folded_and_says_so():
    data = torch.rand(8, 3, 16, 16), [0, 0, 0, 0, 1, 1, 1, 1]
    found = invariscope.find_factors(network(), data, operations="rotate=90")
    plain = invariscope.find_factors(network(), data, operations="rotate=90", fold=False)
    settings = found.manifest["settings"]
    assert settings["arithmetic"]["batch_norms_folded"] == 1
    assert found.manifest["identity"] != plain.manifest["identity"]
    names = ["statistic", "ci_low", "ci_high"]
    np.testing.assert_allclose(found.factors[names], plain.factors[names], rtol=1e-3, atol=1e-4)
    coarse = invariscope.find_factors(network(), data, operations="rotate=90", amp="bf16")
    assert coarse.manifest["settings"]["arithmetic"]["amp"] == "bf16"


def test_a_compiled_run_says_so_and_derivatives_are_refused(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda module: module)
    compiled, plain = measured(compile=True), measured()
    assert compiled.manifest["settings"]["arithmetic"]["compiled"]
    assert compiled.manifest["identity"] != plain.manifest["identity"]
    np.testing.assert_allclose(compiled.frame["value"], plain.frame["value"], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="in forward mode, and a compiled one cannot be"):
        measured(compile=True, metrics="lie_derivative", layers="last")


class Pooling(nn.Module):
    """Has nothing that bfloat16 would change."""

    def __init__(self):
        super().__init__()
        self.maps = nn.AvgPool2d(2)
        self.head = nn.Flatten()

    def forward(self, x):
        return self.head(self.maps(x))


def test_what_is_compared_in_hooks_is_not_rounded_to_bf16():
    how = {"layers": "maps", "metrics": "channel_equivariance,channel_eed,relative_invariance"}
    how |= {"preprocessing": {"mean": 0.0, "std": 1.0}, "task": "embedding"}
    net = nn.Sequential(Pooling(), nn.Linear(192, 3))  # the amp needs weights of float32
    coarse, plain = (measured(net, **how | {"layers": "0.maps", "amp": a}) for a in ("bf16", None))
    keys = ["image", "cell", "layer", "metric", "control"]
    both = plain.rows.merge(coarse.rows, on=keys, suffixes=("", "_coarse"))
    maps = both[both.layer == "0.maps"]
    assert maps.metric.nunique() == 5
    np.testing.assert_allclose(maps.value, maps.value_coarse, rtol=1e-5, atol=1e-6)
