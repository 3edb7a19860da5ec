"""Layers over an image, made at the size they were published for and then as large as the image.

What lies on an image has a grain (flakes, drops), and thresholds make shapes of it. At 32 pixels a
flake is less than a pixel, and a threshold would act on other numbers: so the shorter side of a
layer has 224 pixels, whatever the image, and the layer is resized. A small image then has what a
large one has, seen from farther.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from invariscope.transformations.corruptions.blurs import SIDE, scale_of

Images = Float[Tensor, "image channel height width"]
#: By how much red, green and blue count for what is bright.
LUMINANCE = (0.299, 0.587, 0.114)


def sides_of_layer(images: Images) -> tuple[int, int]:
    """The height and width of a layer: as the image's, the shorter side published."""
    height, width = images.shape[-2:]
    return max(SIDE, round(height / scale_of(images))), max(SIDE, round(width / scale_of(images)))


def normal_fields(
    images: Images, draws: Sequence[Generator]
) -> Float[Tensor, "image 1 rows columns"]:
    """Draws normal numbers for the layer of each image.

    They stay on the CPU, in float32: what thresholds make of them is the same for all devices.
    """
    sides = sides_of_layer(images)
    return torch.stack([torch.randn(1, *sides, generator=own) for own in draws])


def fitted(layers: Float[Tensor, "image 1 rows columns"], images: Images) -> Tensor:
    """Makes layers as large as the images, [image, 1, height, width], and of their kind."""
    sides = images.shape[-2:]
    if layers.shape[-2:] != sides:
        layers = functional.interpolate(layers, sides, mode="bilinear", antialias=True)
    return layers.to(images)
