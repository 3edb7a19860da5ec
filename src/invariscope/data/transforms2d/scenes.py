"""Makes the backgrounds of Transforms-2D: small square pictures, all of one size.

===============  ===================================================================================
``photographs``  882 crops (as many as the paper has backgrounds) of the 17 wallpapers of
                 `invariscope.data.backgrounds`; three Debian packages
``samples``      the crops of the photographs in scikit-image and scikit-learn
``drawn``        882 clouds of two colours, drawn by ourselves: always there
``hf:DATASET``   the paper's own
a colour         one plain background, ``black`` or ``%23336699``
===============  ===================================================================================

Crops of one photograph are not independent photographs; a note says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageColor

from invariscope.data import backgrounds
from invariscope.data.packages import needs_debian
from invariscope.data.transforms2d.published import published_backgrounds
from invariscope.errors import InputError
from invariscope.seeding import generator, uniform

COUNT = 882
_CROPS = (0.15, 1.0)


@dataclass(frozen=True)
class Scenes:
    """Backgrounds.

    Attributes:
        pixels: All of one size.
        names: One each.
        note: Whose they are.
    """

    pixels: UInt8[np.ndarray, "scene 3 side side"]
    names: tuple[str, ...]
    note: str

    def __len__(self) -> int:
        return len(self.pixels)


@lru_cache(maxsize=8)
def scenes(name: str, size: int = 32) -> Scenes:
    """Backgrounds by name.

    Args:
        name: ``photographs``, ``samples``, ``drawn``, ``hf:DATASET`` or a colour.
        size: Side in pixels.

    Raises:
        InputError: A package is not installed, or there is no such colour.

    Example:
        >>> scenes("drawn", 8).pixels.shape, scenes("black").names
        ((882, 3, 8, 8), ('black',))
        >>> scenes("blak")
        Traceback (most recent call last):
        invariscope.errors.InputError: backgrounds=blak: no such colour; photographs, samples, ...
    """
    if name == "photographs":
        return _photographs(size)
    if name == "samples":
        return _samples(size)
    if name == "drawn":
        names = tuple(f"cloud {number}" for number in range(COUNT))
        return Scenes(_drawn(size), names, "backgrounds: drawn by invariscope")
    if name.startswith("hf:"):
        pictures = [_small(picture, size) for picture in published_backgrounds(name[3:])]
        names = tuple(f"backgrounds, row {number}" for number in range(len(pictures)))
        return Scenes(_stacked(pictures), names, f"backgrounds: {name}")
    try:
        colour = ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise InputError(
            f"backgrounds={name}: no such colour; photographs, samples, drawn, black, %23808080 … "
            "work"
        ) from error
    plain = Image.new("RGB", (size, size), colour)
    return Scenes(_stacked([plain]), (name,), f"backgrounds: plain {name}")


def _photographs(size: int) -> Scenes:
    installed, missing = backgrounds.installed_backgrounds()
    if missing:
        raise needs_debian("backgrounds=photographs", missing, "; or write backgrounds=drawn")
    names = [f"{installed[k % len(installed)].name} {k // len(installed)}" for k in range(COUNT)]
    drawn = [uniform(0, f"scene {what}", names) for what in ("fraction", "x", "y")]
    pictures = []
    for number, (share, x, y) in enumerate(zip(*drawn, strict=True)):
        fraction = _CROPS[0] * (_CROPS[1] / _CROPS[0]) ** float(share)
        scene = installed[number % len(installed)]
        pictures.append(backgrounds.crop_background(scene, size, fraction, float(x), float(y)))
    note = (
        f"backgrounds: {COUNT} crops of {len(installed)} photographs, not independent ones: "
        f"{backgrounds.CREDIT}"
    )
    return Scenes(_stacked(pictures), tuple(names), note)


def _samples(size: int) -> Scenes:
    from invariscope.data.samples import SamplesSource

    source = SamplesSource()
    pictures = []
    for index in range(len(source)):
        picture = source.load(index)
        assert isinstance(picture, Image.Image)
        pictures.append(_small(picture, size))
    note = f"backgrounds: {len(pictures)} crops, not independent photographs: " + "; ".join(
        source.notes
    )
    return Scenes(_stacked(pictures), tuple(source.ids), note)


def _drawn(size: int) -> np.ndarray:
    """Smooth noise at three scales that goes from one random colour to another."""
    clouds = np.empty((COUNT, 3, size, size), dtype=np.uint8)
    for number in range(COUNT):
        rng = generator(0, f"cloud {number}")
        height = np.zeros((size, size))
        for cells, weight in ((3, 1.0), (6, 0.5), (12, 0.25)):
            grid = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
            smooth = grid.resize((size, size), Image.Resampling.BICUBIC)
            height += weight * np.asarray(smooth)
        share = np.clip((height / 1.75 - 0.25) * 2, 0, 1)
        first, second = rng.random(3), rng.random(3)
        colours = first[:, None, None] * (1 - share) + second[:, None, None] * share
        clouds[number] = np.rint(255 * colours)
    return clouds


def _small(picture: Image.Image, size: int) -> Image.Image:
    return picture.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)


def _stacked(pictures: Sequence[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(picture).transpose(2, 0, 1) for picture in pictures])
