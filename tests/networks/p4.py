"""A small network of group convolutions over C4, our own: exact at 90, 180 and 270 degrees.

A channel is (o, r): the answer to filter o, turned counter-clockwise by r quarter turns; the four
of a filter follow one another. A later layer reads (i, s) with the filter of (i, s − r), turned by
r quarter turns. So what turns the picture by one quarter turns every map and moves (o, r) to
(o, r + 1). Strides and sides are odd-to-odd (29 → 15): an even side would break the symmetry.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from invariscope.models import Probe, load_model

SIDE = 29
FIELDS = {"lift": 4, "conv*": 4, "pool": 4}


class Lift(nn.Module):
    """Image to fields: each filter in its four quarter turns."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) / inputs**0.5)
        self.bias = nn.Parameter(torch.randn(outputs) / 10)

    def forward(self, images: Tensor) -> Tensor:
        turned = [self.weight.rot90(turns, (2, 3)) for turns in range(4)]
        filters = torch.stack(turned, 1).flatten(0, 1)
        return functional.conv2d(images, filters, self.bias.repeat_interleave(4), padding="same")


class GroupConvolution(nn.Module):
    """Fields to fields; `weight` is [output, input, element, row, column]."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1):
        super().__init__()
        shape = (outputs, inputs, 4, kernel, kernel)
        self.weight = nn.Parameter(torch.randn(shape) / (4 * inputs) ** 0.5)
        self.bias = nn.Parameter(torch.randn(outputs) / 10)
        self.stride, self.padding = stride, kernel // 2

    def forward(self, maps: Tensor) -> Tensor:
        turned = [self.weight.roll(turns, 2).rot90(turns, (3, 4)) for turns in range(4)]
        filters = torch.stack(turned, 1).flatten(2, 3).flatten(0, 1)
        bias = self.bias.repeat_interleave(4)
        return functional.conv2d(maps, filters, bias, self.stride, self.padding)


class P4Network(nn.Module):
    """Three group convolutions; pooled over the positions, then over the group; ten classes."""

    def __init__(self, widths: tuple[int, int, int] = (4, 6, 8)):
        super().__init__()
        first, second, third = widths
        self.lift = Lift(3, first)
        self.conv1 = GroupConvolution(first, second, stride=2)
        self.conv2 = GroupConvolution(second, third)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(third, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.lift(images).relu()
        maps = self.conv1(maps).relu()
        maps = self.conv2(maps).relu()
        invariant = self.pool(maps).flatten(1).unflatten(1, (-1, 4)).amax(2)
        return self.head(invariant)


def p4_network(seed: int = 0, dtype: torch.dtype = torch.float32) -> P4Network:
    """The network with random weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return P4Network().to(dtype).eval()


def p4_probe(seed: int = 0) -> Probe:
    """The network as a probe, its fields declared; images of 29 × 29."""
    return load_model(p4_network(seed), preprocessing={"size": SIDE}, fields=FIELDS)
