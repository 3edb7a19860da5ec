"""What counts as one image in memory, and how it becomes what a source returns.

| given | shapes | becomes |
|---|---|---|
| Pillow image | any mode | RGB Pillow image, by the rules of `invariscope.data.decode` |
| uint8 array or tensor | [H, W], [H, W, 1 or 3], [1 or 3, H, W] | RGB Pillow image |
| float array or tensor in [0, 1] | [1 or 3, H, W], [H, W, 1 or 3] | float32 tensor [3, H, W] |

Where both readings of a shape are possible, tensors and floats are channels-first and uint8 arrays
are channels-last. Floats outside [0, 1] are refused: they look normalised, and the transformations
act before normalisation.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image

from invariscope.data.decode import to_rgb

TOLERANCE = 1e-5
"""How far a float may lie outside [0, 1] before it is more than rounding; it is then clamped."""


def to_image(value: Any) -> Image.Image | torch.Tensor:
    """One image as a source returns it: RGB Pillow image or float32 tensor [3, H, W] in [0, 1].

    Raises:
        ValueError: With what came and what would work, in one line.

    Example:
        >>> to_image(np.zeros((4, 5), dtype=np.uint8)).size
        (5, 4)
        >>> to_image(torch.ones(1, 4, 5)).shape
        torch.Size([3, 4, 5])
        >>> to_image(torch.full((3, 4, 5), -2.0))
        Traceback (most recent call last):
        ValueError: float values from -2 to -2; images must be in [0, 1], before normalisation...
    """
    if isinstance(value, Image.Image):
        return to_rgb(value)
    if not isinstance(value, np.ndarray | torch.Tensor):
        raise ValueError(
            f"{type(value).__name__} is no image; give a Pillow image, an array or a tensor"
        )
    pixels = to_numpy(value)
    channels_first = image_layout(pixels.shape, pixels.dtype, isinstance(value, torch.Tensor))
    if pixels.dtype == np.uint8:
        return _to_pillow(pixels, channels_first)
    check_range(pixels)
    if not channels_first:
        pixels = np.moveaxis(pixels, -1, 0)
    # a copy in any case: a view would keep the whole array alive in a batch, or be read-only
    floats = torch.from_numpy(np.array(pixels, dtype=np.float32)).clamp_(0, 1)
    return floats if len(floats) == 3 else floats.repeat(3, 1, 1)


def to_numpy(value: np.ndarray | torch.Tensor) -> np.ndarray:
    """A NumPy view of an array or, on the CPU, of a tensor."""
    if isinstance(value, np.ndarray):
        return value
    tensor = value.detach().cpu()
    # NumPy has no bfloat16
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def image_layout(shape: tuple[int, ...], dtype: np.dtype, is_tensor: bool) -> bool:
    """Whether an image of that shape and type is channels-first.

    Raises:
        ValueError: It is no image.
    """
    floating = np.issubdtype(dtype, np.floating)
    if dtype != np.uint8 and not floating:
        raise ValueError(f"dtype {dtype}; images are uint8 in 0..255 or float in [0, 1]")
    if 0 in shape:
        raise ValueError(f"shape {list(shape)} holds no pixel")
    if len(shape) == 2 and not floating:
        return False
    first = len(shape) == 3 and shape[0] in (1, 3)
    last = len(shape) == 3 and shape[-1] in (1, 3)
    if not (first or last):
        wanted = "float [3, H, W]" if floating else "uint8 [H, W, 3] or [H, W]"
        raise ValueError(f"shape {list(shape)} is no {dtype} image; give {wanted}")
    return first and (is_tensor or floating or not last)


def check_range(values: np.ndarray) -> None:
    """Refuses floats that are not images in [0, 1].

    Raises:
        ValueError: Values outside [0, 1] by more than `TOLERANCE`, or not finite.
    """
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("holds values that are not finite; images must be in [0, 1]")
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ValueError(
            f"float values from {low:.3g} to {high:.3g}; images must be in [0, 1], before "
            "normalisation: drop the Normalize step, or give uint8 for 0..255"
        )


def _to_pillow(pixels: np.ndarray, channels_first: bool) -> Image.Image:
    if channels_first:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
