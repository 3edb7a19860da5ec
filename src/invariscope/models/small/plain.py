"""Plain convolutional networks for digits: ``cnn7`` of paper 002, ``cnn6`` of paper 003.

``cnn7`` (002 §4.3, after Cohen and Welling 2016): seven 3×3 convolutions of 20 channels with batch
norm and ReLU, max-pooling after the second, global average, one linear map. The paper does not
give the padding; here the first six keep the side, and so does the seventh.

``cnn6`` (003 §4.1) is the conventional counterpart of the C8 network (`steerable`): the same six
kernels, paddings and antialiased poolings, with one ordinary channel where the C8 network has a
field of eight, and the same two fully connected layers. The paper's appendix with its exact layers
is not in the text that we have.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from invariscope.models.small.architecture import SMALL, Shape, SmallArchitecture

#: Of the C8 network and its counterpart: fields or channels, side of the kernel, padding.
SIX_BLOCKS = ((24, 7, 1), (48, 5, 2), (48, 5, 2), (96, 5, 2), (96, 5, 2), (64, 5, 1))
#: After which blocks the maps are pooled with stride 2; after the last with stride 1.
POOLED = (1, 3)
SIGMA = 0.66
HIDDEN = 64


def last_padding(size: int) -> int | None:
    """Returns the padding of the last pooling: none, unless an image is too small for that.

    Example:
        >>> last_padding(29), last_padding(28)
        (0, None)
    """
    return 0 if size >= 29 else None


class BlurPool(nn.Module):
    """Antialiased average pooling: a Gaussian filter over three standard deviations, with a stride.

    Args:
        sigma: Standard deviation of the filter in pixels.
        stride: Of the pooling.
        padding: Zeros around the maps; None keeps the side at stride 1.

    Example:
        >>> BlurPool(0.66, 2)(torch.ones(1, 3, 9, 9)).shape
        torch.Size([1, 3, 5, 5])
    """

    def __init__(self, sigma: float, stride: int, padding: int | None = None):
        super().__init__()
        reach = round(3 * sigma)
        line = torch.exp(-(torch.arange(-reach, reach + 1).float() ** 2) / (2 * sigma**2))
        plane = line[:, None] * line[None, :]
        self.register_buffer("filter", plane / plane.sum())
        self.stride = stride
        self.padding = reach if padding is None else padding

    def forward(
        self, maps: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image channel rows columns"]:
        """Blurs and subsamples every channel by itself."""
        channels = maps.shape[1]
        filters = self.get_buffer("filter").expand(channels, 1, -1, -1)
        return functional.conv2d(maps, filters, None, self.stride, self.padding, groups=channels)


class SevenConvolutions(nn.Module):
    """Paper 002's network for MNIST6."""

    def __init__(self, shape: Shape):
        super().__init__()
        width = shape.scaled(20)
        self.blocks = nn.Sequential()
        for number in range(7):
            block = nn.Sequential(
                nn.Conv2d(width if number else shape.channels, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            if number == 1:
                block.append(nn.MaxPool2d(2))
            self.blocks.append(block)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(width, shape.classes)

    def forward(
        self, images: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image output"]:
        """Maps normalised images to logits."""
        return self.classify(self.pool(self.blocks(images)).flatten(1))


class SixConvolutions(nn.Module):
    """Paper 003's conventional network for rotated digits."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.blocks = nn.Sequential()
        inputs = shape.channels
        for number, (channels, kernel, padding) in enumerate(SIX_BLOCKS):
            outputs = shape.scaled(channels)
            block = nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            )
            if number in POOLED:
                block.append(BlurPool(SIGMA, stride=2))
            self.blocks.append(block)
            inputs = outputs
        self.blur = BlurPool(SIGMA, stride=1, padding=last_padding(shape.size))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = two_linear_maps(inputs, shape.classes)

    def forward(
        self, images: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image output"]:
        """Maps normalised images to logits."""
        return self.classify(self.pool(self.blur(self.blocks(images))).flatten(1))


def two_linear_maps(inputs: int, classes: int) -> nn.Sequential:
    """Makes the classifier of the C8 network and its counterpart, from 64 latent elements.

    Example:
        >>> two_linear_maps(8, 10)(torch.zeros(2, 8)).shape
        torch.Size([2, 10])
    """
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ELU(), nn.Linear(HIDDEN, classes)
    )


SMALL.add("cnn7", SmallArchitecture(SevenConvolutions, size=28, channels=1))
SMALL.add("cnn6", SmallArchitecture(SixConvolutions, size=29, channels=1))
