"""A C8-equivariant network of e2cnn, as paper 003 has it for rotated digits (reference facts, §3).

Six convolutions over regular fields, antialiased pooling, pooling over the group, two fully
connected layers. The side is odd (29): with an even one the strides would break the quarter turns.
Building it skips the test where e2cnn is not installed; give such tests `marks`.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from invariscope.models import Probe, load_model

SIDE = 29
WIDTHS = (24, 48, 48, 96, 96, 64)  # of the reference; a small network is quick, and as equivariant
SMALL = (3, 4, 4, 6, 6, 8)
KERNELS = ((7, 1), (5, 2), (5, 2), (5, 2), (5, 2), (5, 1))  # side, padding

# What torch says of e2cnn 0.2.3, its last release, while a network is built.
_OUTDATED = ("indexing with dtype torch.uint8", "torch.meshgrid")
marks = [pytest.mark.filterwarnings(f"ignore:{text}:UserWarning") for text in _OUTDATED]


class C8Network(nn.Module):
    """[image, 1, 29, 29] to ten classes."""

    def __init__(self, widths: tuple[int, ...] = SMALL):
        super().__init__()
        steerable: Any = pytest.importorskip("e2cnn.nn")
        space = pytest.importorskip("e2cnn.gspaces").Rot2dOnR2(N=8)
        kind = self.input_type = steerable.FieldType(space, [space.trivial_repr])
        blocks: list[Any] = []
        for number, (width, (kernel, padding)) in enumerate(zip(widths, KERNELS, strict=True)):
            given, kind = kind, steerable.FieldType(space, width * [space.regular_repr])
            parts = [steerable.MaskModule(given, SIDE, margin=1)] if number == 0 else []
            parts += [
                steerable.R2Conv(given, kind, kernel_size=kernel, padding=padding, bias=False),
                steerable.InnerBatchNorm(kind),
                steerable.ReLU(kind, inplace=True),
            ]
            if number in (1, 3):
                parts.append(steerable.PointwiseAvgPoolAntialiased(kind, sigma=0.66, stride=2))
            blocks.append(steerable.SequentialModule(*parts))
        self.blocks = nn.ModuleList(blocks)
        self.pool: Any = steerable.PointwiseAvgPoolAntialiased(
            kind, sigma=0.66, stride=1, padding=0
        )
        self.group_pool: Any = steerable.GroupPooling(kind)
        self.classify = nn.Sequential(
            nn.Linear(widths[-1], 64), nn.BatchNorm1d(64), nn.ELU(), nn.Linear(64, 10)
        )
        self.wrap = steerable.GeometricTensor

    def forward(self, images: Tensor) -> Tensor:
        maps = self.wrap(images, self.input_type)
        for block in self.blocks:
            maps = block(maps)
        return self.classify(self.group_pool(self.pool(maps)).tensor.flatten(1))


def c8_network(seed: int = 0, widths: tuple[int, ...] = SMALL) -> C8Network:
    """The network with random weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return C8Network(widths).eval()


def c8_probe(seed: int = 0, widths: tuple[int, ...] = SMALL) -> Probe:
    """The network as a probe; its layers say their fields themselves. Images of 29 × 29."""
    return load_model(c8_network(seed, widths), preprocessing={"size": SIDE, "channels": 1})
