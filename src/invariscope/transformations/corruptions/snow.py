"""Snow: what is light becomes white, and flakes fall before it."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from invariscope.transformations.corruptions import layers
from invariscope.transformations.corruptions.blurs import smeared

Images = Float[Tensor, "image channel height width"]
Constants = tuple[float, float, float, float, float, float, float]
#: How much brighter than itself, and by how much more, a pixel is under snow.
_BRIGHTER, _MORE = 1.5, 0.5


def snow(images: Images, constants: Constants, draws: Sequence[Generator]) -> Images:
    """Whitens the image, and lets flakes fall that the wind smears downwards and upwards.

    The brightness of a pixel is that of red, green and blue; of other bands, their mean.

    Args:
        images: In [0, 1].
        constants: Mean and standard deviation of the field that flakes are the peaks of, its grain
            in pixels, the least value of a peak, half the length of a smear and its standard
            deviation, and the share of the image that is not whitened.
        draws: A generator for each image.
    """
    kept = constants[-1]
    bands = images.shape[1]
    weights = layers.LUMINANCE if bands == 3 else [1 / bands] * bands
    bright = (images * images.new_tensor(weights).view(-1, 1, 1)).sum(1, keepdim=True)
    white = torch.maximum(images, bright * _BRIGHTER + _MORE)
    falling = layers.fitted(_flakes(layers.normal_fields(images, draws), constants, draws), images)
    return kept * images + (1 - kept) * white + falling + falling.flip(-2, -1)


def _flakes(
    fields: Float[Tensor, "image 1 rows columns"],
    constants: Constants,
    draws: Sequence[Generator],
) -> Float[Tensor, "image 1 rows columns"]:
    """Keeps the peaks of the middle of a field, seen so near that its pixels are grains."""
    mean, deviation, grain, least, radius, spread, _ = constants
    sides = fields.shape[-2:]
    parts = [math.ceil(side / grain) for side in sides]
    tops = [(side - part) // 2 for side, part in zip(sides, parts, strict=True)]
    middle = fields[..., tops[0] : tops[0] + parts[0], tops[1] : tops[1] + parts[1]]
    near = functional.interpolate(
        mean + deviation * middle,
        [max(side, round(part * grain)) for side, part in zip(sides, parts, strict=True)],
        mode="bilinear", align_corners=True,
    )  # fmt: skip
    peaks = torch.where(near < least, 0.0, near).clamp(0, 1)
    angles = [-45 - 90 * float(torch.rand((), generator=own)) for own in draws]
    return smeared(peaks, angles, radius, spread)[..., : sides[0], : sides[1]]
