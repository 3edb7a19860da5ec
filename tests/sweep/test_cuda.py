"""What would differ on CUDA, on a device that is only pretended: see `pretended_cuda`."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.metrics import METRICS
from pretended_cuda import Far, pretended_cuda


class Small(nn.Module):
    """Two layers of maps, on pictures of 24 × 24."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1),
            nn.BatchNorm2d(4),
            nn.GELU(),
            nn.Conv2d(4, 6, 3),
            nn.GELU(),
        )
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.body(4 * (x - 0.4)).mean((2, 3)))


def pictures(count=12):
    coarse = np.random.default_rng(0).integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2), [index % 3 for index in range(count)]


def measured(device: str, **how: Any):
    settings: dict[str, Any] = {"layers": "body.0,body.4", "workers": 0, "model": Small(), **how}
    return invariscope.measure(images=pictures(), device=device, **settings)


def assert_same(one, other):
    keys = ["image", "cell", "layer", "metric", "control"]
    both = one.rows.merge(other.rows, on=keys, suffixes=("", "_other"))
    assert len(both) == len(one.rows) == len(other.rows)
    apart = ~np.isclose(both.value, both.value_other, rtol=1e-4, atol=2e-5, equal_nan=True)
    assert not apart.any(), both[apart]


@pytest.mark.parametrize(
    "how",
    [
        {
            "transformations": "rotate=20/40,saturation=0.5,posterize=3",
            "groups": "C4,flip",
            "metrics": [name for name in METRICS if not name.startswith("lie")],
            "twin": True,
            "floor": True,
        },
        {
            "groups": "C4",
            "metrics": "channel_equivariance",
            "inexact": "skip",
            "batch_size": 5,
        },
        {
            "transformations": "rotate,zoom_in,contrast_up",
            "metrics": "lie_derivative,lie_derivative:relative,lie_derivative:softmax",
        },
    ],
)
def test_a_sweep_on_the_device_has_the_numbers_of_the_cpu(how):
    here = measured("cpu", **how)
    with pretended_cuda():
        there = measured("cuda", **how)
    assert there.manifest["environment"]["device"].startswith("cuda")
    assert_same(here, there)


def test_channels_of_a_group_convolution_are_permuted_there_too():
    from invariscope.models import load_model

    def turned(device):
        probe = load_model(Small(), fields={"body.4": 3, "body.0": 4})
        return measured(device, model=probe, groups="C4", metrics="channel_eed")

    here = turned("cpu")
    with pretended_cuda():
        there = turned("cuda")
    assert_same(here, there)


def test_a_search_for_factors():
    def found(device):
        return invariscope.find_factors(
            Small(), pictures(), device=device, workers=0, operations="singles"
        )

    here = found("cpu")
    with pretended_cuda():
        there = found("cuda")
    one, other = here.frame, there.frame
    assert one[["class", "operation"]].equals(other[["class", "operation"]])
    numbers = one.select_dtypes("number").columns
    np.testing.assert_allclose(one[numbers], other[numbers], rtol=1e-4, atol=1e-5)


def test_a_run_that_is_resumed_and_a_cache(tmp_path):
    how = {"transformations": "rotate=20/40", "metrics": "channel_equivariance,latent_eed"}
    how |= {"groups": "C4", "output": tmp_path / "run"}
    here = measured("cpu", **{**how, "output": None})
    with pretended_cuda():
        assert_same(here, measured("cuda", **how))
        (tmp_path / "run" / "rows" / "block-00000.parquet").unlink(missing_ok=True)
        assert_same(here, measured("cuda", **how))
        kept = {"transformations": "rotate=20/40", "cache": tmp_path / "cache"}
        first, again = measured("cuda", **kept), measured("cuda", **kept)
    assert again.manifest["execution"]["forward_passes"] == 0
    assert_same(first, again)


@pytest.mark.parametrize("transformations", ["paper", "published"])
def test_transforms2d_is_made_there(transformations):
    from invariscope.data import open_source

    spec = f"transforms2d:shapes?transformations={transformations}&backgrounds=drawn&num=64"
    source = open_source(spec)
    with pretended_cuda():
        made = source.pixels(range(64), "cuda")
    assert isinstance(made, Far)
    here = source.pixels(range(64))
    assert here is not None
    assert torch.equal(made.as_subclass(torch.Tensor), here)


def test_the_pretended_device_refuses_what_a_real_one_refuses():
    plain = torch.ones(3)
    with pretended_cuda():
        there = torch.ones(3, device="cuda")
        assert there.device.type == "cuda"
        with pytest.raises(RuntimeError, match="same device"):
            torch.add(there, plain)
        with pytest.raises(RuntimeError, match="same device"):
            torch.add(plain[there.long() - 1], 0)
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        with pytest.raises(RuntimeError, match="same device"):
            nn.Linear(3, 2)(there)
        assert (there + torch.tensor(1.0)).device.type == "cuda"
        assert there[torch.tensor([0])].device.type == "cuda"
        assert there.cpu().numpy().tolist() == [1, 1, 1]
        assert nn.Linear(3, 2).to("cuda")(there).device.type == "cuda"
