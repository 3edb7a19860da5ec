"""DenseNet-121 for small images (Huang et al. 2017): ``densenet121?growth=32``.

Dense blocks of 6, 12, 24 and 16 bottleneck layers (1×1 to 4 k channels, then 3×3 to k; batch norm
and ReLU before each), transitions that halve channels and side, a 3×3 stem of stride 1 with 2 k
channels and no max-pooling. Growth k = 32 gives 6.96 M parameters at 10 classes. **The published
code of paper 004 calls "DenseNet-121" the network with k = 12 (1.0 M): ``growth=12``.** The width
is a factor on k.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from invariscope.models.small.architecture import SMALL, Shape, SmallArchitecture

_BLOCKS = (6, 12, 24, 16)
_BOTTLENECK = 4


class DenseLayer(nn.Module):
    """The input with k further channels.

    Example:
        >>> DenseLayer(5, 3)(torch.zeros(1, 5, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, inputs: int, growth: int):
        super().__init__()
        inner = _BOTTLENECK * growth
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def forward(
        self, maps: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image more height width"]:
        """Maps to more maps."""
        inner = self.conv1(functional.relu(self.norm1(maps)))
        return torch.cat([maps, self.conv2(functional.relu(self.norm2(inner)))], dim=1)


class _Transition(nn.Module):
    """Half the channels, half the side."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.pool = nn.AvgPool2d(2, ceil_mode=True)

    def forward(self, maps: Tensor) -> Tensor:
        return self.pool(self.conv(functional.relu(self.norm(maps))))


class DenseNetwork(nn.Module):
    """Dense blocks with transitions in between, global average, linear map."""

    def __init__(self, shape: Shape):
        super().__init__()
        growth = shape.scaled(round(shape.options["growth"]))
        channels = 2 * growth
        self.conv = nn.Conv2d(shape.channels, channels, 3, padding=1, bias=False)
        self.blocks = nn.Sequential()
        self.transitions = nn.ModuleList()
        for number, layers in enumerate(_BLOCKS):
            block = [DenseLayer(channels + index * growth, growth) for index in range(layers)]
            channels += layers * growth
            self.blocks.append(nn.Sequential(*block))
            if number < len(_BLOCKS) - 1:
                self.transitions.append(_Transition(channels, channels // 2))
                channels //= 2
        self.norm = nn.BatchNorm2d(channels)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(channels, shape.classes)

    def forward(
        self, images: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image output"]:
        """Maps normalised images to logits."""
        maps = self.conv(images)
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number < len(self.transitions):
                maps = self.transitions[number](maps)
        return self.classify(self.pool(functional.relu(self.norm(maps))).flatten(1))


SMALL.add("densenet121", SmallArchitecture(DenseNetwork, options={"growth": 32}))
