"""Corrupts the images of another source: ``corrupted:noise?of=SPEC``.

Out-of-distribution data for a network that has seen the originals (003 §4.2). What is drawn for an
image is a function of the seed and of its id alone. In units of [0, 1]:

========  ==========================================================================================
noise     Gaussian noise of standard deviation 0.3 on every value, clipped
impulse   a tenth of the pixels become black or white
blur      Gaussian blur, radius 1/16 of the longer side
contrast  three tenths of the contrast, around the image's mean
invert    1 − x
blocks    every block of 1/8 of the longer side becomes its mean
========  ==========================================================================================

An ampersand in the inner spec is written ``%26``.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from invariscope.data.mnist_base import whole_number
from invariscope.data.rgb import seen_as_rgb
from invariscope.data.source import SOURCES, ImageSource
from invariscope.errors import InputError
from invariscope.registry import unknown_name
from invariscope.seeding import generator

Corrupt = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _impulse(pixels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    chosen, white = draw.random((2, *pixels.shape[:2]))
    hit = (chosen < 0.1)[..., None]
    return np.where(hit, (white < 0.5)[..., None], pixels)


def _blur(pixels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    image = Image.fromarray(np.round(255 * pixels).astype(np.uint8))
    blurred = image.filter(ImageFilter.GaussianBlur(max(image.size) / 16))
    return np.asarray(blurred) / 255


def _blocks(pixels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    image = Image.fromarray(np.round(255 * pixels).astype(np.uint8))
    small = [max(1, round(8 * side / max(image.size))) for side in image.size]
    coarse = image.resize((small[0], small[1]), Image.Resampling.BOX)
    return np.asarray(coarse.resize(image.size, Image.Resampling.NEAREST)) / 255


CORRUPTIONS: dict[str, Corrupt] = {
    "noise": lambda pixels, draw: pixels + 0.3 * draw.standard_normal(pixels.shape),
    "impulse": _impulse,
    "blur": _blur,
    "contrast": lambda pixels, draw: pixels.mean() + 0.3 * (pixels - pixels.mean()),
    "invert": lambda pixels, draw: 1 - pixels,
    "blocks": _blocks,
}


class CorruptedSource(ImageSource):
    """A source seen through a corruption; ids and labels stay.

    Args:
        name: One of `CORRUPTIONS`.
        source: The images.
        seed: Of what is drawn.

    Example:
        >>> from invariscope.data import open_source
        >>> white = open_source(np.full((2, 4, 4, 3), 255, dtype=np.uint8))
        >>> CorruptedSource("invert", white).load(0).getpixel((0, 0))
        (0, 0, 0)
    """

    def __init__(self, name: str, source: ImageSource, seed: int = 0):
        if name not in CORRUPTIONS:
            raise unknown_name("corruption", name, CORRUPTIONS)
        self.name = f"corrupted:{name}"
        self._kind, self._source, self._seed = name, source, seed
        self.ids, self.labels = source.ids, source.labels
        self.concurrent = source.concurrent
        self.class_names, self.class_ids = source.class_names, source.class_ids
        self.imagenet_outputs = source.imagenet_outputs
        self.label_meaning, self.decisions = source.label_meaning, dict(source.decisions)
        self.notes = [*source.notes, f"corrupted: {name}"]

    def load(self, index: int) -> Image.Image:
        """Returns the image after the corruption, uint8."""
        image = self._source.load(index)
        if isinstance(image, Image.Image) or len(image) not in (1, 3):
            pixels = np.asarray(seen_as_rgb(image), dtype=np.float64) / 255
        else:
            pixels = np.moveaxis(np.asarray(image, dtype=np.float64), 0, -1)
            pixels = np.repeat(pixels, 3 // pixels.shape[-1], axis=-1)
        draw = generator(self._seed, f"corrupted {self._kind} {self.ids[index]}")
        values = np.clip(CORRUPTIONS[self._kind](pixels, draw), 0, 1)
        return Image.fromarray(np.round(255 * values).astype(np.uint8))


@SOURCES.register("corrupted")
def corrupted(argument: str | None = None, *, of: str = "", seed: str = "0") -> CorruptedSource:
    """Others, corrupted in one of six ways: corrupted:noise?of=samples.

    Raises:
        InputError: An unknown corruption, or a source that cannot be opened.

    Example:
        >>> corrupted("noise")
        Traceback (most recent call last):
        invariscope.errors.InputError: corrupted: of which images? corrupted:noise?of=SPEC works
    """
    from invariscope.data.opening import open_source  # which knows this source itself

    if argument is None:
        raise InputError(f"corrupted: how? corrupted:{', corrupted:'.join(CORRUPTIONS)} work")
    if not of:
        raise InputError(f"corrupted: of which images? corrupted:{argument}?of=SPEC works")
    return CorruptedSource(argument, open_source(of), whole_number("corrupted", "seed", seed))
