"""Holds `Foregrounds`: the boxes of a data set and how they vary, in memory or in a folder."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.foregrounds.files import read_foregrounds, write_foregrounds
from invariscope.foregrounds.spread import EVERY

COMMAND = "foregrounds"
FAINT = 0.5
"""A saliency map whose peak is below this has found nothing; its box comes from scaling it up."""


@dataclass(frozen=True)
class Foregrounds:
    """The boxes of a data set and how they vary.

    Attributes:
        manifest: What was measured: data, masks, threshold, seed (``settings``), and the number of
            images, those that were skipped with the reason and those without a foreground
            (``images``).
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
