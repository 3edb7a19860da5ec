"""Residual networks for small images (He et al. 2016).

``resnet18`` is the ImageNet network with a 3×3 stem of stride 1 and no max-pooling, the form of the
CIFAR literature: stages of 64, 128, 256 and 512 channels, two blocks each, 1×1 projections where
the shape changes; 11.17 M parameters at 10 classes. ``resnet44`` is the paper's own CIFAR network
(§4.2, n = 7): stages of 16, 32 and 64 channels, seven blocks each, parameter-free shortcuts (every
second pixel, missing channels are zero; option A); 0.66 M parameters. Papers 002 (§4.4) and 004.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from invariscope.models.small.architecture import SMALL, Shape, SmallArchitecture


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with batch norm, added to their input.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        stride: Of the first convolution.
        projected: Whether a 1×1 convolution fits the input where the shape changes; otherwise it is
            subsampled and padded with channels of zeros.

    Example:
        >>> import torch
        >>> ResidualBlock(4, 8, stride=2)(torch.zeros(1, 4, 6, 6)).shape
        torch.Size([1, 8, 3, 3])
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, projected: bool = True):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut: nn.Module = nn.Identity()
        if not same and projected:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        elif not same:
            self.shortcut = _Subsample(stride, outputs - inputs)

    def forward(
        self, maps: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image other rows columns"]:
        """Maps to maps, after the last ReLU."""
        inner = functional.relu(self.norm1(self.conv1(maps)))
        return functional.relu(self.norm2(self.conv2(inner)) + self.shortcut(maps))


class _Subsample(nn.Module):
    """Every stride-th pixel; further channels are zero (the paper's option A)."""

    def __init__(self, stride: int, further: int):
        super().__init__()
        self.stride, self.further = stride, further

    def forward(self, maps: Tensor) -> Tensor:
        kept = maps[:, :, :: self.stride, :: self.stride]
        return functional.pad(kept, (0, 0, 0, 0, 0, self.further))


class ResidualNetwork(nn.Module):
    """A 3×3 stem, stages of residual blocks that halve the side, global average, linear map."""

    def __init__(self, shape: Shape, stages: tuple[int, ...], blocks: int, projected: bool):
        super().__init__()
        widths = [shape.scaled(channels) for channels in stages]
        self.conv = nn.Conv2d(shape.channels, widths[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.stages = nn.Sequential()
        for number, (inputs, outputs) in enumerate(pairwise([widths[0], *widths])):
            stage = [ResidualBlock(inputs, outputs, 2 if number else 1, projected)]
            stage += [ResidualBlock(outputs, outputs) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*stage))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(widths[-1], shape.classes)
        draw_for_relu(self)

    def forward(
        self, images: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image output"]:
        """Maps normalised images to logits."""
        maps = self.stages(functional.relu(self.norm(self.conv(images))))
        return self.classify(self.pool(maps).flatten(1))


def draw_for_relu(network: nn.Module) -> None:
    """Draws all convolutions anew from He et al.'s normal distribution, by their outputs.

    Example:
        >>> layer = nn.Conv2d(1, 50, 3)
        >>> draw_for_relu(layer)
        >>> round(layer.weight.std().item(), 1)
        0.1
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")


def resnet18(shape: Shape) -> nn.Module:
    """Builds ResNet-18 with a 3×3 stem and no max-pooling."""
    return ResidualNetwork(shape, (64, 128, 256, 512), blocks=2, projected=True)


def resnet44(shape: Shape) -> nn.Module:
    """Builds ResNet-44 of the CIFAR experiments."""
    return ResidualNetwork(shape, (16, 32, 64), blocks=7, projected=False)


SMALL.add("resnet18", SmallArchitecture(resnet18))
SMALL.add("resnet44", SmallArchitecture(resnet44))
