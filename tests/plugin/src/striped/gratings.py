"""Gratings: waves of every direction and width, as many as are asked for."""

import numpy as np
from PIL import Image

from invariscope.data import ImageSource
from invariscope.data.source import NumberedIds


class Gratings(ImageSource):
    """Gratings, made as they are read."""

    def __init__(self, argument: str | None = None, count: str = "6"):
        self.name, self.ids = f"gratings?count={count}", NumberedIds(int(count))

    def load(self, index: int) -> Image.Image:
        """The grating of that number, 32 × 32."""
        y, x = np.mgrid[:32, :32]
        wave = np.sin((np.cos(index) * x + np.sin(index) * y) * (0.3 + 0.1 * index))
        return Image.fromarray(np.uint8(127 + 120 * wave)).convert("RGB")
