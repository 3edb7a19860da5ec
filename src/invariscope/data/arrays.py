"""Reads images that are in memory already, as one array."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from invariscope.data.depth import DepthFacts, ValueRange, check_range
from invariscope.data.digests import digest_of_pixels
from invariscope.data.labels import class_indices, label_form
from invariscope.data.pixels import check_type, image_layout, said_of_axes, to_image, to_numpy
from invariscope.data.source import UNLABELLED, ImageSource, NumberedIds, UnreadableImage
from invariscope.errors import InputError


class ArraySource(ImageSource):
    """A batch of images in one NumPy array or tensor; the ids are "0", "1", ….

    Args:
        images: uint8 in 0..255 or uint16 [N, H, W, 3], [N, H, W, C] or [N, H, W], or float
            [N, 3, H, W] or [N, C, H, W] in [0, 1], of any number C of bands. The other order of the
            axes is taken where the shape leaves no doubt (`invariscope.data.pixels`). Nothing is
            copied.
        labels: One class index or class name per image, or None.
        name: What the report calls it.
        value_range: Which numbers are black and white; None: found for uint16, else by the type.
        axes: "CHW" or "HWC", the order of the axes of an image; None: by the shape.

    Raises:
        InputError: A type, shape or range that is none of these, or not one label per image.

    Example:
        >>> source = ArraySource(np.zeros((2, 4, 5, 3), dtype=np.uint8), labels=["cat", "dog"])
        >>> list(source.ids), source.labels, source.load(0).size
        (['0', '1'], [0, 1], (5, 4))
        >>> source = ArraySource(torch.rand(2, 3, 4, 5))
        >>> source.load(0).shape
        torch.Size([3, 4, 5])
    """

    concurrent = True

    def __init__(
        self,
        images: np.ndarray | torch.Tensor,
        labels: Any = None,
        name: str = "array",
        *,
        value_range: ValueRange | None = None,
        axes: str | None = None,
    ):
        self.name = name
        self.value_range = value_range
        self._axes = None if axes is None else axes.upper().removeprefix("N")
        self._is_tensor = isinstance(images, torch.Tensor)
        self._images = to_numpy(images)
        try:
            self._check()
            self.ids = NumberedIds(len(self._images))
            if labels is not None:
                self.labels, self.class_names = class_indices(labels, len(self.ids))
                form = label_form(labels)
                said = "given beside the array" + (f"; {form}" if form else "")
                self.say("labels", said)
                if max(self.labels, default=0) < 0:
                    self.labels = None
                    self.say("labels", UNLABELLED, noted=True)
        except ValueError as error:
            raise InputError(f"{name} of images: {error}") from error

    def load(self, index: int) -> Image.Image | torch.Tensor:
        """Returns an RGB image, or a tensor [C, H, W]; see `invariscope.data.pixels`."""
        try:
            return to_image(self._item(index), self.value_range, self._axes)
        except ValueError as error:
            raise UnreadableImage(self.ids[index], str(error)) from error

    def facts(self, index: int) -> DepthFacts | None:
        """Returns the largest number of the whole array, where it holds 16 bits."""
        if self._images.dtype != np.uint16:
            return None
        images = self._images if index == 0 else self._images[index]
        return DepthFacts(highest=int(images.max()))

    def content(self, index: int) -> str:
        """Hashes the pixels."""
        return digest_of_pixels(self._images[index])

    def _item(self, index: int) -> np.ndarray | torch.Tensor:
        image = self._images[index]
        # the kind of container decides how an ambiguous shape is read
        return torch.from_numpy(image) if self._is_tensor else image

    def _check(self) -> None:
        shape, dtype = self._images.shape, self._images.dtype
        check_type(dtype, self.value_range)
        floating = np.issubdtype(dtype, np.floating)
        if len(shape) < 3 or (len(shape) == 3 and (floating or shape[-1] == 3)):
            wanted = "uint8 [N, H, W, 3] or [N, H, W], or float [N, 3, H, W] or [N, 1, H, W]"
            raise ValueError(f"shape {list(shape)} and {dtype}; give {wanted}")
        if not shape[0]:
            raise ValueError("it is empty")
        first = image_layout(shape[1:], dtype, self._is_tensor, self._axes)
        said = "" if self._axes else said_of_axes(shape[1:], first)
        if said:
            self.say("axes", said)
        if floating or self.value_range is not None:
            check_range(self._images, self.value_range)
