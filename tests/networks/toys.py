"""Networks of which the answer is known: the toys of paper 002, and a constant model.

All take [image, 3, height, width], have three convolutions of stride 1 (``conv1`` … ``conv3``), a
global mean and ten classes. The weights are random, of a seed.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Borders = Literal["zeros", "circular"]
KERNEL = 5
LAYERS = ("conv1", "conv2", "conv3")


class Lay(nn.Module):
    """Puts out what a function makes of a map."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, maps):
        return self.function(maps)


def isotropic_network(seed: int = 0, channels: int = 6) -> nn.Sequential:
    """Isotropic Gaussian filters, zero borders: invariance 1 in every layer under quarter turns."""
    draw = torch.Generator().manual_seed(seed)
    filters = []
    for inputs in (3, channels, channels):
        mix = torch.randn(channels, inputs, 1, 1, generator=draw)
        widths = 0.5 + torch.rand(channels, inputs, generator=draw)
        filters.append(mix * _gaussians(widths))
    return _network(filters, torch.randn(10, channels, generator=draw), padding_mode="zeros")


def corner_cut_network(seed: int = 0) -> nn.Sequential:
    """The same with a corner of each filter cut off: equivariance 1, invariance below 1.

    The four channels of a layer are one filter in its four quarter turns. For the later layers to
    be exactly equivariant too, channel r must read channel s as channel 0 reads channel s − r: the
    mix is a circulant, and what it mixes is turned by r.
    """
    draw = torch.Generator().manual_seed(seed)
    filters = []
    for number in range(3):
        cut = _gaussians(torch.tensor([[1.5]]))[0, 0]
        cut[: KERNEL // 2, KERNEL // 2 + 1 :] = 0.0
        mix = torch.randn(4 if number else 3, generator=draw)
        turned = [
            (mix.roll(turns) if number else mix)[:, None, None] * cut.rot90(turns, (0, 1))
            for turns in range(4)
        ]
        filters.append(torch.stack(turned))
    return _network(filters, torch.randn(10, 4, generator=draw), padding_mode="zeros")


def circular_network(seed: int = 0, channels: int = 6) -> nn.Sequential:
    """Random filters, circular borders: a circular shift of the image shifts every map."""
    draw = torch.Generator().manual_seed(seed)
    filters = [
        torch.randn(channels, inputs, KERNEL, KERNEL, generator=draw) / KERNEL
        for inputs in (3, channels, channels)
    ]
    return _network(filters, torch.randn(10, channels, generator=draw), padding_mode="circular")


def constant_network(channels: int = 6) -> nn.Sequential:
    """No weight but biases: every map and every output is the same whatever the image is."""
    filters = [torch.zeros(channels, inputs, KERNEL, KERNEL) for inputs in (3, channels, channels)]
    model = _network(filters, torch.zeros(10, channels), padding_mode="zeros", biases=True)
    with torch.no_grad():
        for number, part in enumerate(part for part in model if hasattr(part, "bias")):
            bias = part.bias
            assert isinstance(bias, Tensor)
            bias.copy_(torch.linspace(-1, 1, len(bias)) + number)
    return model


def feature_maps(model: nn.Sequential, images: Tensor) -> dict[str, Tensor]:
    """The output of each convolution, by its name."""
    maps = {}
    for name, part in model.named_children():
        images = part(images)
        if name in LAYERS:
            maps[name] = images.clone()
    return maps


def _gaussians(widths: Tensor) -> Tensor:
    """Filters [output, input, side, side] with these standard deviations, of sum 1."""
    place = torch.arange(KERNEL) - KERNEL // 2
    squared = (place[:, None] ** 2 + place[None, :] ** 2).float()
    filters = torch.exp(-squared / (2 * widths[..., None, None] ** 2))
    return filters / filters.sum((2, 3), keepdim=True)


def _network(
    filters: Sequence[Tensor], head: Tensor, *, padding_mode: Borders, biases: bool = False
) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):  # the layers draw weights, which are then replaced
        for number, weight in enumerate(filters, 1):
            outputs, inputs = weight.shape[:2]
            convolution = nn.Conv2d(
                inputs, outputs, KERNEL, padding="same", padding_mode=padding_mode, bias=biases
            )
            convolution.weight.data = weight
            parts[f"conv{number}"] = convolution
            parts[f"relu{number}"] = nn.ReLU()
        parts["pool"], parts["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        linear = nn.Linear(head.shape[1], head.shape[0], bias=biases)
        linear.weight.data = head
        parts["head"] = linear
    return nn.Sequential(parts).eval()
