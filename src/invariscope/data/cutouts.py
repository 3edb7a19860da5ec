"""Reads photographic cut-outs with an alpha channel, and what they show: stamps of Tux Paint.

The pictures are those of Debian's package ``tuxpaint-stamps-default`` and are read from there.
Which of them are used and what they show is a table of our own, ``stamps.csv``: one line a class,
with

- ``noun``: the word in the stamp's own text, or the ImageNet class that the picture shows (a cep is
  a bolete); a lemma of
- ``synset``: its sense in WordNet 3.0;
- ``outputs``: the ImageNet-1k classes at or below that synset (0..999, single ones and ranges);
- ``files``: the stamps, at least `SMALLEST` pixels on their longer side.

Chosen by eye, stamp by stamp. Left out: drawings (all clothes and hats, "bee", "hedgehog", "pizza"
and most in the folders of cartoons, symbols and seasons), people, signs, flags, mirror images,
pictures smaller than `SMALLEST`, and nouns without an ImageNet class at or below them, or whose
only such class is plainly another thing (a dolphin is no killer whale). 100 nouns and 131 stamps
are left: 78 classes have a single stamp, so two images of such a class differ in
background, place and size, not in the thing itself.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from invariscope.data.rgb import MAX_PIXELS
from invariscope.data.source import UnreadableImage

FOLDER = "/usr/share/tuxpaint/stamps"
PACKAGE = "tuxpaint-stamps-default"
CREDIT = "cut-outs: Tux Paint stamps (tuxpaint-stamps-default, GPL-2)"
SMALLEST = 80
OPAQUE = 0.1
"""A cut-out ends where its alpha falls to this: faint shadows do not count as the thing."""


@dataclass(frozen=True)
class CutoutClass:
    """A line of the table: what some stamps show.

    Attributes:
        noun: The name of the class.
        synset: Its WordNet 3.0 id, such as ``"n02084071"``.
        outputs: The ImageNet-1k classes at or below it, 0..999.
        files: Stamps, relative to `FOLDER`, without ``.png``.
    """

    noun: str
    synset: str
    outputs: tuple[int, ...]
    files: tuple[str, ...]


@lru_cache(maxsize=1)
def cutout_classes() -> tuple[CutoutClass, ...]:
    """Returns the classes, in the order of their nouns.

    Example:
        >>> zebra = next(each for each in cutout_classes() if each.noun == "zebra")
        >>> zebra.synset, zebra.outputs, zebra.files
        ('n02391049', (340,), ('animals/mammals/equines/zebra',))
    """
    with open(Path(__file__).with_name("stamps.csv"), newline="", encoding="utf-8") as file:
        return tuple(
            CutoutClass(
                line["noun"],
                line["synset"],
                _numbers(line["outputs"]),
                tuple(line["files"].split()),
            )
            for line in csv.DictReader(file)
        )


@lru_cache(maxsize=64)  # the images of a stamp come one after the other; most are below 0.2 MB
def read_cutout(file: str) -> Image.Image:
    """Reads one cut-out, trimmed to its visible part.

    Args:
        file: A stamp, relative to `FOLDER`, without ``.png``.

    Returns:
        An RGBA image whose first and last rows and columns hold a pixel of an alpha above `OPAQUE`.

    Raises:
        UnreadableImage: The file is missing, broken, too large or wholly transparent.
    """
    try:
        with Image.open(Path(FOLDER, f"{file}.png")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} × {picture.height} pixels are too many")
            cutout = picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableImage(
            file, f"the stamp cannot be read ({error}); install it again"
        ) from error
    visible = np.asarray(cutout.getchannel("A")) > 255 * OPAQUE
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    if not len(rows):
        raise UnreadableImage(file, "the stamp is wholly transparent")
    return cutout.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


def _numbers(text: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in text.split():
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)
