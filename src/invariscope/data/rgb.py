"""Turns Pillow images into what sources return: RGB of 8 bits, or the numbers of deeper ones."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from invariscope.data.depth import Stored, ValueRange, scaled

if TYPE_CHECKING:
    import torch

MAX_PIXELS = 89_478_485
"""Largest image that is decoded, in pixels: Pillow's own bound, 256 MiB of RGB."""

MAX_SIDE_RATIO = 200
"""Longest over shortest side; an image resized to a short side of 224 then stays near 10 Mpixel."""


def to_rgb(picture: Image.Image) -> Image.Image:
    """Converts a Pillow image of any mode to upright RGB, by the rules of this module.

    Raises:
        ValueError: The mode has no defined way to RGB, or the image is too large.

    Example:
        >>> to_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
        (255, 255, 255)
        >>> to_rgb(Image.fromarray(np.full((1, 1), 32896, dtype=np.uint16))).getpixel((0, 0))
        (128, 128, 128)
    """
    check_size(*picture.size)
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
        return as_rgb(Stored(np.asarray(upright)[..., None]))
    elif upright.has_transparency_data:
        layer = upright.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        rgb = Image.alpha_composite(white, layer).convert("RGB")
    else:
        rgb = upright.convert("RGB")
    rgb.info = {}
    return rgb


def alpha_of(picture: Image.Image) -> np.ndarray | None:
    """Returns the upright alpha channel [height, width] of a Pillow image of any mode, or None.

    Raises:
        ValueError: The image is too large.

    Example:
        >>> alpha_of(Image.new("RGB", (4, 3))) is None
        True
    """
    check_size(*picture.size)
    if not picture.has_transparency_data:
        return None
    layer = ImageOps.exif_transpose(picture).convert("RGBA")
    return np.asarray(layer.getchannel("A"), dtype=np.float32) / 255


def stored_picture(picture: Image.Image) -> Image.Image | Stored:
    """Reads a Pillow image at its depth: of 16 or 32 bits its numbers, any other as RGB."""
    if not picture.mode.startswith("I;16") and picture.mode not in ("I", "F"):
        return to_rgb(picture)
    check_size(*picture.size)
    return Stored(np.asarray(ImageOps.exif_transpose(picture))[..., None])


def shown(
    picture: Image.Image | Stored, value_range: ValueRange | None
) -> "Image.Image | torch.Tensor":
    """Returns a picture as a source does: three bands or one of 8 bits as RGB, else a tensor."""
    if isinstance(picture, Image.Image) and value_range is not None and not value_range.sampled:
        if value_range.holds_for(np.dtype(np.uint8)):
            picture = Stored(np.asarray(picture))
    if isinstance(picture, Image.Image):
        return picture
    pixels = scaled(picture, value_range)
    if pixels.dtype == np.uint8 and len(pixels) in (1, 3):
        return _rgb_image(np.moveaxis(pixels, 0, -1))
    import torch  # files of 8 bits do without

    # bytes are copied: a view would keep a whole array alive
    return torch.from_numpy(np.array(pixels) if pixels.dtype == np.uint8 else pixels)


def check_size(width: int, height: int) -> None:
    """Refuses images without a pixel, with too many, and those that are lines.

    Raises:
        ValueError: In one line.
        DecompressionBombError: More than `MAX_PIXELS` pixels.
    """
    if width < 1 or height < 1:
        raise ValueError(f"{width} × {height} pixels is no image")
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError
    if max(width, height) > MAX_SIDE_RATIO * min(width, height):
        raise ValueError(
            f"{width} × {height} pixels is longer than 1 : {MAX_SIDE_RATIO}; cut it into pieces"
        )


def as_rgb(picture: Image.Image | Stored) -> Image.Image:
    """Converts any picture to RGB of 8 bits: its first three bands, or its first as grey."""
    if isinstance(picture, Image.Image):
        return picture
    pixels = scaled(picture, None)
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels.astype(np.float64) * 255).astype(np.uint8)
    return _rgb_image(np.moveaxis(pixels[:3] if len(pixels) >= 3 else pixels[:1], 0, -1))


def seen_as_rgb(picture: "Image.Image | torch.Tensor") -> Image.Image:
    """Converts what a source has loaded to RGB of 8 bits: three bands, or the first as grey.

    Example:
        >>> import torch
        >>> seen_as_rgb(torch.ones(4, 2, 3)).size
        (3, 2)
    """
    if isinstance(picture, Image.Image):
        return picture.convert("RGB")
    return as_rgb(Stored(np.moveaxis(picture.detach().cpu().numpy(), 0, -1)))


def _rgb_image(pixels: np.ndarray) -> Image.Image:
    """[height, width, 1 or 3], uint8."""
    plain = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return Image.fromarray(np.ascontiguousarray(plain)).convert("RGB")
