"""Reads and writes `flips.npz`: pictures of images whose answers flip first, before and after.

| array | meaning |
|---|---|
| format | 1 |
| run | the identity of the run (`runs/identity.py`) |
| image, transformation | `[picture]`, text |
| level | `[picture]`, int32: the first level at which the answer is another one |
| before0, after0, before1, … | uint8 `[height, width, 3]`, the longer side at most 112 |
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from invariscope.files import write_arrays
from invariscope.runs.arrays import run_arrays
from invariscope.runs.identity import RUN

FLIP_PICTURES = "flips.npz"
_FORMAT, _SIDE = 1, 112
_REMEDY = "give the run's command again to write the pictures of flips anew"


@dataclass(frozen=True)
class FlipPicture:
    """An image whose answer flips, as it is and at the first level at which it does.

    Attributes:
        image: Its id.
        transformation: Under what.
        level: The level.
        before: uint8 [height, width, 3], the image as it is.
        after: The same, transformed.
    """

    image: str
    transformation: str
    level: int
    before: np.ndarray
    after: np.ndarray

    def small(self) -> "FlipPicture":
        """The same with pictures of at most 112 pixels a side."""
        before, after = _small(self.before), _small(self.after)
        return FlipPicture(self.image, self.transformation, self.level, before, after)


def write_flip_pictures(
    folder: str | os.PathLike[str], pictures: Sequence[FlipPicture], run: str
) -> Path:
    """Writes `flips.npz` of a run folder, whole or not at all; `run` is its identity.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    arrays = {
        "format": np.array(_FORMAT),
        RUN: np.array(run),
        "image": np.array([picture.image for picture in pictures], dtype=np.str_),
        "transformation": np.array([one.transformation for one in pictures], dtype=np.str_),
        "level": np.array([picture.level for picture in pictures], dtype=np.int32),
    }
    for number, picture in enumerate(pictures):
        arrays |= {f"before{number}": picture.before, f"after{number}": picture.after}
    path = Path(folder) / FLIP_PICTURES
    write_arrays(path, arrays, kept="the rows of the run are kept")
    return path


def read_flip_pictures(folder: str | os.PathLike[str], run: str) -> tuple[FlipPicture, ...]:
    """Reads `flips.npz` of a run folder.

    Raises:
        InputError: The file is damaged, lacks arrays, is of a newer format or of another run.
    """
    path = Path(folder) / FLIP_PICTURES
    with run_arrays(path, _FORMAT, run, _REMEDY) as file:
        columns = zip(file["image"], file["transformation"], file["level"], strict=True)
        pictures = tuple(
            FlipPicture(str(i), str(t), int(k), file[f"before{number}"], file[f"after{number}"])
            for number, (i, t, k) in enumerate(columns)
        )
        shapes = [array.shape for one in pictures for array in (one.before, one.after)]
        if any(len(shape) != 3 or shape[2] != 3 for shape in shapes):
            raise ValueError("pictures are not [height, width, 3]")
        return pictures


def _small(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    if max(image.size) <= _SIDE:
        return pixels
    scale = _SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
