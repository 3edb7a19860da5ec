"""Defines the measurement of foregrounds as a job: a mask and its box for each image."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from invariscope.data import ImageSource, UnreadableImage, fingerprint, open_source, select
from invariscope.errors import InputError
from invariscope.foregrounds.boxes import MEASURES, THRESHOLD, Box, foreground_box
from invariscope.foregrounds.masks import SALIENCY, Masks, open_masks
from invariscope.foregrounds.result import COMMAND, Foregrounds
from invariscope.foregrounds.spread import EVERY, compare_size_and_place, summarise_boxes
from invariscope.runs import Job, RowFormat, Run
from invariscope.runs.batches import Batches
from invariscope.runs.loading import Block, Picture
from invariscope.runs.manifest import new_manifest
from invariscope.runs.request import Request

#: Images between two looks at the progress; it changes no number.
_BLOCK_SIZE = 8


@dataclass(frozen=True, kw_only=True)
class ForegroundsRequest(Request):
    """The arguments of `measure_foregrounds`, which says what each means."""

    masks: str | os.PathLike[str] = SALIENCY
    values: Sequence[int] | None = None
    threshold: float = THRESHOLD
    num_images: int | None = None


@dataclass(frozen=True)
class BoxedPicture(Picture):
    """The box of an image, with the certainty of its mask."""

    box: Box | None = None
    peak: float = 0.0


@dataclass
class BoxesJob(Job[Foregrounds]):
    """The boxes of a data set, ready to be measured."""

    source: ImageSource
    selected: list[int]
    masks: Masks
    threshold: float
    manifest: dict[str, Any]
    ready: dict[int, Picture] = field(default_factory=dict)

    rows = RowFormat()
    batch_size = cells = 1

    def __post_init__(self) -> None:
        starts = range(0, len(self.selected), _BLOCK_SIZE)
        self.blocks = [self.selected[start : start + _BLOCK_SIZE] for start in starts]

    def load(self, source: ImageSource, index: int) -> BoxedPicture:
        """Measures the box of an image; then its label, since some labels come with images."""
        try:
            mask = self.masks(index)
        except UnreadableImage as problem:
            return BoxedPicture(index, None, problem.reason)
        box = foreground_box(mask.values, self.threshold)
        label = -1 if source.labels is None else int(source.labels[index])
        return BoxedPicture(index, None, label=label, box=box, peak=mask.peak)

    def passes(self, number: int) -> int:
        """Counts one mask for each image."""
        return len(self.blocks[number])

    def measure(self, block: Block, batches: Batches, advance: Callable[[int], None]) -> pa.Table:
        """Makes rows of image, class, the measures of the box and the peak."""
        rows = [
            [image, self._class_name(picture.label), *vars(picture.box).values(), picture.peak]
            for image, picture in zip(block.ids, block.pictures, strict=True)
            if isinstance(picture, BoxedPicture)
        ]
        advance(len(self.blocks[block.number]))
        frame = pd.DataFrame(rows, columns=["image", "class", *MEASURES, "peak"])
        return pa.Table.from_pandas(frame, preserve_index=False)

    def finish(self, run: Run) -> Foregrounds:
        """Computes how the boxes vary.

        Raises:
            InputError: No image has a mask, or no mask a foreground.
        """
        manifest, settings = run.manifest, run.manifest["settings"]
        full = [table for table in run.tables if len(table)]
        if not full:
            first = manifest["images"]["skipped"][0]
            raise InputError(
                f"none of the {len(self.selected)} images of {self.source.name} has a mask; the "
                f"first: {first['image']}: {first['reason']}; give masks as alpha, saliency or a "
                "folder"
            )
        frame = pa.concat_tables(full).to_pandas()
        empty = frame.loc[frame["x"].isna(), "image"].tolist()
        if len(empty) == len(frame):
            raise InputError(
                f"none of the {len(frame)} masks of {self.source.name} has a pixel above "
                f"{self.threshold:g}, the first: {empty[0]}; give a lower threshold or other masks"
            )
        manifest["images"]["empty"] = empty
        seed = settings["seed"]
        return Foregrounds(
            manifest, frame, summarise_boxes(frame, seed), compare_size_and_place(frame, seed)
        )

    def _class_name(self, label: int) -> str:
        if label < 0:
            return EVERY
        names = self.source.class_names
        return str(label) if names is None else names[label]


def prepare_foregrounds(request: ForegroundsRequest) -> BoxesJob:
    """Checks and resolves everything, and measures nothing yet."""
    if not 0 <= request.threshold < 1:
        raise InputError(
            f"threshold={request.threshold:g}: give a number from 0 up to, not including, 1"
        )
    source = open_source(request.images)
    selected = select(source, request.num_images, request.seed)
    masks = open_masks(source, request.masks, request.values)
    settings = {
        "data": source.name,
        "masks": os.fspath(request.masks),
        "values": None if request.values is None else list(request.values),
        "threshold": request.threshold,
        "seed": request.seed,
        "num_images": len(selected),
        "images": fingerprint(source, selected),
    }
    manifest = new_manifest(
        settings,
        source,
        command=COMMAND,
        selected=len(selected),
        device="cpu",
        decisions={**source.decisions, "masks": masks.decision},
        warnings=masks.notes,
    )
    return BoxesJob(source, selected, masks, request.threshold, manifest)
