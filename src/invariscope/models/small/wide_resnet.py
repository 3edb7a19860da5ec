"""Wide residual networks of 40 layers (Zagoruyko and Komodakis 2016): ``wide_resnet40?width=s``.

A 3×3 stem of 16 channels, three stages of six blocks with 16 s, 32 s and 64 s channels, batch norm
and ReLU before each convolution, a 1×1 convolution of the pre-activated input where the shape
changes. Parameters at 10 classes: 0.56 M (s = 1), 2.2 M (2), 8.9 M (4), 35.7 M (8), as the paper's
table 6 has them. Paper 002 (§4.5) measures s = 1, 2, 4, 8. The stem keeps its 16 channels.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from invariscope.models.small.architecture import SMALL, Shape, SmallArchitecture
from invariscope.models.small.residual import draw_for_relu

_STEM = 16
_BLOCKS = 6


class WideBlock(nn.Module):
    """Two pre-activated 3×3 convolutions, added to their input.

    Example:
        >>> import torch
        >>> WideBlock(4, 8, stride=2)(torch.zeros(1, 4, 6, 6)).shape
        torch.Size([1, 8, 3, 3])
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(
        self, maps: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image other rows columns"]:
        """Maps to maps, before any activation."""
        active = functional.relu(self.norm1(maps))
        inner = self.conv2(functional.relu(self.norm2(self.conv1(active))))
        return inner + (maps if self.shortcut is None else self.shortcut(active))


class WideNetwork(nn.Module):
    """Three stages of wide blocks, batch norm, ReLU, global average, linear map."""

    def __init__(self, shape: Shape):
        super().__init__()
        widths = [_STEM, *(shape.scaled(_STEM * 2**stage) for stage in range(3))]
        self.conv = nn.Conv2d(shape.channels, _STEM, 3, padding=1, bias=False)
        self.stages = nn.Sequential()
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            stage = [WideBlock(inputs, outputs, 2 if number else 1)]
            stage += [WideBlock(outputs, outputs) for _ in range(_BLOCKS - 1)]
            self.stages.append(nn.Sequential(*stage))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(widths[-1], shape.classes)
        draw_for_relu(self)

    def forward(
        self, images: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image output"]:
        """Maps normalised images to logits."""
        maps = functional.relu(self.norm(self.stages(self.conv(images))))
        return self.classify(self.pool(maps).flatten(1))


SMALL.add("wide_resnet40", SmallArchitecture(WideNetwork))
