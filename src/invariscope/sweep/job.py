"""The sweep as a job: one pass over the images for every cell, layer, metric and control.

Image source → transformation → probe → metrics → rows → summary.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from invariscope.data.digests import copies_among
from invariscope.data.image_groups import ImageGroups
from invariscope.devices import as_float
from invariscope.errors import InputError, RunError, first_of
from invariscope.models import Probe
from invariscope.results import Result, RowStore, write_summary
from invariscope.results.answers import no_answers
from invariscope.results.example import write_example
from invariscope.results.flip_pictures import write_flip_pictures
from invariscope.results.membership import write_image_groups
from invariscope.results.pairs import write_channel_pairs
from invariscope.results.rows import LAYERED
from invariscope.runs import Job, Run
from invariscope.runs.bands import as_colour
from invariscope.runs.batches import Batches
from invariscope.runs.block_files import ROWS, remove_blocks
from invariscope.runs.loading import Block
from invariscope.runs.manifest import warn
from invariscope.runs.subject import Subject
from invariscope.sweep.block import measure_block
from invariscope.sweep.channels import ChannelState
from invariscope.sweep.flip_pictures import SHOWN, save_images, take
from invariscope.sweep.maps import image_parts
from invariscope.sweep.model_block import Work
from invariscope.sweep.pairs import channel_pairs
from invariscope.sweep.plan import BLOCK_SIZE, SHUFFLED, Plan, blocks
from invariscope.sweep.precision import ShortIntervals
from invariscope.sweep.setup import Sample, Setup
from invariscope.sweep.stopping import Stopping

#: Layers that a note names.
_NAMED = 5


@dataclass
class Sweep(Job[Result]):
    """A sweep that is ready to start: everything that its numbers depend on.

    Attributes:
        setup: Models, plan, metrics, layers.
        subject: The model and the images.
        targets: The outputs that stand for each class of the data, or None.
        precision: The half-width of the headline's intervals at which a cell stops, or None.
        manifest: The manifest at the start.
        until: What else stops cells, made of the setup; it takes the place of a precision.
        save_images: Whether pictures of flips are written into the run folder, too.
        image_groups: What the images belong to by a file, or None.
        channels: The sums of the run under way, or None without metrics of channels.
        stopping: Which of its cells have stopped, or None where nothing stops them.
    """

    setup: Setup
    subject: Subject
    targets: np.ndarray | None
    precision: float | None
    manifest: dict[str, Any]
    until: Callable[[Setup], Stopping] | None = None
    save_images: bool = False
    image_groups: ImageGroups | None = None
    channels: ChannelState | None = field(default=None, init=False)
    stopping: Stopping | None = field(default=None, init=False)

    rows = LAYERED
    alone = "the only readable image of its block, so it has no partner"

    def __post_init__(self) -> None:
        self.source, self.load, self.ready = (
            self.subject.source, self.subject.load, self.subject.ready,
        )  # fmt: skip
        self.blocks, self.cells = blocks(self.subject.selected), self.setup.num_cells

    @property
    def in_sequence(self) -> str:
        """Why a block builds on those before; "" where none does."""
        if self.setup.map_metrics:
            return "sums of channels over the data set go from block to block"
        if self.precision is not None or self.until is not None:
            return "cells stop by what the blocks before have shown"
        return ""

    @property
    def shared(self) -> Hashable | None:
        """What sweeps that are measured on the same pictures have in common."""
        if self.precision is not None or self.until is not None or self.subject.random:
            return None
        return (
            self.source.name,
            self.source.value_range,
            self.manifest["settings"]["images"],  # hashed once, when the run was prepared
            self.probe.preprocessing.pictures_key,
            tuple(self.subject.pixels.shape),
            self.subject.pixels.dtype,
            self.setup.seed,
            self.probe.device,
        )

    @property
    def probe(self) -> Probe:
        """The model."""
        return self.setup.probe

    @property
    def plan(self) -> Plan:
        """The cells."""
        return self.setup.plan

    @property
    def batch_size(self) -> int:
        """Images per forward pass where the user does not say.

        Beside feature maps in memory, on a CPU: those of a part, so that each pass is one cell.
        More cells at a time would save little there and take memory; an accelerator wants them.
        """
        if self.probe.device.type == "cuda":
            return 256
        if not self.setup.map_metrics:
            return BLOCK_SIZE
        return max(part.stop - part.start for part in image_parts(BLOCK_SIZE, self.setup.layers))

    def picture(self) -> np.ndarray:
        """The example image at the input resolution, uint8 [height, width, 3]."""
        pixels = as_colour(as_float(self.subject.pixels)).mul(255).round().to(torch.uint8)
        return pixels.permute(1, 2, 0).numpy()

    def passes(self, number: int) -> int:
        """Counts the forward passes of a block: each image in every cell that has not stopped."""
        return self._setup_of(number).passes * len(self.blocks[number])

    def begin(self, run: Run) -> None:
        """Prepares the sums of channels: empty ones, or those of the run that is resumed."""
        self._begin_stopping(run)
        self.channels = None
        if self.setup.map_metrics:
            entries = []
            for cell in self.plan.cells[1:]:
                entries += [(cell.key, cell.control)] + [(cell.key, SHUFFLED)] * cell.null
            self.channels = ChannelState(entries, self.probe.device, run.identity)
        if run.folder is not None:
            write_example(run.folder, self.picture())
            if self.image_groups is not None:
                write_image_groups(run.folder, self.image_groups, run.identity)
            if self.channels is not None:
                run.done = self.channels.take_up(run.folder, run.done, len(self.blocks))

    def measure(self, block: Block, batches: Batches, advance: Callable[[int], None]) -> pa.Table:
        """Measures every cell, layer, metric and control of a block, as rows."""
        return self.measure_each([self], block, [batches], [advance])[0]

    @classmethod
    def measure_each(
        cls,
        jobs: Sequence[Job[Any]],
        block: Block,
        batches: Sequence[Batches],
        advance: Sequence[Callable[[int], None]],
    ) -> list[pa.Table]:
        """Measures a block for each of several sweeps, whose images are moved once."""
        return measure_block(
            [
                job._work(block, own, told)
                for job, own, told in zip(jobs, batches, advance, strict=True)
                if isinstance(job, Sweep)
            ]
        )

    def _work(self, block: Block, batches: Batches, advance: Callable[[int], None]) -> Work:
        setup = self._setup_of(block.number)
        return Work(setup, self._sample(block), batches, self.channels, advance)

    def keep(self, run: Run, number: int) -> None:
        """Writes the sums of channels from time to time."""
        if self.channels is not None:
            self.channels.blocks = number + 1
            if run.folder is not None:
                self.channels.save(run.folder)

    def enough(self, run: Run, measured: int) -> str:
        """Looks at the headline's intervals over the first blocks, now and then."""
        return "" if self.stopping is None else self.stopping.enough(run, measured)

    def finish(self, run: Run) -> Result:
        """Computes the summary, the table of channels and the pictures of channel pairs."""
        manifest, folder = run.manifest, run.folder
        store = RowStore(run.rows, run=run.identity)
        if not store.images:
            raise RunError(
                f"no block of {self.source.name} has two images that can be read; "
                f"{len(manifest['images']['skipped'])} were skipped"
            )
        manifest["images"]["used"] = len(store.images)
        warn(manifest, copies_among(store.digests))
        table, pairs = None, None
        if self.channels is not None:
            warn(manifest, _what_channels_lack(self.channels))
            table = self.channels.finish(folder)
            pairs = channel_pairs(self.setup, self.subject, table.to_pandas())
            if folder is not None:
                write_channel_pairs(folder, pairs, run.identity)
        result = Result(
            manifest, store, example=self.picture(), folder=folder, channels=table,
            channel_pairs=pairs, image_groups=self.image_groups,
        )  # fmt: skip
        if folder is not None:
            write_summary(folder, result.summary, run.identity)
        self._show_flips(result)
        return result

    def _show_flips(self, result: Result) -> None:
        """Takes the pictures of answers that flip first; none where there are no answers."""
        manifest, folder = result.manifest, result.folder
        if no_answers(result):
            return
        flips = result.flips()
        taken = take(self.setup, self.subject, result, flips, SHOWN)
        kept = sorted(
            ((position, picture.small()) for position, picture in taken), key=lambda pair: pair[0]
        )
        result.flip_pictures = tuple(picture for _, picture in kept)
        if folder is not None:
            write_flip_pictures(folder, result.flip_pictures, manifest["identity"])
            if self.save_images:
                save_images(self.setup, self.subject, result, flips, folder)

    def _begin_stopping(self, run: Run) -> None:
        """Begins anew with all cells; blocks that lack cells which are wanted now are repeated."""
        execution = run.manifest["execution"]
        before, gone = execution.get("precision"), execution.get("stopped", {})
        if gone and (self.precision is None or self.precision < before):
            first = min(gone.values())
            run.done = [number for number in run.done if number < first]
            if run.folder is not None:
                remove_blocks(run.folder / ROWS, first)
        if self.until is not None:
            self.stopping = self.until(self.setup)
        elif self.precision is not None:
            self.stopping = ShortIntervals(self.setup, self.precision)
        else:
            self.stopping = None
        stopped = {} if self.stopping is None else self.stopping.stopped
        execution.update(precision=self.precision, stopped=stopped)
        execution.update({"looked": True} if self.until is not None else {})

    def _setup_of(self, number: int) -> Setup:
        return self.setup if self.stopping is None else self.stopping.setup_of(number)

    def _sample(self, block: Block) -> Sample:
        known = None if self.source.labels is None else block.labels
        targets = None
        if self.targets is not None and known is not None:
            unknown = np.full_like(self.targets[0], -1)
            classes = len(self.targets)
            if self.source.class_names is None and max(known, default=-1) >= classes:
                raise _no_output(block.ids, known, classes)
            targets = [self.targets[label] if 0 <= label < classes else unknown for label in known]
            targets = np.array(targets, dtype=np.int64)
        return Sample(block, known, targets)


def _what_channels_lack(channels: ChannelState) -> str:
    """Says at which layers the sums would have been too large."""
    if not channels.without:
        return ""
    return (
        "channel measures over the data set are left out at "
        f"{first_of(channels.without, _NAMED)}: their sums for all levels take too much memory; "
        "measure fewer levels or layers to have them"
    )


def _no_output(ids: list[str], labels: list[int], outputs: int) -> InputError:
    """Complains of a label, known only once the item was loaded, that no output stands for."""
    row = int(np.argmax(labels))
    return InputError(
        f"image {ids[row]} has the label {labels[row]}, the model the outputs 0 to "
        f"{outputs - 1}; labels count from 0: change them, or leave accuracy out of the metrics"
    )
