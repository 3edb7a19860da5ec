"""Small pictures in a page: data URIs, so that no file lies beside it."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

SIDE = 112
QUALITY = 80


@dataclass(frozen=True)
class Thumbnail:
    """A picture: what stands under it, what it is called for those who cannot see it, its bytes."""

    caption: str | Markup
    alternative: str
    uri: str


def jpeg(pixels: np.ndarray, side: int = SIDE) -> str:
    """Pixels uint8 [height, width, 3] as a JPEG in a data URI, its longer side that long."""
    image = Image.fromarray(pixels)
    # Small images (CIFAR, MNIST) are enlarged without smoothing: these pixels were measured.
    smooth = min(image.size) >= side
    scale = side / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    way = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return data_uri(image.resize((width, height), way), "jpeg", quality=QUALITY)


def data_uri(image: Image.Image, kind: str, **options: Any) -> str:
    """A Pillow image in a data URI.

    Args:
        image: It.
        kind: "jpeg" or "png".
        **options: For `PIL.Image.Image.save`.
    """
    buffer = io.BytesIO()
    image.save(buffer, kind, optimize=True, **options)
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()
