"""What storing and stretching does: coarse pixels, JPEG, elastic deformation."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional

from invariscope.errors import InputError
from invariscope.transformations.corruptions.blurs import normal_blur, scale_of
from invariscope.transformations.corruptions.noise import drawn

Images = Float[Tensor, "image channel height width"]

#: How far random steps go, and over how many pixels they are smoothed, as parts of a side.
_STEP, _SMOOTH = 0.005, 0.01


def pixelate(images: Images, factor: float, draws: Sequence[Generator]) -> Images:
    """Makes the image smaller by area and as large again by its nearest pixel."""
    height, width = images.shape[-2:]
    down, across = (_areas(side, max(1, int(side * factor))) for side in (height, width))
    small = down.to(images) @ images @ across.to(images).T
    return functional.interpolate(small, (height, width), mode="nearest-exact")


def _areas(side: int, parts: int) -> Float[Tensor, "part pixel"]:
    """Which share of each part every pixel covers."""
    edges = np.linspace(0, side, parts + 1)
    pixels = np.arange(side)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return torch.from_numpy(np.maximum(covered, 0) * parts / side)


def jpeg_compression(images: Images, quality: int, draws: Sequence[Generator]) -> Images:
    """Stores as JPEG and reads it again, by Pillow."""
    bands = images.shape[1]
    if bands not in (1, 3):
        raise InputError(
            f"corruption:jpeg_compression: JPEG stores 1 or 3 bands, the images have {bands}: "
            "leave it out"
        )
    return torch.stack([_stored(image, quality) for image in images]).to(images)


def _stored(image: Tensor, quality: int) -> Tensor:
    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if len(image) == 1 else pixels).save(
        buffer, "JPEG", quality=quality
    )
    with Image.open(buffer) as opened:
        values = np.array(opened, dtype=np.float32).reshape(pixels.shape) / 255
    return torch.from_numpy(values).permute(2, 0, 1)


def elastic_transform(images: Images, strength: float, draws: Sequence[Generator]) -> Images:
    """Moves every pixel by a smooth random step; what is outside is mirrored."""
    height, width = images.shape[-2:]

    def steps(image: Tensor, own: Generator) -> Tensor:
        return 2 * torch.rand(2, height, width, generator=own) - 1

    raw = drawn(steps, images, draws) * _STEP * height
    smooth = normal_blur(raw, _SMOOTH * min(height, width)) * strength * scale_of(images)
    rows = torch.arange(height, device=images.device, dtype=images.dtype)[:, None]
    columns = torch.arange(width, device=images.device, dtype=images.dtype)
    down, right = rows + smooth[:, 0], columns + smooth[:, 1]
    grid = torch.stack([(2 * right + 1) / width - 1, (2 * down + 1) / height - 1], dim=-1)
    return functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
