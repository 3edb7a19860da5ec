"""Blurs. Lengths are those of images of 224 pixels, and grow with the shorter side of others."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn import functional

from invariscope.transformations import geometry
from invariscope.transformations.corruptions.noise import drawn
from invariscope.transformations.geometry import Resampling

Images = Float[Tensor, "image channel height width"]

#: The side for which the lengths were published.
SIDE = 224


def scale_of(images: Images) -> float:
    """How many times the published side the shorter side is."""
    return min(images.shape[-2:]) / SIDE


def gaussian_blur(images: Images, deviation: float, draws: Sequence[Generator]) -> Images:
    """Blurs by a normal law; beyond the border lies the value on it."""
    return normal_blur(images, deviation * scale_of(images))


def defocus_blur(
    images: Images, constants: tuple[float, float], draws: Sequence[Generator]
) -> Images:
    """Blurs by a disc of a radius whose edge is softened by a normal law."""
    radius, soft = constants[0] * scale_of(images), constants[1]
    reach = max(math.ceil(radius), 1) + 2
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    disc = ((places[:, None] ** 2 + places**2) <= radius**2).float()
    if disc.sum() < 2:  # of a small picture: less than a pixel
        return images
    soft_disc = normal_blur(disc[None, None], soft)[0, 0]
    kernel = (soft_disc / soft_disc.sum()).to(images)
    channels = images.shape[1]
    padded = _padded(images, reach, "reflect")
    return functional.conv2d(padded, kernel.expand(channels, 1, -1, -1), groups=channels)


def glass_blur(
    images: Images, constants: tuple[float, int, int], draws: Sequence[Generator]
) -> Images:
    """Blurs, lets every pixel show one of its neighbours some times over, and blurs again."""
    deviation, reach, times = constants[0] * scale_of(images), constants[1], constants[2]
    reach = max(1, round(reach * scale_of(images)))
    height, width = images.shape[-2:]
    seen = normal_blur(images, deviation)

    def steps(image: Tensor, own: Generator) -> Tensor:
        return (torch.rand(2, height, width, generator=own) * 2 * reach).floor() - reach

    for _ in range(times):
        moved = drawn(steps, images, draws).long().clamp(max=reach - 1)
        places = copied_from(moved, reach)[:, None].expand(-1, seen.shape[1], -1)
        seen = seen.flatten(2).gather(2, places).view_as(seen)
    return normal_blur(seen, deviation)


def copied_from(
    steps: Int64[Tensor, "image 2 height width"], reach: int
) -> Int64[Tensor, "image place"]:
    """Which pixel each shows once all, from the last to the first, have copied a neighbour in turn.

    A neighbour further on in the image has had its turn: what it shows by then is copied. So copies
    make chains, which end at a neighbour that still shows itself. Pixels at the border, less than
    `reach` from it, have no turn.

    Args:
        steps: By how many rows and columns each one's neighbour is away, from −reach to reach − 1.
        reach: As above.
    """
    height, width = steps.shape[-2:]
    here = torch.arange(height * width, device=steps.device).view(height, width)
    there = here.expand(len(steps), -1, -1).clone()
    turns = slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1)
    there[:, *turns] += (steps[:, 0] * width + steps[:, 1])[:, *turns]
    there, here = there.flatten(1), here.flatten()
    last = torch.where(there > here, there, here)
    while not torch.equal(further := last.gather(1, last), last):  # each time twice as far
        last = further
    return there.gather(1, last)


def motion_blur(
    images: Images, constants: tuple[float, float], draws: Sequence[Generator]
) -> Images:
    """Smears to one side, by half a normal law, in a direction from −45 to 45 degrees."""
    radius, deviation = (length * scale_of(images) for length in constants)
    angles = [float(torch.rand((), generator=own)) * 90 - 45 for own in draws]
    return smeared(images, angles, radius, deviation)


def smeared(images: Images, angles: Sequence[float], radius: float, deviation: float) -> Images:
    """Smears each image by half a normal law: it shows what lies in a direction, in degrees."""
    steps = np.arange(2 * max(1, round(radius)) + 1)
    weights = np.exp(-(steps**2) / (2 * max(deviation, 1e-3) ** 2))
    weights /= weights.sum()
    reach = int(steps[-1])
    padded = _padded(images, reach, "replicate")
    height, width = images.shape[-2:]
    made = []
    for image, angle in zip(padded, angles, strict=True):
        total = torch.zeros_like(image[:, :height, :width])
        for step, weight in zip(steps, weights, strict=True):
            top = reach + round(step * math.sin(math.radians(angle)))
            left = reach + round(step * math.cos(math.radians(angle)))
            total += float(weight) * image[:, top : top + height, left : left + width]
        made.append(total)
    return torch.stack(made)


def zoom_blur(images: Images, constants: tuple[float, float], draws: Sequence[Generator]) -> Images:
    """Takes the mean of the image and of itself zoomed in, from 1 on in steps up to an end."""
    factors = np.arange(1, *constants)
    total = images.clone()
    for factor in factors:
        total += geometry.warp(images, geometry.scaling(np.array([factor])), Resampling())
    return total / (len(factors) + 1)


def normal_blur(images: Images, deviation: float) -> Images:
    """A separable normal law, cut at four standard deviations."""
    if deviation < 0.05:
        return images
    reach = max(1, math.ceil(4 * deviation))
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-(places**2) / (2 * deviation**2))
    weights = (weights / weights.sum()).to(images)
    channels = images.shape[1]
    padded = _padded(images, reach, "replicate")
    down = functional.conv2d(
        padded, weights.view(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels
    )
    across = weights.view(1, 1, 1, -1).expand(channels, -1, -1, -1)
    return functional.conv2d(down, across, groups=channels)


def _padded(
    images: Images, reach: int, border: str
) -> Float[Tensor, "image channel padded_height padded_width"]:
    """Adds a border; a reflection no wider than the image, the rest as on its edge."""
    if border == "reflect":
        inner = min(reach, min(images.shape[-2:]) - 1)
        padded, reach = functional.pad(images, [inner] * 4, mode="reflect"), reach - inner
    else:
        padded = images
    return functional.pad(padded, [reach] * 4, mode="replicate") if reach else padded
