"""Makes the pictures of the probe of the input: one, and copies in which a band is replaced."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

#: Bands of rows, and as many of columns.
BANDS = 4


def band_pictures(
    channels: int, height: int, width: int, look: int = 0
) -> Float[Tensor, "9 channel h w"]:
    """Returns the picture and its copies: none replaced, four bands of rows, four bands of columns.

    Args:
        channels: Number of channels.
        height: Height in pixels.
        width: Width in pixels.
        look: Which of many pairs of pictures to take.

    Example:
        >>> pictures = band_pictures(3, 32, 48)
        >>> changed = (pictures[1:] - pictures[0]).abs().sum(1)
        >>> changed[0].sum(1).argmax() < 11, changed[7].sum(0).argmax() > 32
        (tensor(True), tensor(True))
    """
    picture, replacement = (_texture(channels, height, width, 2 * look + n) for n in (1, 2))
    rows = _bands(height)[:, None, :, None]
    columns = _bands(width)[:, None, None, :]
    difference = (replacement - picture)[None]
    return torch.cat([picture[None], picture + rows * difference, picture + columns * difference])


def _bands(length: int) -> Float[Tensor, "band pixel"]:
    """Computes how far each pixel of a side belongs to each band; the bands sum to one."""
    middles = torch.linspace(0, 1, BANDS)[:, None]
    return (1 - (torch.linspace(0, 1, length)[None] - middles).abs() * (BANDS - 1)).clamp(min=0)


def _texture(channels: int, height: int, width: int, seed: int) -> Float[Tensor, "channel h w"]:
    """Structure at every scale, the coarse ones strongest, as in photographs; in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    texture, power, strength, cells = torch.zeros(channels, height, width), 0.0, 1.0, 2
    while cells <= max(height, width):
        shape = (cells + 1, cells + 1)
        grey = torch.randn(1, 1, *shape, generator=generator)
        colour = torch.randn(1, channels, *shape, generator=generator)
        noise = 0.8 * grey + 0.6 * colour
        size = (height, width)
        smooth = functional.interpolate(noise, size, mode="bilinear", align_corners=True)
        texture += strength * smooth[0]
        power += strength**2
        strength, cells = 0.75 * strength, 2 * cells
    return (0.5 + 0.2 * texture / math.sqrt(max(power, 1.0))).clamp(0, 1)
