"""Designed symmetry (002 §4.1, figure 3): does the measure find what is known to be there?

Two networks of three convolutions. With isotropic Gaussian filters every channel is
rotation-invariant. With a corner of each filter cut off, and the four channels of a layer one
filter in its four quarter turns, no channel is invariant, but each finds its partner: equivariance
1. Expected: exactly that, in each layer, for each image.

    invariscope study run designed-symmetry --preset laptop
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from invariscope.models.twin import drawing
from invariscope.results import Result
from invariscope.studies.claims import ClaimResult, above, decide
from invariscope.studies.claims.evidence import over_images, share
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper002.parts import METRICS

LAYERS = ("conv1", "conv2", "conv3")
INVARIANT, EQUIVARIANT = "isotropic_network", "corner_cut_network"
_EXACT = 1 - 1e-5
_KERNEL = 5


@dataclass(frozen=True)
class Settings:
    """Says what the study is run with.

    Args:
        data: Images, of any size.
        num_images: How many.
        size: Side to which they are resized.
    """

    data: str = "samples"
    num_images: int = 64
    size: int = 64


@study(
    "designed-symmetry",
    paper="002 §4.1",
    question="Does the measure find the symmetry that two networks are built to have?",
    expected="Invariance 1 in one of them; equivariance 1, but not invariance, in the other.",
    cost={"smoke": "2 s", "laptop": "13 s", "paper": "1 min on a CPU"},
    presets={
        "smoke": Settings(num_images=24, size=33),
        "laptop": Settings(),
        "paper": Settings(num_images=192, size=224),
    },
)
def designed_symmetry(lab: Lab, settings: Settings) -> Findings:
    """Measures both networks under quarter turns."""
    results = lab.measure(
        [f"python:{__name__}:{name}" for name in (INVARIANT, EQUIVARIANT)],
        settings.data,
        groups=["C4"],
        metrics=list(METRICS),
        layers=list(LAYERS),
        num_images=settings.num_images,
        preprocessing={"size": settings.size},
    )
    table = pd.concat([_of_images(result) for result in results], ignore_index=True)
    about = f"two networks of three layers on {settings.num_images} images of {settings.data}"
    summary = table.groupby(["network", "layer", "metric"], as_index=False)["value"].agg(
        ["min", "mean", "max"]
    )
    return Findings(tables={"layers": summary}, claims=[symmetry_claim(table, about)])


def symmetry_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """002.c2: 1 to 1e-5 where it is designed, and not for most images where it is not."""
    parts = []
    for network, metric in ((INVARIANT, METRICS[0]), (EQUIVARIANT, METRICS[1])):
        for layer in LAYERS:
            values = _values(table, network, layer, metric)
            parts.append(above(over_images(values), _EXACT, name=f"{metric}, {network}, {layer}"))
    for layer in LAYERS:
        values = _values(table, EQUIVARIANT, layer, METRICS[0])
        defined = values[np.isfinite(values)]
        inexact = share(int((defined < _EXACT).sum()), len(defined), unit="images")
        name = f"{METRICS[0]}, {EQUIVARIANT}, {layer}: images where it is not exact"
        parts.append(above(inexact, 0.5, name=name))
    return decide(
        "002.c2", parts, ran_on=ran_on, note="Of each image, the turn at which it is lowest counts."
    )


def isotropic_network(channels: int = 6, seed: int = 0) -> nn.Sequential:
    """Isotropic Gaussian filters of random widths, randomly mixed."""
    draw = torch.Generator().manual_seed(seed)
    filters = []
    for inputs in (3, channels, channels):
        mix = torch.randn(channels, inputs, 1, 1, generator=draw)
        filters.append(mix * _gaussians(0.5 + torch.rand(channels, inputs, generator=draw)))
    return _network(filters)


def corner_cut_network(seed: int = 0) -> nn.Sequential:
    """A Gaussian without a corner in its four quarter turns.

    Channel r reads channel s as channel 0 reads channel s − r: the mix is a circulant.
    """
    draw = torch.Generator().manual_seed(seed)
    cut = _gaussians(torch.tensor([[1.5]]))[0, 0]
    cut[: _KERNEL // 2, _KERNEL // 2 + 1 :] = 0.0
    filters = []
    for number in range(len(LAYERS)):
        mix = torch.randn(4 if number else 3, generator=draw)
        turned = [
            (mix.roll(turns) if number else mix)[:, None, None] * cut.rot90(turns, (0, 1))
            for turns in range(4)
        ]
        filters.append(torch.stack(turned))
    return _network(filters)


def _gaussians(widths: Tensor) -> Tensor:
    """Filters [output, input, side, side] with these standard deviations, of sum 1."""
    offset = torch.arange(_KERNEL) - _KERNEL // 2
    squared = (offset[:, None] ** 2 + offset[None, :] ** 2).float()
    filters = torch.exp(-squared / (2 * widths[..., None, None] ** 2))
    return filters / filters.sum((2, 3), keepdim=True)


def _network(filters: Sequence[Tensor]) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    with drawing(0):
        for name, weight in zip(LAYERS, filters, strict=True):
            outputs, inputs = weight.shape[:2]
            convolution = nn.Conv2d(inputs, outputs, _KERNEL, padding="same", bias=False)
            convolution.weight.data = weight
            parts[name], parts[f"{name}_relu"] = convolution, nn.ReLU()
        parts["pool"], parts["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        parts["head"] = nn.Linear(filters[-1].shape[0], 10)
    return nn.Sequential(parts).eval()


def _of_images(result: Result) -> pd.DataFrame:
    """The least value over the turns for each image, layer and measure."""
    rows = result.rows
    rows = rows[(rows["control"] == "") & rows["metric"].isin(METRICS)]
    rows = rows[rows["layer"].isin(LAYERS) & (rows["cell"] != "identity")]
    by = ["layer", "metric", "image"]
    table = rows.groupby(by, observed=True, as_index=False)["value"].min()
    return table.assign(network=str(result.manifest["settings"]["model"]).rpartition(":")[2])


def _values(table: pd.DataFrame, network: str, layer: str, metric: str):
    chosen = (table["network"] == network) & (table["layer"] == layer)
    return table[chosen & (table["metric"] == metric)]["value"].to_numpy()
