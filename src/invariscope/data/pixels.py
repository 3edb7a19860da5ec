"""Turns one image in memory into what a source returns.

| given | shapes | becomes |
|---|---|---|
| Pillow image of 8 bits | any mode | RGB Pillow image, by the rules of `invariscope.data.decode` |
| uint8 array or tensor | [H, W], [H, W, 1 or 3], [1 or 3, H, W] | RGB Pillow image |
| uint8 array or tensor of other bands | [H, W, C], [C, H, W] | uint8 tensor [C, H, W] |
| uint16, deep Pillow image | [H, W], [H, W, C], [C, H, W] | float32 tensor [C, H, W] in [0, 1] |
| float array or tensor in [0, 1] | [C, H, W], [H, W, C] | float32 tensor [C, H, W] |

Where black and white lie: `invariscope.data.depth`. Floats outside [0, 1] are refused unless a
value range is given: they look normalised, and the transformations act before normalisation.

**Which axis holds the bands.** The one of length 1 or 3; where both ends are, tensors and floats
are channels-first and arrays of integers channels-last. Where neither is, the shorter end if it is
the shortest of all three axes; else it is unknown, and ``axes="CHW"`` or ``"HWC"`` must say it.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image

from invariscope.data.depth import Stored, ValueRange
from invariscope.data.rgb import shown, stored_picture

AXES = ("CHW", "HWC")


def to_image(
    value: Any, value_range: ValueRange | None = None, axes: str | None = None
) -> Image.Image | torch.Tensor:
    """Turns one image into what a source returns; see the table above.

    Args:
        value: The image.
        value_range: Which stored numbers are black and white; None by the type.
        axes: "CHW" or "HWC" where the shape does not say which axis holds the bands.

    Raises:
        ValueError: With what came and what would work, in one line.

    Example:
        >>> to_image(np.zeros((4, 5), dtype=np.uint8)).size
        (5, 4)
        >>> to_image(torch.ones(1, 4, 5)).shape, to_image(np.ones((8, 9, 4), np.uint16)).shape
        (torch.Size([1, 4, 5]), torch.Size([4, 8, 9]))
        >>> to_image(torch.full((3, 4, 5), -2.0))
        Traceback (most recent call last):
        ValueError: float values from -2 to -2; images must be in [0, 1], before normalisation...
    """
    if isinstance(value, Image.Image):
        return shown(stored_picture(value), value_range)
    if not isinstance(value, np.ndarray | torch.Tensor):
        raise ValueError(
            f"{type(value).__name__} is no image; give a Pillow image, an array or a tensor"
        )
    return shown(Stored(to_rows(value, value_range, axes)), value_range)


def to_rows(
    value: np.ndarray | torch.Tensor, value_range: ValueRange | None = None, axes: str | None = None
) -> np.ndarray:
    """Returns a view [height, width, band] of an image in memory.

    Raises:
        ValueError: It is no image.
    """
    pixels = to_numpy(value)
    check_type(pixels.dtype, value_range)
    first = image_layout(pixels.shape, pixels.dtype, isinstance(value, torch.Tensor), axes)
    if pixels.ndim == 2:
        return pixels[..., None]
    return np.moveaxis(pixels, 0, -1) if first else pixels


def to_numpy(value: np.ndarray | torch.Tensor) -> np.ndarray:
    """Returns a NumPy view of an array or, on the CPU, of a tensor."""
    if isinstance(value, np.ndarray):
        return value
    tensor = value.detach().cpu()
    # NumPy has no bfloat16
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def check_type(dtype: np.dtype, value_range: ValueRange | None) -> None:
    """Refuses numbers without a known black and white.

    Raises:
        ValueError: Neither uint8, uint16 nor floats, without a value range.
    """
    if dtype in (np.uint8, np.uint16) or np.issubdtype(dtype, np.floating):
        return
    if np.issubdtype(dtype, np.integer) and value_range is not None and not value_range.sampled:
        return
    others = "; value_range=(LOW, HIGH) says what is black and white in other numbers"
    way = others if np.issubdtype(dtype, np.integer) else ""
    raise ValueError(
        f"dtype {dtype}; images are uint8 in 0..255, uint16 in 0..65535 or float in [0, 1]{way}"
    )


def image_layout(
    shape: tuple[int, ...], dtype: np.dtype, is_tensor: bool, axes: str | None = None
) -> bool:
    """Tells whether an image of that shape and type is channels-first.

    Raises:
        ValueError: It is no image, or its axes are unknown.
    """
    if axes is not None and axes not in AXES:
        raise ValueError(f"axes is {axes!r}; CHW and HWC work")
    floating = np.issubdtype(dtype, np.floating)
    if 0 in shape:
        raise ValueError(f"shape {list(shape)} holds no pixel")
    if len(shape) == 2 and not floating:
        return False
    if len(shape) != 3:
        wanted = "float [3, H, W]" if floating else f"{dtype} [H, W, 3] or [H, W]"
        raise ValueError(f"shape {list(shape)} is no {dtype} image; give {wanted}")
    if axes is not None:
        return axes == "CHW"
    first, last = shape[0] in (1, 3), shape[-1] in (1, 3)
    if first or last:
        return first and (is_tensor or floating or not last)
    if shape[0] == shape[-1] or min(shape[0], shape[-1]) >= shape[1]:
        raise ValueError(
            f"shape {list(shape)} does not say which axis holds the bands; say it: "
            "invariscope.data.arrays.ArraySource(images, axes='CHW') or axes='HWC'"
        )
    return shape[0] < shape[-1]


def said_of_axes(shape: tuple[int, ...], first: bool) -> str:
    """Explains the axes of images whose shape leaves a doubt; "" where it leaves none."""
    if len(shape) != 3 or shape[0] in (1, 3) or shape[-1] in (1, 3):
        return ""
    bands, axes = (shape[0], "HWC") if first else (shape[-1], "CHW")
    return (
        f"images of shape {list(shape)} have {bands} bands, the shortest axis; "
        f"ArraySource(images, axes={axes!r}) says otherwise"
    )
