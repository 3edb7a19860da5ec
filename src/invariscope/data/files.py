"""Reads sources of image files: a file, or its bytes, for each image."""

import os
from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from invariscope.data.decode import decode_alpha, decode_image, look
from invariscope.data.depth import DepthFacts
from invariscope.data.digests import digest_of_file
from invariscope.data.source import ImageSource, UnreadableImage

if TYPE_CHECKING:
    import torch

MAY_BE_DEEP = (".png", ".tif", ".tiff")
"""Suffixes of formats that hold more than 8 bits or more than colours."""


class FilesSource(ImageSource):
    """Images that are files, decoded by the rules of `invariscope.data.decode`.

    A subclass sets the attributes of `ImageSource` and writes `file`; `suffix`, if ids have none.
    """

    concurrent = True

    @abstractmethod
    def file(self, index: int) -> str | bytes:
        """Returns the path of an image, or the content of such a file.

        Raises:
            UnreadableImage: There is none.
        """

    def suffix(self, index: int) -> str:
        """Returns the suffix of an image's file, such as ".png"."""
        return os.path.splitext(self.ids[index])[1]

    def load(self, index: int) -> "Image.Image | torch.Tensor":
        """Decodes the image at a position."""
        return decode_image(self.file(index), self.ids[index], self.value_range, self.all_bands)

    def digest(self, index: int) -> str:
        """The digest of the file, which no decoder changes."""
        try:
            return digest_of_file(self.file(index))
        except (OSError, UnreadableImage):
            return ""

    def facts(self, index: int) -> DepthFacts:
        """Looks at the file's depth and bands; only formats that may be deep are opened."""
        if self.suffix(index).lower() not in MAY_BE_DEEP:
            return DepthFacts()
        return look(self.file(index), self.ids[index])

    def alpha(self, index: int) -> np.ndarray | None:
        """Decodes the alpha channel of the file, float32 [height, width] in [0, 1], or None."""
        return decode_alpha(self.file(index), self.ids[index])
