"""Keeps grey images that one file in a package holds, read once, as uint8."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from invariscope.data.source import ImageSource, NumberedIds

Read = Callable[[], tuple[np.ndarray, np.ndarray]]


class GreyTableSource(ImageSource):
    """Labelled grey images uint8 [N, H, W]; a pickled copy reads the file again when it loads.

    Args:
        name: The spec.
        read: A picklable function that returns the images and the labels [N].
        class_names: One name per class.
        notes: Lines for the report.

    Raises:
        InputError: Whatever `read` raises.

    Example:
        >>> def read():
        ...     return np.full((2, 3, 3), 9, dtype=np.uint8), np.array([0, 1])
        >>> source = GreyTableSource("nines", read, ["a", "b"])
        >>> source.labels, source.load(1).getpixel((0, 0))
        ([0, 1], (9, 9, 9))
    """

    concurrent = True

    def __init__(
        self, name: str, read: Read, class_names: Sequence[str], notes: Sequence[str] = ()
    ):
        self.name = name
        self.class_names = class_names
        self.notes = notes
        self._read = read
        images, labels = read()
        self._images: np.ndarray | None = images
        self.ids = NumberedIds(len(images))
        self.labels = labels.tolist()

    def load(self, index: int) -> Image.Image:
        """Returns the image with its grey in all three channels."""
        if self._images is None:
            self._images = self._read()[0]
        return Image.fromarray(self._images[index]).convert("RGB")

    def __getstate__(self) -> dict[str, Any]:
        # a worker that is spawned gets the way to the file, not 47 MB of pixels
        return {**self.__dict__, "_images": None}
