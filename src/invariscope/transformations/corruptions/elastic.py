"""Elastic deformation: three points pull the whole image, then every pixel takes a step."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from invariscope.transformations.corruptions.blurs import scale_of
from invariscope.transformations.corruptions.noise import drawn

Images = Float[Tensor, "image channel height width"]


def elastic_transform(
    images: Images, constants: tuple[float, float, float], draws: Sequence[Generator]
) -> Images:
    """Stretches by an affine motion, and moves every pixel by a smooth random step.

    What is outside is mirrored. The motion takes three corners of a square, of a third of the
    shorter side about the middle, to where they are drawn.

    Args:
        images: Any values.
        constants: By what steps are multiplied, over how many pixels they are smoothed, and how far
            each corner is pulled at most.
        draws: A generator for each image.
    """
    scale = scale_of(images)
    # Numbers that are smoothed over twice as many pixels are half as large.
    strength, smooth, pull = constants[0] * scale**2, constants[1] * scale, constants[2] * scale
    height, width = images.shape[-2:]
    pulled = drawn(lambda _, own: 2 * torch.rand(3, 2, 1, generator=own) - 1, images, draws) * pull
    right, down = _stretched(pulled[..., 0], height, width).to(images).unbind(1)
    stretched = _seen_at(images, right, down, mirrored_at_pixels=True)
    raw = drawn(lambda _, own: 2 * torch.rand(2, height, width, generator=own) - 1, images, draws)
    rows, columns = (_smoothing(side, smooth).to(images) for side in (height, width))
    steps = strength * (rows @ raw @ columns.T)
    places = _places(height, width).to(images) + steps
    return _seen_at(stretched, places[:, 0], places[:, 1], mirrored_at_pixels=False)


def _places(height: int, width: int) -> Float[Tensor, "2 height width"]:
    """The column and the row of each pixel."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return torch.from_numpy(np.stack([columns, rows]).astype(np.float64))


def _stretched(
    pulled: Float[Tensor, "image 3 2"], height: int, width: int
) -> Float[Tensor, "image 2 height width"]:
    """Finds what each pixel shows once three corners are pulled: columns and rows."""
    side = min(height, width) // 3 or 0.5
    corners = torch.tensor([[side, side], [side, -side], [-side, -side]], dtype=torch.float64)
    corners += torch.tensor([width // 2, height // 2])
    pulled_to = functional.pad(corners + pulled.double().cpu(), (0, 1), value=1)
    back = torch.linalg.solve(pulled_to, corners.expand(len(pulled), -1, -1))
    places = functional.pad(_places(height, width), (0, 0, 0, 0, 0, 1), value=1)
    return torch.einsum("nkc,khw->nchw", back, places)


@lru_cache(maxsize=16)
def _smoothing(side: int, deviation: float) -> Float[Tensor, "side side"]:
    """Smoothing by a normal law as a matrix: it may be wider than the image, which is mirrored."""
    reach = int(3 * deviation + 0.5)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-(offsets**2) / (2 * deviation**2))
    places = (np.arange(side)[:, None] + offsets) % (2 * side)
    matrix = np.zeros((side, side))
    np.add.at(
        matrix,
        (np.arange(side)[:, None], np.minimum(places, 2 * side - 1 - places)),
        weights / weights.sum(),
    )
    return torch.from_numpy(matrix)


def _seen_at(
    images: Images,
    right: Float[Tensor, "image height width"],
    down: Float[Tensor, "image height width"],
    *,
    mirrored_at_pixels: bool,
) -> Images:
    """Reads between pixels; beyond the border, what is mirrored at the last pixel or its edge."""
    height, width = images.shape[-2:]
    if mirrored_at_pixels:
        grid = [2 * right / max(width - 1, 1) - 1, 2 * down / max(height - 1, 1) - 1]
    else:
        grid = [(2 * right + 1) / width - 1, (2 * down + 1) / height - 1]
    return functional.grid_sample(
        images, torch.stack(grid, -1), "bilinear", "reflection", align_corners=mirrored_at_pixels
    )
