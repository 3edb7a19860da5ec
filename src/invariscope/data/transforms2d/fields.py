"""Corruptions of an object: those that draw a number per pixel, and those that coarsen or remove.

``noise`` and ``elastic`` take uniform numbers for every pixel, hashed like all others from (seed,
split, index), and get only the images that they are applied to. Lengths are pixels of 32 and grow
with the side.
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional

from invariscope.data.transforms2d.sprites import Pixels, gaussian_matrix

NOISE_CHANNELS, ELASTIC_CHANNELS = 3, 2
_REFERENCE = 32
_COARSE, _ALPHA, _SIGMA, _ERASED = 0.3, 150.0, 5.0, 14

Each = Float[Tensor, " image"]


def noise(pixels: Pixels, draws: Float64[Tensor, "image channel height width"]) -> Pixels:
    """Adds independent N(0, 1) to the visible colours, which are clipped to [0, 1]."""
    # 2 u − 1 is in [−1, 1): half a step inwards keeps the normal number finite
    normal = torch.erfinv(2 * draws - 1 + 2.0**-53).mul(2**0.5).to(pixels.dtype)
    alpha = pixels[:, 3:]
    colours = torch.minimum((pixels[:, :3] + alpha * normal).clamp(min=0), alpha)
    return torch.cat([colours, alpha], 1)


def pixelate(pixels: Pixels, applied: Each) -> Pixels:
    """Reduces to 0.3 of the side by averaging, and enlarges again without interpolation."""
    side = pixels.shape[-1]
    coarse = functional.adaptive_avg_pool2d(pixels, max(1, round(_COARSE * side)))
    enlarged = functional.interpolate(coarse, size=(side, side), mode="nearest")
    return torch.where(applied[:, None, None, None] > 0, enlarged, pixels)


def elastic(pixels: Pixels, draws: Float64[Tensor, "image channel height width"]) -> Pixels:
    """Displaces by smoothed noise, as ``torchvision.transforms.ElasticTransform`` does it.

    U(−1, 1) per pixel and axis, smoothed by a Gaussian of sigma 5, times alpha / side, in units of
    half the frame. For other sides than 32 sigma grows with the side and the displacement stays.
    Beyond the frame the noise counts as 0 (torchvision mirrors it).
    """
    side = pixels.shape[-1]
    ratio = side / _REFERENCE
    sigma = pixels.new_tensor([_SIGMA * ratio])
    kernel = gaussian_matrix(sigma, side, min(side - 1, round(4 * _SIGMA * ratio)))
    moved = kernel @ (2 * draws - 1).to(pixels.dtype) @ kernel.mT * (_ALPHA / side * ratio**2)
    line = (torch.arange(side, device=pixels.device, dtype=pixels.dtype) + 0.5) * (2 / side) - 1
    across, down = line[None, None, :] + moved[:, 0], line[None, :, None] + moved[:, 1]
    grid = torch.stack([across, down], -1)
    return functional.grid_sample(pixels, grid, padding_mode="zeros", align_corners=False)


def erase(pixels: Pixels, drawn: Float[Tensor, "image 3"]) -> Pixels:
    """Makes a square of 14 / 32 of the side transparent, wholly inside the frame."""
    side = pixels.shape[-1]
    width = round(_ERASED * side / _REFERENCE)
    corner = torch.floor(drawn[:, 1:] * (side - width + 1))
    line = torch.arange(side, device=pixels.device, dtype=pixels.dtype)
    inside = (line >= corner[:, :, None]) & (line < corner[:, :, None] + width)
    hole = inside[:, 0, None, :] & inside[:, 1, :, None] & (drawn[:, 0] > 0)[:, None, None]
    return pixels * ~hole[:, None]
