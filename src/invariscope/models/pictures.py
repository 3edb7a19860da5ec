"""Makes one batch of the pictures that `Probe.predict` takes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from invariscope.devices import as_float
from invariscope.errors import InputError

_BATCH = 32


def as_images(images: Any, bands: set[int]) -> list[Image.Image | Tensor]:
    """Returns the pictures one by one.

    Args:
        images: A Pillow image, a batch as an array or a tensor, or a sequence of these.
        bands: The numbers of bands that the model takes.

    Raises:
        InputError: What came is no pictures, or has other bands.
    """
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, list | tuple) and images:
        return [picture for item in images for picture in as_images(item, bands)]
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.ascontiguousarray(images))
    if isinstance(images, Tensor):
        batch = images[None] if images.ndim == 3 else images
        if batch.ndim == 4 and batch.shape[1] not in bands and batch.shape[3] in bands - {1}:
            batch = batch.permute(0, 3, 1, 2)
        if batch.ndim == 4 and batch.shape[1] in bands and len(batch):
            return list(batch)
        came = f"{images.dtype} {list(images.shape)}"
    else:
        came = f"{type(images).__name__}" + (" (empty)" if isinstance(images, list | tuple) else "")
    raise InputError(
        f"images: {came} came; PIL images, uint8 [image, height, width, 3] or "
        "[image, 3, height, width] in [0, 1] work"
    )


def batches(pictures: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yields the pictures in batches, in [0, 1].

    Raises:
        InputError: Their sizes differ.
    """
    for start in range(0, len(pictures), _BATCH):
        chunk = pictures[start : start + _BATCH]
        if len({picture.shape for picture in chunk}) > 1:
            raise InputError(
                "images: sizes differ and the model's preprocessing has none; "
                "give preprocessing={'size': …} to load_model"
            )
        yield torch.stack([as_float(picture) for picture in chunk])
