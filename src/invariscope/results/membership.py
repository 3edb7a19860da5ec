"""Says which images belong together: classes, and groups that came from a file.

A class is that of the labels; without labels it is the class predicted for the image as it is. A
group is a column of yes and no, or a value of a column (`invariscope.data.image_groups`). All are
held against the other images of which it is known whether they belong to it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from invariscope.data.image_groups import ImageGroups
from invariscope.errors import InputError
from invariscope.files import read_parquet, undamaged
from invariscope.results.answers import Answers, label_name, output_name
from invariscope.runs.identity import check_run, run_of
from invariscope.runs.tables import write_run_table

LABEL, PREDICTION, GROUP = "label", "predicted class", "group"
#: With fewer images than this a group is named, and not ranked.
FEWEST = 5
IMAGE_GROUPS = "image_groups.parquet"
#: The setting that holds the digest of the groups.
SETTING = "image_groups"
_REMEDY = "give the run's command again, with the same image groups, to write the file anew"


@dataclass(frozen=True)
class Members:
    """The images of a class or group.

    Attributes:
        by: "label", "predicted class" or "group".
        name: Its name.
        inside: bool [image]: those that belong to it.
        known: bool [image]: those of which it is known whether they do.
    """

    by: str
    name: str
    inside: np.ndarray
    known: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """The positions of those that belong to it."""
        return np.flatnonzero(self.inside)

    @property
    def others(self) -> np.ndarray:
        """The positions of those that it is held against."""
        return np.flatnonzero(self.known & ~self.inside)


def classes_of(answers: Answers, manifest: Mapping[str, Any]) -> list[Members]:
    """The classes of the images of a run, each against all others."""
    labelled = bool((answers.labels >= 0).any())
    codes = answers.labels if labelled else answers.predicted[:, answers.identity]
    name, by = (label_name, LABEL) if labelled else (output_name, PREDICTION)
    every = np.ones(len(codes), dtype=bool)
    numbers = [int(number) for number in np.unique(codes) if number >= 0]
    return [Members(by, str(name(manifest, k)), codes == k, every) for k in numbers]


def groups_of(groups: ImageGroups | None, images: Sequence[str]) -> list[Members]:
    """The groups of some images, in the order of the file's columns; none without a file."""
    if groups is None:
        return []
    place = {image: number for number, image in enumerate(groups.images)}
    chosen = [place[image] for image in images]
    found = []
    for column, every in groups.columns.items():
        own = [every[number] for number in chosen]
        known = np.array([value is not None for value in own], dtype=bool)
        words = sorted({value for value in own if isinstance(value, str)})
        if words:
            values = np.array([value if isinstance(value, str) else "" for value in own])
            found += [Members(GROUP, f"{column}: {w}", values == w, known) for w in words]
        else:
            found.append(Members(GROUP, column, np.array([v is True for v in own]), known))
    return found


def write_image_groups(folder: str | os.PathLike[str], groups: ImageGroups, run: str) -> Path:
    """Writes `image_groups.parquet` of a run folder, whole or not at all.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    arrays = [pa.array(groups.images, pa.string())]
    arrays += [pa.array(list(own), _type(own)) for own in groups.columns.values()]
    table = pa.table(arrays, names=["image", *groups.columns])
    return write_run_table(Path(folder) / IMAGE_GROUPS, table, table.schema, run)


def read_image_groups_of(folder: str | os.PathLike[str], manifest: Mapping[str, Any]):
    """Reads `image_groups.parquet` of a run folder; None where the run has no groups.

    Raises:
        InputError: The file is missing, damaged, of another run, or not as it was written.
    """
    digest = manifest["settings"].get(SETTING)
    if digest is None:
        return None
    path = Path(folder) / IMAGE_GROUPS
    table = read_parquet(path, _REMEDY)
    check_run(path, run_of(table.schema), manifest["identity"], "image groups", "write it anew")
    with undamaged(path, _REMEDY):
        images, *values = (column.to_pylist() for column in table.columns)
        columns = dict(zip(table.schema.names[1:], values, strict=True))
        groups = ImageGroups(str(manifest[SETTING]["file"]), tuple(images), columns)
    if groups.digest != digest:
        raise InputError(f"{path} is not as it was written: {_REMEDY}")
    return groups


def _type(values: Sequence[bool | str | None]) -> pa.DataType:
    return pa.string() if any(isinstance(value, str) for value in values) else pa.bool_()
