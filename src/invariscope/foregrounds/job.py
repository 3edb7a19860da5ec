"""Defines the measurement of foregrounds as a job: a mask and its box for each image."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from invariscope.data import ImageSource, UnreadableImage, fingerprint, open_source, select
from invariscope.data.digests import digest_of_pixels
from invariscope.data.labels import distinct_names
from invariscope.errors import InputError
from invariscope.foregrounds.boxes import THRESHOLD, Box, foreground_box
from invariscope.foregrounds.masks import SALIENCY, Masks, open_masks
from invariscope.foregrounds.result import BOX_SCHEMA, COMMAND, Foregrounds
from invariscope.foregrounds.spread import EVERY
from invariscope.runs import Job, RowFormat, Run
from invariscope.runs.batches import Batches
from invariscope.runs.block_files import ROWS, block_path, read_block_file
from invariscope.runs.loading import Block, Picture
from invariscope.runs.manifest import new_manifest
from invariscope.runs.request import Request

#: Images of a file of rows; it changes no number.
_BLOCK_SIZE = 32


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


def _check(file: pq.ParquetFile, table: pa.Table) -> None:
    if not table.schema.equals(BOX_SCHEMA):
        raise ValueError("other columns")


@dataclass
class BoxesJob(Job[Foregrounds]):
    """The boxes of a data set, ready to be measured."""

    source: ImageSource
    selected: list[int]
    masks: Masks
    threshold: float
    manifest: dict[str, Any]
    ready: dict[int, Picture] = field(default_factory=dict)

    rows = RowFormat(check=_check)
    batch_size = cells = 1

    def __post_init__(self) -> None:
        starts = range(0, len(self.selected), _BLOCK_SIZE)
        self.blocks = [self.selected[start : start + _BLOCK_SIZE] for start in starts]

    def look_for_a_mask(self) -> None:
        """Measures images until one has a mask, so that nobody's folder is made for nothing.

        Raises:
            InputError: None has one.
        """
        for index in self.selected:
            self.ready[index] = self.load(self.source, index)
            if not self.ready[index].reason:
                return
        first = self.selected[0]
        raise InputError(
            f"none of the {len(self.selected)} images of {self.source.name} has a mask; the "
            f"first: {self.source.ids[first]}: {self.ready[first].reason}; give masks as alpha, "
            "saliency or a folder"
        )

    def digest(self, index: int) -> str:
        """Digests an image and its mask."""
        return self.masks.digest(index) or super().digest(index)

    def load(self, source: ImageSource, index: int) -> BoxedPicture:
        """Measures the box of an image; then its label, since some labels come with images."""
        try:
            mask = self.masks(index)
        except UnreadableImage as problem:
            return BoxedPicture(index, None, problem.reason)
        box = foreground_box(mask.values, self.threshold)
        label = -1 if source.labels is None else int(source.labels[index])
        digest = self.masks.digest(index) or digest_of_pixels(mask.values)
        return BoxedPicture(index, None, label=label, digest=digest, box=box, peak=mask.peak)

    def passes(self, number: int) -> int:
        """Counts one mask for each image."""
        return len(self.blocks[number])

    def measure(self, block: Block, batches: Batches, advance: Callable[[int], None]) -> pa.Table:
        """Makes rows of image, class, the measures of the box and the peak."""
        known = self.source.class_names
        names = None if known is None else distinct_names(known)
        rows = [
            {"image": image, "class": _class_name(picture.label, names), **vars(picture.box)}
            | {"peak": picture.peak}
            for image, picture in zip(block.ids, block.pictures, strict=True)
            if isinstance(picture, BoxedPicture)
        ]
        advance(len(self.blocks[block.number]))
        return pa.Table.from_pylist(rows, schema=BOX_SCHEMA)

    def finish(self, run: Run) -> Foregrounds:
        """Computes how the boxes vary.

        Raises:
            InputError: No mask has a foreground.
        """
        tables = run.tables
        if run.folder is not None:
            files = [block_path(run.folder / ROWS, number) for number in range(len(self.blocks))]
            tables = [read_block_file(file, self.rows) for file in files]
        frame = pa.concat_tables(tables).to_pandas()
        empty = frame.loc[frame["x"].isna(), "image"].tolist()
        if len(empty) == len(frame):
            raise InputError(
                f"none of the {len(frame)} masks of {self.source.name} has a pixel above "
                f"{self.threshold:g}, the first: {empty[0]}; give a lower threshold or other masks"
            )
        run.manifest["images"]["empty"] = empty
        foregrounds = Foregrounds(run.manifest, frame)
        if run.folder is not None:
            foregrounds.write_tables(run.folder)
        return foregrounds


def _class_name(label: int, names: list[str] | None) -> str:
    if label < 0:
        return EVERY
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
        "reading": masks.decision,
        "threshold": request.threshold,
        "seed": request.seed,
        "num_images": len(selected),
        "images": fingerprint(source, selected),
    }
    manifest = new_manifest(
        settings,
        source,
        request,
        command=COMMAND,
        selected=len(selected),
        device="cpu",
        decisions={**source.decisions, "masks": masks.decision},
        warnings=masks.notes,
    )
    boxes = BoxesJob(source, selected, masks, request.threshold, manifest)
    boxes.look_for_a_mask()
    boxes.prepared = prepare_foregrounds, request
    return boxes
