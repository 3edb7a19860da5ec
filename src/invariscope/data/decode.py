"""From an image file to RGB pixels, by one set of rules for every source.

- The EXIF orientation is applied. Colour profiles are not: the numbers are taken as sRGB.
- Alpha, from an alpha channel or a transparent palette entry, is composited over white.
- Greyscale becomes three equal channels. 16-bit greyscale is scaled from 0..65535 to 0..255 and
  rounded, never clipped. 16-bit colour arrives from Pillow as its high byte.
- 32-bit integers count as 16-bit where all values fit, floats as [0, 1] where all values fit;
  otherwise nobody knows where white is and the image is refused.
- CMYK and YCbCr are converted by Pillow's plain formulas.
- An animation or a multi-page file gives its first frame.
- More than `MAX_PIXELS` pixels, or sides further apart than 1 : `MAX_SIDE_RATIO`, is refused
  before a pixel is decoded: the first fills the memory when decoded, the second when resized.
- JPEG is decoded at full size. The draft mode is not used, because its pixels differ.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from invariscope.data.quiet import quiet
from invariscope.data.source import UnreadableImage

T = TypeVar("T")

MAX_PIXELS = 89_478_485
"""Largest image that is decoded, in pixels: Pillow's own bound, 256 MiB of RGB."""

MAX_SIDE_RATIO = 200
"""Longest over shortest side; an image resized to a short side of 224 then stays near 10 Mpixel."""


def decode(file: str | os.PathLike[str] | bytes, image: str) -> Image.Image:
    """Decodes one image file to RGB.

    Args:
        file: A path, or the bytes of the file.
        image: The id of the image, for the error.

    Returns:
        An RGB image, fully loaded, that holds no open file.

    Raises:
        UnreadableImage: With a reason of one line.

    Example:
        >>> import io
        >>> buffer = io.BytesIO()
        >>> Image.new("L", (4, 3), 128).save(buffer, "PNG")
        >>> decode(buffer.getvalue(), "grey").getpixel((0, 0))
        (128, 128, 128)
        >>> decode(b"", "nothing")
        Traceback (most recent call last):
        invariscope.data.source.UnreadableImage: nothing: the file is empty
    """
    return _decode(file, image, to_rgb)


def decode_alpha(file: str | os.PathLike[str] | bytes, image: str) -> np.ndarray | None:
    """The alpha channel of an image file.

    Args:
        file: A path, or the bytes of the file.
        image: The id of the image, for the error.

    Returns:
        float32 [height, width] in [0, 1], upright as `decode` gives the image, or None.

    Raises:
        UnreadableImage: With a reason of one line.

    Example:
        >>> import io
        >>> buffer = io.BytesIO()
        >>> Image.new("RGBA", (4, 3), (9, 9, 9, 51)).save(buffer, "PNG")
        >>> alpha = decode_alpha(buffer.getvalue(), "glass")
        >>> alpha.shape, round(float(alpha[0, 0]), 3)
        ((3, 4), 0.2)
    """
    return _decode(file, image, alpha_of)


def alpha_of(picture: Image.Image) -> np.ndarray | None:
    """The upright alpha channel [height, width] of a Pillow image of any mode, or None.

    Raises:
        ValueError: The image is too large.

    Example:
        >>> alpha_of(Image.new("RGB", (4, 3))) is None
        True
    """
    _check_size(*picture.size)
    if not picture.has_transparency_data:
        return None
    layer = ImageOps.exif_transpose(picture).convert("RGBA")
    return np.asarray(layer.getchannel("A"), dtype=np.float32) / 255


def to_rgb(picture: Image.Image) -> Image.Image:
    """Upright RGB pixels of a Pillow image of any mode, by the rules of this module.

    Raises:
        ValueError: The mode has no defined way to RGB, or the image is too large.

    Example:
        >>> to_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
        (255, 255, 255)
        >>> to_rgb(Image.fromarray(np.full((1, 1), 32896, dtype=np.uint16))).getpixel((0, 0))
        (128, 128, 128)
    """
    _check_size(*picture.size)
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
        rgb = Image.fromarray(_to_8_bit(np.asarray(upright))).convert("RGB")
    elif upright.has_transparency_data:
        layer = upright.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        rgb = Image.alpha_composite(white, layer).convert("RGB")
    else:
        rgb = upright.convert("RGB")
    rgb.info = {}
    return rgb


def _decode(
    file: str | os.PathLike[str] | bytes, image: str, read: Callable[[Image.Image], T]
) -> T:
    try:
        with quiet():
            with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as picture:
                _check_size(*picture.size)
                return read(picture)
    # Pillow's plug-ins raise whatever their parsing trips over (SyntaxError, struct.error, …)
    except Exception as error:
        raise UnreadableImage(image, _reason(file, error)) from error


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"{width} × {height} pixels is no image")
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError
    if max(width, height) > MAX_SIDE_RATIO * min(width, height):
        raise ValueError(
            f"{width} × {height} pixels is longer than 1 : {MAX_SIDE_RATIO}; cut it into pieces"
        )


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    if np.issubdtype(values.dtype, np.floating):
        if not (low >= 0 and high <= 1):
            raise ValueError(f"float values from {low:g} to {high:g}; only [0, 1] is defined")
        return np.rint(values * 255).astype(np.uint8)
    if low < 0 or high > 65535:
        raise ValueError(f"integer values from {low} to {high}; only 0..65535 is defined")
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _reason(file: str | os.PathLike[str] | bytes, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {MAX_PIXELS:,} pixels, the limit for one image; scale it down"
    if isinstance(error, FileNotFoundError):
        return "the file is gone"
    if isinstance(error, UnidentifiedImageError):
        size = len(file) if isinstance(file, bytes) else Path(file).stat().st_size
        return "not an image, whatever its name says" if size else "the file is empty"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, OSError | ValueError | SyntaxError):
        return f"cannot be decoded ({error})"
    return f"cannot be decoded ({type(error).__name__}: {error})"
