"""Takes the pictures of answers that flip, after the pass: the few images are read once more.

Nothing is kept while blocks are measured. An image is read again by its id, and left out where its
content is another one now (by its digest) or where a data set makes new images at each reading.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from invariscope.devices import as_float
from invariscope.files import write_csv, write_file
from invariscope.results import Result
from invariscope.results.flip_pictures import FlipPicture
from invariscope.runs.bands import as_colour
from invariscope.runs.subject import Subject
from invariscope.sweep.setup import Setup

#: Images shown for each transformation, and the most that `save_images` writes for each.
SHOWN, SAVED = 3, 100
#: Where `save_images` writes, in the run folder.
IMAGES, LISTED = "images", "images.csv"


def take(
    setup: Setup, subject: Subject, result: Result, flips: pd.DataFrame, most: int
) -> Iterator[tuple[Any, FlipPicture]]:
    """Yields (index in ``flips``, picture) of first flips, image by image.

    One image is held at a time. A line in the manifest says what could not be shown.

    Args:
        setup: The cells.
        subject: The images.
        result: The run; content is checked against its digests.
        flips: As `Result.flips` gives them.
        most: How many of each transformation.
    """
    note = ""
    chosen = flips.groupby("transformation", sort=False).head(most)
    if subject.random:
        note = "images that flip cannot be shown: they are made anew at each reading"
        chosen = chosen.iloc[:0]
    entries = {(e.transformation.name, e.level): e.cell for e in setup.plan.entries}
    cells = {cell.key: cell for cell in setup.plan.cells if not cell.there_and_back}
    index = {subject.source.ids[position]: position for position in subject.selected}
    changed = 0
    for image, rows in chosen.groupby("image", sort=False):
        picture = subject.load(subject.source, index[str(image)])
        known = result.store.digests.get(str(image), "")
        if picture.pixels is None or (known and picture.digest != known):
            changed += 1
            continue
        pixels = as_float(picture.pixels)[None]
        before = _seen(pixels)
        for position, name, level in zip(
            rows.index, rows["transformation"], rows["level"], strict=True
        ):
            moved = cells[entries[name, int(level)]](pixels, setup.seed, [str(image)])
            yield position, FlipPicture(str(image), name, int(level), before, _seen(moved))
    if changed:
        note = f"{changed} images that flip are not shown: read again, they have another content"
    if note:
        result.manifest["images"]["not_shown"] = note
    else:
        result.manifest["images"].pop("not_shown", None)


def save_images(
    setup: Setup, subject: Subject, result: Result, table: pd.DataFrame, folder: Path
) -> Path:
    """Writes PNG files of the first flips into ``images``, and ``images.csv``: which is which.

    ``table`` holds all flips (`Result.flips`); beyond the first 100 of a transformation it names no
    files.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    target = folder / IMAGES
    files = {"before_file": [""] * len(table), "after_file": [""] * len(table)}
    numbers = {image: number for number, image in enumerate(result.store.images)}
    written = set()
    for position, picture in take(setup, subject, result, table, SAVED):
        stem = f"{numbers[picture.image]:06d}"
        before, after = (
            f"{stem}.png",
            f"{stem}-{_plain(picture.transformation)}-{picture.level}.png",
        )
        if before not in written:
            _write_png(target / before, picture.before)
            written.add(before)
        _write_png(target / after, picture.after)
        files["before_file"][position], files["after_file"][position] = before, after
    write_csv(target / LISTED, table.assign(**files), kept="the rows of the run are kept")
    return target


def _seen(pixels: Tensor) -> np.ndarray:
    colours = as_colour(pixels[0]).clamp(0, 1).mul(255).round().to(torch.uint8)
    return colours.permute(1, 2, 0).numpy()


def _write_png(path: Path, pixels: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    write_file(path, buffer.getvalue(), kept="the rows of the run are kept")


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
