"""Holds `Foregrounds`: the boxes of a data set and how they vary, in memory or in a folder.

| file | content |
|---|---|
| manifest.json | what was measured (`runs/manifest.py`) |
| rows/ | the boxes of each block, for a measurement that goes on |
| foregrounds.parquet | a row for each image, with the identity of the run |
| foregrounds-summary.csv, foregrounds-spread.csv | the statistics; loading computes them anew |
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from invariscope.errors import InputError
from invariscope.files import write_csv
from invariscope.foregrounds.boxes import MEASURES
from invariscope.foregrounds.spread import EVERY, compare_size_and_place, summarise_boxes
from invariscope.runs.manifest import read_manifest, write_manifest
from invariscope.runs.saving import saving
from invariscope.runs.tables import read_run_table, write_run_table

COMMAND = "foregrounds"
BOXES = "foregrounds.parquet"
BOX_SCHEMA = pa.schema(
    [
        pa.field("image", pa.string()),
        pa.field("class", pa.string()),
        *(pa.field(name, pa.float64()) for name in (*MEASURES, "peak")),
    ]
)
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
    """

    manifest: dict[str, Any]
    images: pd.DataFrame

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Statistics by class and measure (`invariscope.foregrounds.spread.summarise_boxes`)."""
        return summarise_boxes(self.images, self.manifest["settings"]["seed"])

    @cached_property
    def spread(self) -> pd.DataFrame:
        """Size against place by class (`compare_size_and_place`)."""
        return compare_size_and_place(self.images, self.manifest["settings"]["seed"])

    @property
    def classes(self) -> list[str]:
        """The classes that have a box."""
        names = self.spread.loc[self.spread["n"] > 0, "class"]
        return [name for name in names if name != EVERY]

    def overall(self, measure: str) -> pd.Series:
        """The statistics of one measure over all images."""
        rows = self.summary
        return rows[(rows["class"] == EVERY) & (rows["measure"] == measure)].iloc[0]

    def write_tables(self, folder: Path) -> None:
        """Writes foregrounds.parquet, -summary.csv and -spread.csv.

        Raises:
            RunError: The disk is full or the folder cannot be written.
        """
        write_run_table(folder / BOXES, self.images, BOX_SCHEMA, self.manifest["identity"])
        write_csv(folder / "foregrounds-summary.csv", self.summary)
        write_csv(folder / "foregrounds-spread.csv", self.spread)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes manifest and tables into a new or empty folder.

        Raises:
            InputError: The folder is not empty.
            RunError: It cannot be written; nothing of it is left there.
        """
        folder = Path(folder)
        with saving(folder):
            self.write_tables(folder)
            write_manifest(folder, self.manifest)
        return folder

    @staticmethod
    def load(folder: str | os.PathLike[str]) -> "Foregrounds":
        """Reads what `save` or a finished measurement has written.

        Raises:
            InputError: There is no finished measurement in the folder, or a file is damaged or of
                another run.
        """
        folder = Path(folder)
        manifest, path = read_manifest(folder, COMMAND), folder / BOXES
        if not path.is_file():
            raise InputError(
                f"{folder} has no {BOXES} yet: run the same command again to finish it"
            )
        remedy = "delete it and run the same command again to write it anew"
        boxes = read_run_table(path, BOX_SCHEMA, manifest["identity"], "boxes", remedy)
        return Foregrounds(manifest, boxes.to_pandas())
