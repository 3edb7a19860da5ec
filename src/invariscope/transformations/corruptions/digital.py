"""What storing does: coarse pixels, JPEG."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional

from invariscope.errors import InputError

Images = Float[Tensor, "image channel height width"]


def pixelate(images: Images, factor: float, draws: Sequence[Generator]) -> Images:
    """Makes the image smaller, by means over boxes, and as large again by its nearest pixel."""
    height, width = images.shape[-2:]
    down, across = (_boxes(side, max(1, int(side * factor))) for side in (height, width))
    small = down.to(images) @ images @ across.to(images).T
    return functional.interpolate(small, (height, width), mode="nearest-exact")


def _boxes(side: int, parts: int) -> Float[Tensor, "part pixel"]:
    """The share of each pixel in each part: those count whose middle lies in it, as in Pillow."""
    ends = np.linspace(0, side, parts + 1)
    middles = np.arange(side) + 0.5
    inside = (middles > ends[:-1, None]) & (middles <= ends[1:, None])
    return torch.from_numpy(inside / inside.sum(1, keepdims=True))


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
