"""The C8-steerable network of paper 003 (§4.1) on `e2cnn`: ``c8_steerable``.

Weiler and Cesa (2019): a disc cut out of the image, six convolutions over 24, 48, 48, 96, 96 and 64
fields of the regular representation of C8 (kernels 7, 5, 5, 5, 5, 5), each with batch norm over
fields and ReLU, antialiased average pooling of stride 2 after the second and fourth and of stride 1
after the sixth, the maximum over the eight rotations, two fully connected layers. The latent
vector has 64 elements. What turns the image by a multiple of 45° turns every map and permutes the
eight channels of each field: the probe reads the fields from the layers.

A quarter turn is exact (no interpolation) where the side of the input is one more than a multiple
of four, 29 by default: then no stride falls beside the centre.
"""

import warnings
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from invariscope.errors import InputError
from invariscope.models.small.architecture import SMALL, Shape, SmallArchitecture
from invariscope.models.small.plain import (
    POOLED,
    SIGMA,
    SIX_BLOCKS,
    last_padding,
    two_linear_maps,
)

_ROTATIONS = 8
_MARGIN = 1  # per cent of the radius, over which the disc's edge fades


class SteerableNetwork(nn.Module):
    """Steerable convolutions, pooling over the group and over positions, two linear maps."""

    def __init__(self, shape: Shape):
        super().__init__()
        steerable, space = _library()
        kind = self.input_type = steerable.FieldType(space, shape.channels * [space.trivial_repr])
        self.blocks = nn.ModuleList()
        for number, (fields, kernel, padding) in enumerate(SIX_BLOCKS):
            given = kind
            kind = steerable.FieldType(space, shape.scaled(fields) * [space.regular_repr])
            parts = [steerable.MaskModule(given, shape.size, margin=_MARGIN)] if not number else []
            parts += [
                steerable.R2Conv(given, kind, kernel_size=kernel, padding=padding, bias=False),
                steerable.InnerBatchNorm(kind),
                steerable.ReLU(kind, inplace=True),
            ]
            if number in POOLED:
                parts.append(steerable.PointwiseAvgPoolAntialiased(kind, sigma=SIGMA, stride=2))
            self.blocks.append(steerable.SequentialModule(*parts))
        self.blur: Any = steerable.PointwiseAvgPoolAntialiased(
            kind, sigma=SIGMA, stride=1, padding=last_padding(shape.size)
        )
        self.group_pool: Any = steerable.GroupPooling(kind)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = two_linear_maps(shape.scaled(SIX_BLOCKS[-1][0]), shape.classes)
        self._wrap = steerable.GeometricTensor

    def forward(
        self, images: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image output"]:
        """Maps normalised images to logits."""
        maps = self._wrap(images, self.input_type)
        for block in self.blocks:
            maps = block(maps)
        return self.classify(self.pool(self.group_pool(self.blur(maps)).tensor).flatten(1))


def build(shape: Shape) -> nn.Module:
    """Builds the network, without the warnings that e2cnn's last release draws from torch.

    Raises:
        InputError: e2cnn is not installed, or the image is too small for the kernels.
    """
    if shape.size < 21:
        raise InputError(f"small:c8_steerable: size={shape.size}; from 21 on it works, best 29")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        network = SteerableNetwork(shape)
        with torch.no_grad():  # the first filters are computed here, and so are their warnings
            network.eval()(torch.zeros(1, shape.channels, shape.size, shape.size))
        return network.train()


def _library() -> tuple[Any, Any]:
    try:
        from e2cnn import gspaces
        from e2cnn import nn as steerable
    except ImportError:
        raise InputError(
            "small:c8_steerable needs the package e2cnn: pip install 'invariscope[equivariant]'"
        ) from None
    return steerable, gspaces.Rot2dOnR2(N=_ROTATIONS)


SMALL.add("c8_steerable", SmallArchitecture(build, size=29, channels=1))
