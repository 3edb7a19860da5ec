"""Defines the search as a job: which operations turn images of a class into one another?

For a pair (x₁, x₂) of one class and every operation T of a pool, T acts on x₂ alone (paper 000 §4,
eq. 2):

    s₀ = cos(f(x₁), f(x₂)),   s_T = cos(f(x₁), f(T(x₂))),   change = s_T − s₀

with f the network up to its penultimate layer (the embedding). Above 0, T explains part of what
sets the two images apart; 0: it changes nothing.

A block moves up to 64 images of one class. Each is decoded and embedded once, and once more for
every operation that is computed; these embeddings serve all pairs: those drawn for eq. 2, those of
every moved image with every other one of its class, and with 64 images of other classes. Nothing
but numbers is kept. An image that T leaves as it is (autocontrast often
does) has a change of exactly 0, not the rounding of another batch.

Source: paper 000, eq. 2 and §4. Its code embeds both images anew for every operation, one operation
after the other; for one of its models it takes logits as embeddings, here always the embedding.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from invariscope.cache import Shown
from invariscope.data.digests import copies_among
from invariscope.devices import as_float
from invariscope.errors import RunError
from invariscope.metrics.distances import prepared
from invariscope.models import Probe
from invariscope.runs import Job, Run
from invariscope.runs.batches import Batches
from invariscope.runs.loading import Block
from invariscope.runs.manifest import warn
from invariscope.runs.subject import Subject
from invariscope.search.example_files import write_examples
from invariscope.search.examples import take_examples
from invariscope.search.factor_table import tabulate_factors
from invariscope.search.families import axes
from invariscope.search.meetings import Anchors, Meetings
from invariscope.search.operations import first_key, unique_operations
from invariscope.search.result import Factors, rows_of, write_factors
from invariscope.search.rows import MOVED_PER_BLOCK, PAIR_ROWS, pair_table
from invariscope.search.table import tabulate
from invariscope.transformations import IDENTITY, Operation

EMBEDDING = "embedding"
#: Pixels closer than this are the same: the rounding of a transformation that changes nothing.
_SAME = 1e-6


@dataclass(frozen=True)
class ClassPlan:
    """What is measured of a class; positions in the source.

    Attributes:
        pairs: int64 [pair, 2], drawn: anchor and other.
        moved: The images that are transformed.
        meeting: Those of them that meet every moved image.
        strangers: The images of other classes that they meet.
    """

    pairs: np.ndarray
    moved: np.ndarray
    meeting: np.ndarray
    strangers: np.ndarray

    @property
    def images(self) -> np.ndarray:
        """The images that are looked at, each once, those of other classes last."""
        looked = np.concatenate([self.pairs.ravel(), self.moved, self.strangers])
        return np.array(list(dict.fromkeys(looked.tolist())), dtype=np.int64)


@dataclass
class Search(Job[Factors]):
    """A search that is ready to start.

    Attributes:
        subject: The model and the images.
        operations: The pool, in the order of the table.
        plans: What is measured of each class.
        seed: The run's seed.
        manifest: The manifest at the start.
        unique: What is computed, by key.
    """

    subject: Subject
    operations: tuple[Operation, ...]
    plans: tuple[ClassPlan, ...]
    seed: int
    manifest: dict[str, Any]

    rows = PAIR_ROWS
    beside = ", with its pairs"

    def __post_init__(self) -> None:
        self.source, self.load, self.ready = (
            self.subject.source, self.subject.load, self.subject.ready,
        )  # fmt: skip
        self.unique = unique_operations(self.operations)
        self.cells = len(self.unique)
        self._parts = [
            (number, plan.moved[start : start + MOVED_PER_BLOCK])
            for number, plan in enumerate(self.plans)
            for start in range(0, len(plan.moved), MOVED_PER_BLOCK)
        ]
        self.blocks = [self._images(number, moved) for number, moved in self._parts]

    def _images(self, number: int, moved: np.ndarray) -> list[int]:
        """Lists the images of a block: the moved ones, and all that they meet."""
        plan = self.plans[number]
        anchors = plan.pairs[np.isin(plan.pairs[:, 1], moved), 0]
        met = np.concatenate([moved, plan.meeting, anchors, plan.strangers])
        return list(dict.fromkeys(met.tolist()))

    @property
    def probe(self) -> Probe:
        """The model."""
        return self.subject.probe

    @property
    def batch_size(self) -> int:
        """The number of images per forward pass where the user does not say."""
        return 256 if self.probe.device.type == "cuda" else 32

    def passes(self, number: int) -> int:
        """Counts passes: each image once, each moved image once for every computed operation."""
        return len(self.blocks[number]) + len(self._parts[number][1]) * len(self.unique)

    def measure(self, block: Block, batches: Batches, advance: Callable[[int], None]) -> pa.Table:
        """Computes the similarities of the block's pairs, before and after each operation."""
        number, moved = self._parts[block.number]
        row_of = {index: row for row, index in enumerate(block.indices)}
        moved = [index for index in moved.tolist() if index in row_of]
        if not moved:
            return pair_table(number, [], len(self.unique))

        def embed(
            of: Shown, operations: Sequence[Operation], pictures: Callable[[], Tensor]
        ) -> Tensor:
            vectors = batches.vectors(self.probe, [EMBEDDING], of, operations, pictures)[EMBEDDING]
            advance(len(vectors))
            return prepared(vectors, "cosine")

        device = self.probe.device
        block_shown = Shown(block.pixels(), block.ids, self.seed)
        pixels = as_float(block_shown.pixels.to(device, non_blocking=True))
        vectors = embed(block_shown, [Operation(IDENTITY)], lambda: pixels)

        def anchors(wanted: Sequence[int]) -> Anchors:
            positions = [index for index in wanted if index in row_of]
            rows = torch.tensor([row_of[index] for index in positions], dtype=torch.long)
            return Anchors(positions, self._ids(positions), vectors[rows.to(device)])

        plan = self.plans[number]
        place = {index: row for row, index in enumerate(moved)}
        pairs = [
            (draw, row_of[a], place[b])
            for draw, (a, b) in enumerate(plan.pairs.tolist())
            if a in row_of and b in place
        ]
        meetings = Meetings(
            anchors(moved),
            anchors(block.indices),
            np.array(pairs, dtype=np.int64).reshape(-1, 3),
            anchors(plan.meeting.tolist()),
            anchors(plan.strangers.tolist()),
            axes(self.manifest["settings"]["operations"]),
            len(self.unique),
        )
        columns = {key: column for column, key in enumerate(self.unique)}
        rows = torch.tensor([row_of[index] for index in moved])
        of_moved = Shown(block_shown.pixels[rows], self._ids(moved), self.seed)
        shown, plain = pixels[rows.to(device)], vectors[rows.to(device)]
        moving = self._moved(shown, self._ids(moved))
        for keys, pictures in _batched(moving, len(shown), batches):
            operations = [self.unique[key] for key in keys]
            embedded = embed(of_moved, operations, partial(torch.cat, pictures))
            embedded = embedded.split(len(shown))
            for key, picture, vector in zip(keys, pictures, embedded, strict=True):
                same = (picture - shown).abs().amax((1, 2, 3)) <= _SAME
                meetings.after(columns[key], torch.where(same[:, None], plain, vector))
        return pair_table(number, meetings.rows(), len(self.unique))

    def finish(self, run: Run) -> Factors:
        """Makes the tables and the example pairs."""
        manifest, settings = run.manifest, run.manifest["settings"]
        rows = rows_of(manifest, run.rows)
        frame = tabulate(rows, settings["classes"], settings["operations"], settings["seed"])
        if not frame["n"].any():
            raise RunError(
                f"no pair of {settings['data']} has two images that can be read and compared; "
                f"{len(manifest['images']['skipped'])} images were skipped"
            )
        table = tabulate_factors(rows, settings["classes"], settings["operations"])
        warn(manifest, copies_among(rows.digests))
        factors = Factors(manifest, frame, table, rows, run.folder)
        examples = take_examples(self.subject, self.operations, factors)
        if run.folder is not None:
            write_examples(run.folder, examples, run.identity)
            write_factors(run.folder, frame, table, run.identity)
        return Factors(manifest, frame, table, rows, run.folder, examples)

    def _ids(self, positions: Sequence[int]) -> list[str]:
        return [self.source.ids[position] for position in positions]

    def _moved(self, shown: Tensor, ids: list[str]) -> Iterator[tuple[str, Tensor]]:
        """Transforms the moved images; a first step that several operations share is done once."""
        for _, group in groupby(self.unique.items(), key=lambda item: first_key(item[1])):
            begun: Tensor | None = None
            for key, operation in group:
                (first, level), *rest = operation.acting
                if begun is None:
                    begun = first(shown, level, seed=self.seed, image_ids=ids)
                picture = begun
                for transformation, level in rest:
                    picture = transformation(picture, level, seed=self.seed, image_ids=ids)
                yield key, picture


def _batched(
    moved: Iterator[tuple[str, Tensor]], count: int, batches: Batches
) -> Iterator[tuple[list[str], list[Tensor]]]:
    """Groups as many operations as one forward batch holds, at least one."""
    keys, pictures = list[str](), list[Tensor]()
    for key, picture in moved:
        if keys and (len(keys) + 1) * count > batches.size:
            yield keys, pictures
            keys, pictures = [], []
        keys.append(key)
        pictures.append(picture)
    if keys:
        yield keys, pictures
