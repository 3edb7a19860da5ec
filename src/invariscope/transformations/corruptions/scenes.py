"""Weather and light: fog, brightness, contrast, saturation."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from invariscope.transformations.corruptions.noise import drawn

Images = Float[Tensor, "image channel height width"]


def fog(images: Images, constants: tuple[float, float], draws: Sequence[Generator]) -> Images:
    """Adds a fractal cloud and darkens by as much: how thick, and how fast details fade."""
    thick, decay = constants
    height, width = images.shape[-2:]
    brightest = images.amax((1, 2, 3), keepdim=True)

    def cloud(image: Tensor, own: Generator) -> Tensor:
        return plasma(max(height, width), decay, own)[None, :height, :width]

    clouded = images + thick * drawn(cloud, images, draws)
    return clouded * brightest / (brightest + thick)


def plasma(side: int, decay: float, own: Generator) -> Float[Tensor, "side side"]:
    """Makes a fractal cloud in [0, 1] by the diamond-square rule on a torus.

    Args:
        side: The least side; it becomes a power of 2.
        decay: By what the disturbance falls at each halving of the step.
        own: What is drawn from.
    """
    size = 1 << max(1, (side - 1).bit_length())
    height = torch.zeros(size, size, dtype=torch.float64)
    step, strength = size, 100.0
    while step >= 2:
        half = step // 2
        corners = height[::step, ::step]
        square = _four(corners, corners.roll(-1, 0))
        height[half::step, half::step] = square / 4 + _disturbance(square.shape, strength, own)
        centres = height[half::step, half::step]
        beside = centres + centres.roll(1, 1) + corners + corners.roll(-1, 0)
        height[half::step, ::step] = beside / 4 + _disturbance(beside.shape, strength, own)
        above = centres + centres.roll(1, 0) + corners + corners.roll(-1, 1)
        height[::step, half::step] = above / 4 + _disturbance(above.shape, strength, own)
        step, strength = half, strength / decay
    height -= height.min()
    return (height / height.max().clamp_min(1e-12)).float()


def _four(corners: Tensor, below: Tensor) -> Tensor:
    return corners + below + corners.roll(-1, 1) + below.roll(-1, 1)


def _disturbance(shape: torch.Size, strength: float, own: Generator) -> Tensor:
    """Uniform; published code draws within ± strength and multiplies by strength once more."""
    drawn_numbers = torch.rand(shape, generator=own, dtype=torch.float64)
    return strength**2 * (2 * drawn_numbers - 1)


def brightness(images: Images, more: float, draws: Sequence[Generator]) -> Images:
    """Adds to the value of HSV, the largest band; hue and saturation stay."""
    value = images.amax(1, keepdim=True)
    brighter = (value + more).clamp(0, 1)
    return torch.where(value > 0, images * (brighter / value.clamp_min(1e-12)), brighter)


def contrast(images: Images, factor: float, draws: Sequence[Generator]) -> Images:
    """Draws each band towards its mean over the image."""
    mean = images.mean((2, 3), keepdim=True)
    return (images - mean) * factor + mean


def saturate(images: Images, constants: tuple[float, float], draws: Sequence[Generator]) -> Images:
    """Multiplies the saturation of HSV and adds to it; hue and value stay."""
    factor, more = constants
    value, least = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    saturation = (value - least) / value.clamp_min(1e-12)
    wanted = (saturation * factor + more).clamp(0, 1)
    # Grey has no hue: HSV takes it for red.
    red = torch.zeros_like(images)
    red[:, 0] = 1.0
    share = torch.where(value > least, (images - least) / (value - least).clamp_min(1e-12), red)
    return value * (1 - wanted * (1 - share))
