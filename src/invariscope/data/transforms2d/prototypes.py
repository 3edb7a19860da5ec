"""Draws the objects of Transforms-2D: one picture with alpha per class, and whose it is.

===============================================  ===================================================
``shapes``                                       100, drawn by ourselves (`shapes`), always there
``stamps``                                       100 nouns: the first photographic cut-out of each
                                                 class of Debian's ``tuxpaint-stamps-default``
``emoji``                                        130 animals, plants and things of Google's Noto
                                                 Color Emoji (Debian's ``fonts-noto-color-emoji``)
``hf:tillspeicher/transforms_2d_base``           the paper's own 61, from SI-Score; needs a network
===============================================  ===================================================

Each is trimmed to what is visible, keeps its proportions, has a longer side of 0.7 of the frame and
lies in the middle of it, as in the published code (which makes all objects square).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64
from PIL import Image

from invariscope.data import cutouts
from invariscope.data.packages import needs_debian
from invariscope.data.transforms2d import emoji, shapes
from invariscope.data.transforms2d.published import published_objects
from invariscope.errors import InputError
from invariscope.registry import Registry

SIZE_IN_FRAME = 0.7
POINTS = 64
COLUMNS = ("class", "name", "source", "file", "licence")

#: RGBA picture, and a line of `COLUMNS` without the first, for class number k.
Picture = tuple[Image.Image, tuple[str, str, str, str]]


@dataclass(frozen=True)
class Prototypes:
    """Objects in the middle of a frame.

    Attributes:
        pictures: Red, green, blue (multiplied by alpha) and alpha, in [0, 1].
        outlines: Points around each object, x and y in pixels from the centre of the frame; y down.
        provenance: One line per class: its index, name, source, file or code, licence.
    """

    pictures: Float32[np.ndarray, "class 4 side side"]
    outlines: Float64[np.ndarray, "class point 2"]
    provenance: tuple[tuple[int, str, str, str, str], ...]

    @property
    def names(self) -> list[str]:
        """Name of each class."""
        return [line[1] for line in self.provenance]

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class PrototypeSource:
    """The origin of prototypes.

    Args:
        count: How many classes there are; raises `InputError` where they are not installed.
        picture: The picture of class number k.
        credit: A line for the report.
    """

    count: Callable[[], int]
    picture: Callable[[int], Picture]
    credit: str


PROTOTYPES: Registry[PrototypeSource] = Registry("prototype source", "invariscope.prototypes")


def _shape(number: int) -> Picture:
    name = shapes.shape_name(number)
    return shapes.draw_shape(number), (name, "shapes", f"number {number}", "Apache-2.0")


def _stamp(number: int) -> Picture:
    kind = cutouts.cutout_classes()[number]
    file = kind.files[0]
    line = (kind.noun, cutouts.PACKAGE, f"{cutouts.FOLDER}/{file}.png", "GPL-2")
    return cutouts.read_cutout(file), line


def _stamps_count() -> int:
    classes = cutouts.cutout_classes()
    if not Path(cutouts.FOLDER, f"{classes[0].files[0]}.png").is_file():
        instead = "; or write transforms2d:shapes"
        raise needs_debian("transforms2d:stamps", [cutouts.PACKAGE], instead)
    return len(classes)


def _emoji(number: int) -> Picture:
    name, code = emoji.EMOJI[number]
    return emoji.draw_emoji(number), (name, emoji.PACKAGE, f"U+{code:X}", emoji.LICENCE)


PROTOTYPES.add(
    "shapes", PrototypeSource(lambda: shapes.COUNT, _shape, "objects: drawn by invariscope")
)
PROTOTYPES.add("stamps", PrototypeSource(_stamps_count, _stamp, cutouts.CREDIT))
PROTOTYPES.add("emoji", PrototypeSource(emoji.installed_count, _emoji, emoji.CREDIT))


def prototype_source(name: str) -> PrototypeSource:
    """Returns a source by its name in a spec, ``hf:DATASET`` among them.

    Raises:
        InputError: There is none of that name.

    Example:
        >>> prototype_source("shapes").count()
        100
    """
    if name.startswith("hf:"):
        return PrototypeSource(
            lambda: len(published_objects(name[3:])),
            lambda number: published_objects(name[3:])[number],
            f"objects and backgrounds: {name} (SI-Score, Djolonga et al. 2021)",
        )
    return PROTOTYPES.get(name)


@lru_cache(maxsize=32)
def prototypes(
    name: str, *, size: int = 32, first: int = 0, classes: int | None = None
) -> Prototypes:
    """Objects of a source.

    Args:
        name: ``shapes``, ``stamps``, ``emoji`` or ``hf:DATASET``.
        size: Side of the frame in pixels.
        first: Index of the first class; sets that do not overlap share no object.
        classes: How many; None: all from the first on.

    Raises:
        InputError: The source is unknown or not installed, or has no such classes.

    Example:
        >>> some = prototypes("shapes", first=10, classes=2)
        >>> some.names, some.pictures.shape
        (['striped triangle', 'dotted star'], (2, 4, 32, 32))
        >>> prototypes("shapes", first=90, classes=11)
        Traceback (most recent call last):
        invariscope.errors.InputError: shapes has 100 classes: first=90 and classes=11 ask...
    """
    source = prototype_source(name)
    count = source.count()
    wanted = count - first if classes is None else classes
    if first < 0 or wanted < 1 or first + wanted > count:
        raise InputError(
            f"{name} has {count} classes: first={first} and classes={wanted} ask for "
            f"{first + wanted}; give fewer"
        )
    drawn: Sequence[Picture] = [source.picture(first + number) for number in range(wanted)]
    pictures = np.stack([_framed(picture, size) for picture, _ in drawn])
    outlines = np.stack([_outline(picture[3]) for picture in pictures])
    lines = tuple((first + number, *line) for number, (_, line) in enumerate(drawn))
    return Prototypes(pictures, outlines, lines)


def trimmed(picture: Image.Image) -> Image.Image:
    """Trims the margins of an RGBA picture in which nothing is visible."""
    picture = picture.convert("RGBA")
    seen = [255 if alpha > 255 * cutouts.OPAQUE else 0 for alpha in range(256)]
    box = picture.getchannel("A").point(seen).getbbox()
    return picture if box is None else picture.crop(box)


def _framed(picture: Image.Image, side: int) -> np.ndarray:
    """The picture in the middle of a transparent frame, float32 [4, side, side]."""
    picture = trimmed(picture)
    scale = SIZE_IN_FRAME * side / max(picture.size)
    width, height = (max(1, round(scale * length)) for length in picture.size)
    # Pillow multiplies colours by alpha before it resizes RGBA: no fringe of hidden colours
    small = picture.resize((width, height), Image.Resampling.LANCZOS)
    frame = Image.new("RGBA", (side, side))
    frame.paste(small, ((side - width) // 2, (side - height) // 2))
    pixels = np.asarray(frame, dtype=np.float32).transpose(2, 0, 1) / 255
    return np.concatenate([pixels[:3] * pixels[3:], pixels[3:]]).astype(np.float32)


def _outline(alpha: np.ndarray) -> np.ndarray:
    """The farthest corner of a visible pixel in each of `POINTS` directions, float64 [point, 2]."""
    rows, columns = np.nonzero(alpha > cutouts.OPAQUE)
    if not len(rows):
        rows, columns = np.nonzero(alpha >= alpha.max())
    middle = len(alpha) / 2
    corners = np.concatenate(
        [np.stack([columns + i, rows + j], 1) - middle for i in (0, 1) for j in (0, 1)]
    )
    angles = 2 * math.pi * np.arange(POINTS) / POINTS
    directions = np.stack([np.cos(angles), np.sin(angles)])
    return corners[np.argmax(corners @ directions, axis=0)].astype(np.float64)
