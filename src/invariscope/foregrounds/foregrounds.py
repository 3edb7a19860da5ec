"""Where the things in a data set are and how large they are: paper 000, App. E.1.

Each image has a mask (`masks`), each mask a box (`boxes`), and the boxes vary by size and by place
(`spread`): what the data set itself asks a model to be invariant to. The
paper measures all training images of ImageNet with U²-Net at the threshold 0.1 and finds that the
scale of objects varies more than their place, which is centred.

Images without any foreground are counted and named; they count in no mean. Neither do images that
cannot be read or have no mask.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import invariscope
from invariscope.data import ImageSource, UnreadableImage, open_source, select
from invariscope.errors import InputError
from invariscope.foregrounds.boxes import MEASURES, THRESHOLD, foreground_box
from invariscope.foregrounds.files import read_foregrounds, write_foregrounds
from invariscope.foregrounds.masks import SALIENCY, Masks, open_masks
from invariscope.foregrounds.spread import EVERY, compare_size_and_place, summarise_boxes

FAINT = 0.5
"""A saliency map whose peak is below this has found nothing; its box comes from scaling it up."""


@dataclass(frozen=True)
class Foregrounds:
    """The boxes of a data set and how they vary.

    Attributes:
        manifest: What was measured: data, masks, threshold, seed, number of images, those that were
            skipped (with the reason) and those without a foreground.
        images: One row per image that has a mask: image, class ("" if unlabelled), `MEASURES` (NaN
            without a box) and peak (how sure the mask's maker was).
        summary: Statistics by class and measure (`invariscope.foregrounds.spread.summarise_boxes`).
        spread: Size against place by class (`compare_size_and_place`).
    """

    manifest: dict[str, Any]
    images: pd.DataFrame
    summary: pd.DataFrame
    spread: pd.DataFrame

    @property
    def classes(self) -> list[str]:
        """The classes that have a box."""
        names = self.spread.loc[self.spread["n"] > 0, "class"]
        return [name for name in names if name != EVERY]

    def overall(self, measure: str) -> pd.Series:
        """The statistics of one measure over all images."""
        rows = self.summary
        return rows[(rows["class"] == EVERY) & (rows["measure"] == measure)].iloc[0]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes foregrounds.json, .parquet (images), -summary.csv and -spread.csv.

        Raises:
            RunError: The disk is full or the folder cannot be written.
        """
        tables = {"images": self.images, "summary": self.summary, "spread": self.spread}
        return write_foregrounds(Path(folder), self.manifest, tables)

    @staticmethod
    def load(folder: str | os.PathLike[str]) -> "Foregrounds":
        """Reads what `save` wrote.

        Raises:
            InputError: No such files, or broken ones.
        """
        manifest, tables = read_foregrounds(Path(folder))
        return Foregrounds(manifest, **tables)


def measure_foregrounds(
    images: Any,
    *,
    masks: str | os.PathLike[str] = SALIENCY,
    values: Sequence[int] | None = None,
    threshold: float = THRESHOLD,
    num_images: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Foregrounds:
    """Measures the boxes of the foregrounds of a data set and how they vary.

    Args:
        images: Anything that `invariscope.data.open_source` opens.
        masks: ``"alpha"`` (the images' own alpha channel), ``"saliency"`` (U²-Netp), or a folder of
            masks with the images' names; what their values mean is decided over several of them
            (`invariscope.foregrounds.mask_values`) and said in the manifest.
        values: The values of mask files that are foreground, where that is decided wrongly.
        threshold: A pixel is foreground where its mask is above this; in [0, 1).
        num_images: How many images, stratified by class; None: all.
        seed: Decides which images, and the resamples of the intervals.
        progress: Called with (images done, images in all).

    Returns:
        The boxes, image by image, and their statistics.

    Raises:
        InputError: A threshold that is none, masks that are not there, or not one image with a
            foreground.

    Example:
        >>> import numpy as np
        >>> from PIL import Image
        >>> pictures = []
        >>> for left in (0, 20, 40):
        ...     pixels = np.zeros((50, 100, 4), dtype=np.uint8)
        ...     pixels[10:40, left : left + 40, 3] = 255
        ...     pictures.append(Image.fromarray(pixels))
        >>> found = measure_foregrounds(pictures, masks="alpha")
        >>> found.overall("area")["mean"].item(), found.overall("x")["q50"].item()
        (0.24, 0.4)
        >>> found.spread["size_share"].item()  # only the place varies
        0.0
    """
    if not 0 <= threshold < 1:
        raise InputError(f"threshold={threshold:g}: give a number from 0 up to, not including, 1")
    source = open_source(images)
    selected = select(source, num_images, seed)
    read = open_masks(source, masks, values)
    rows, skipped = _boxes(source, selected, read, threshold, progress)
    if not rows:
        image, reason = skipped[0]
        raise InputError(
            f"none of the {len(selected)} images of {source.name} has a mask; the first: {image}: "
            f"{reason}; give masks as alpha, saliency or a folder"
        )
    table = pd.DataFrame(rows, columns=["image", "class", *MEASURES, "peak"])
    empty = table.loc[table["x"].isna(), "image"].tolist()
    if len(empty) == len(table):
        raise InputError(
            f"none of the {len(table)} masks of {source.name} has a pixel above {threshold:g}, the "
            f"first: {empty[0]}; give a lower threshold or other masks"
        )
    manifest = {
        "invariscope": invariscope.__version__,
        "data": source.name,
        "masks": os.fspath(masks),
        "threshold": threshold,
        "seed": seed,
        "selected": len(selected),
        "decisions": {**source.decisions, "masks": read.decision},
        "notes": [*source.notes, *read.notes],
        "skipped": [{"image": image, "reason": reason} for image, reason in skipped],
        "empty": empty,
    }
    return Foregrounds(
        manifest, table, summarise_boxes(table, seed), compare_size_and_place(table, seed)
    )


def _boxes(
    source: ImageSource,
    selected: list[int],
    mask_of: Masks,
    threshold: float,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[list[Any]], list[tuple[str, str]]]:
    rows, skipped = [], []
    for done, index in enumerate(selected, 1):
        try:
            mask = mask_of(index)
        except UnreadableImage as problem:
            skipped.append((source.ids[index], problem.reason))
        else:
            box = foreground_box(mask.values, threshold)
            values = [getattr(box, name) for name in MEASURES]
            rows.append([source.ids[index], _class_of(source, index), *values, mask.peak])
        if progress is not None:
            progress(done, len(selected))
    return rows, skipped


def _class_of(source: ImageSource, index: int) -> str:
    """The name of an image's class; after its mask was made, since some labels come with images."""
    label = -1 if source.labels is None else int(source.labels[index])
    if label < 0:
        return EVERY
    return str(label) if source.class_names is None else source.class_names[label]
