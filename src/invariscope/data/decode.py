"""Decodes image files to pixels, by one set of rules for every source.

- The EXIF orientation is applied. Colour profiles are not: the numbers are taken as sRGB.
- Alpha, from an alpha channel or a transparent palette entry, is composited over white.
- Greyscale of 8 bits becomes three equal channels. What is deeper than 8 bits, or has other bands
  than grey or RGB, becomes a tensor with its own bands and depth (`decode_image`); where black and
  white lie, see `invariscope.data.depth`. Seen as RGB of 8 bits (`decode`), its first three bands
  are the colours, or its first is grey.
- PNG and TIFF keep 16 bits of grey and colour, other formats as far as Pillow does: 16 bits of
  grey; of colour (JPEG 2000, AVIF, PPM) the upper 8 bits.
- Which samples of a TIFF are bands and which alpha, its tags say: `invariscope.data.tiff`.
- CMYK and YCbCr are converted by Pillow's plain formulas.
- An animation or a multi-page file gives its first frame.
- More than `MAX_PIXELS` pixels, or sides further apart than 1 : `MAX_SIDE_RATIO`, is refused
  before a pixel is decoded (`invariscope.data.rgb`): the first fills the memory when decoded, the
  second when resized.
- JPEG is decoded at full size. The draft mode is not used, because its pixels differ.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from invariscope.data.depth import DepthFacts, ValueRange
from invariscope.data.quiet import quiet
from invariscope.data.rgb import MAX_PIXELS, as_rgb, check_size, shown
from invariscope.data.source import UnreadableImage
from invariscope.data.stored import File, alpha_of_file, facts_of, read_stored
from invariscope.data.tiff import layout_of_file

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


def decode(file: File, image: str) -> Image.Image:
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
    return _decode(file, image, lambda picture: as_rgb(read_stored(picture, file, False)))


def decode_image(
    file: File, image: str, value_range: ValueRange | None = None, all_bands: bool = False
) -> "Image.Image | torch.Tensor":
    """Decodes one image file at its own depth, with its own bands.

    Args:
        file: A path, or the bytes of the file.
        image: The id of the image, for the error.
        value_range: Which stored numbers are black and white; None by the type.
        all_bands: Whether a file of red, green, blue and more gives all its samples, also one that
            is declared alpha; else they are left out, and alpha is composited.

    Returns:
        An RGB image for grey and colour of 8 bits, else a tensor [band, height, width], uint8 or
        float32 in [0, 1].

    Raises:
        UnreadableImage: With a reason of one line.
    """
    return _decode(
        file, image, lambda picture: shown(read_stored(picture, file, all_bands), value_range)
    )


def look(file: File, image: str) -> DepthFacts:
    """Looks at a file's depth and bands; no facts where it cannot be read."""
    try:
        return _decode(file, image, lambda picture: facts_of(picture, file))
    except UnreadableImage:
        return DepthFacts()


def decode_alpha(file: File, image: str) -> np.ndarray | None:
    """Decodes the alpha channel of an image file.

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
    return _decode(file, image, lambda picture: alpha_of_file(picture, file))


def _decode(file: File, image: str, read: Callable[[Image.Image | None], T]) -> T:
    try:
        with quiet(), _opened(file) as picture:
            if picture is not None:
                check_size(*picture.size)
            return read(picture)
    # Pillow's plug-ins raise whatever their parsing trips over (SyntaxError, struct.error, …)
    except Exception as error:
        raise UnreadableImage(image, _reason(file, error)) from error


@contextmanager
def _opened(file: File) -> Iterator[Image.Image | None]:
    """The file in Pillow's hands; None: a TIFF that it does not open."""
    try:
        picture = Image.open(io.BytesIO(file) if isinstance(file, bytes) else file)
    except UnidentifiedImageError:
        if layout_of_file(file) is None:
            raise
        yield None
        return
    with picture:
        yield picture


def _reason(file: File, error: Exception) -> str:
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
