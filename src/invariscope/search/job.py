"""Defines the pair similarity search as a job: paper 000 §4 (eq. 2).

For pairs (x₁, x₂) of one class and every operation T of a pool, T acts on x₂ alone:

    s₀ = cos(f(x₁), f(x₂)),   s_T = cos(f(x₁), f(T(x₂))),   change = s_T − s₀

with f the network up to its penultimate layer (the embedding). Above 0, T explains part of what
sets the two images apart; 0: it changes nothing. The relative change is change / s₀.

A block of 32 pairs is measured at once: each image is decoded and embedded once, and each second
image once more for every operation that is computed; the similarities are formed at once and
nothing but numbers is kept. An image that T leaves as it is (autocontrast often does) has a change
of exactly 0, not the rounding of another batch.

Source: paper 000, eq. 2 and §4. Its code embeds both images anew for every operation, one operation
after the other; for one of its models it takes logits as embeddings, here always the embedding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from invariscope.devices import as_float
from invariscope.errors import RunError
from invariscope.metrics.distances import between, prepared
from invariscope.models import Probe
from invariscope.runs import Job, Run
from invariscope.runs.batches import Batches
from invariscope.runs.loading import Block
from invariscope.runs.subject import Subject
from invariscope.search.example_files import write_examples
from invariscope.search.examples import take_examples
from invariscope.search.operations import first_key, unique_operations
from invariscope.search.result import Factors, rows_of, write_factors
from invariscope.search.rows import PAIR_ROWS, PAIRS_PER_BLOCK, pair_table
from invariscope.search.table import tabulate
from invariscope.transformations import Operation

EMBEDDING = "embedding"
#: Pixels closer than this are the same: the rounding of a transformation that changes nothing.
_SAME = 1e-6


@dataclass
class Search(Job[Factors]):
    """A search that is ready to start.

    Attributes:
        subject: The model and the images.
        operations: The pool, in the order of the table.
        pairs: int64 [pair, 3]: number of the class, positions in the source of anchor and other.
        seed: The run's seed.
        manifest: The manifest at the start.
        unique: What is computed, by key.
    """

    subject: Subject
    operations: tuple[Operation, ...]
    pairs: np.ndarray
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
        starts = range(0, len(self.pairs), PAIRS_PER_BLOCK)
        self._pairs = [self.pairs[start : start + PAIRS_PER_BLOCK] for start in starts]
        self.blocks = [list(dict.fromkeys(part[:, 1:].ravel().tolist())) for part in self._pairs]

    @property
    def probe(self) -> Probe:
        """The model."""
        return self.subject.probe

    @property
    def batch_size(self) -> int:
        """The number of images per forward pass where the user does not say."""
        return 256 if self.probe.device.type == "cuda" else 32

    def passes(self, number: int) -> int:
        """Counts passes: each image once, each second image once for every computed operation."""
        seconds = np.unique(self._pairs[number][:, 2])
        return len(self.blocks[number]) + len(seconds) * len(self.unique)

    def measure(self, block: Block, batches: Batches, advance: Callable[[int], None]) -> pa.Table:
        """Computes the similarities of the block's pairs, before and after each operation."""
        row_of = {index: row for row, index in enumerate(block.indices)}
        pairs = self._pairs[block.number]
        pairs = pairs[[a in row_of and b in row_of for a, b in pairs[:, 1:].tolist()]]
        if not len(pairs):
            return pair_table([], [], [], np.empty(0), np.empty((0, len(self.unique))))

        def embed(images: Tensor) -> Tensor:
            vectors = batches.forward(self.probe, images, [EMBEDDING])[EMBEDDING]
            advance(len(images))
            return prepared(vectors, "cosine")

        device = self.probe.device
        pixels = as_float(block.pixels().to(device, non_blocking=True))
        seconds, partner = np.unique(pairs[:, 2], return_inverse=True)
        vectors = embed(pixels)
        first = vectors[torch.tensor([row_of[a] for a in pairs[:, 1].tolist()], device=device)]
        rows = torch.tensor([row_of[b] for b in seconds.tolist()], device=device)
        member = torch.from_numpy(partner).to(device)
        before = 1 - between(first, vectors[rows][member], "cosine")
        shown = pixels[rows]
        changes: dict[str, Tensor] = {}
        for keys, moved in _batched(self._moved(shown, seconds), len(shown), batches):
            for key, picture, vector in zip(
                keys, moved, embed(torch.cat(moved)).split(len(shown)), strict=True
            ):
                change = 1 - between(first, vector[member], "cosine") - before
                same = ((picture - shown).abs().amax((1, 2, 3)) <= _SAME)[member]
                changes[key] = torch.where(same & before.isfinite(), 0.0, change)
        ordered = torch.stack([changes[key] for key in self.unique], 1) if changes else None
        return pair_table(
            pairs[:, 0],
            self._ids(pairs[:, 1]),
            self._ids(pairs[:, 2]),
            before.double().cpu().numpy(),
            np.empty((len(pairs), 0)) if ordered is None else ordered.cpu().numpy(),
        )

    def finish(self, run: Run) -> Factors:
        """Makes the table and the example pairs."""
        manifest, settings = run.manifest, run.manifest["settings"]
        rows = rows_of(manifest, run.rows)
        frame = tabulate(rows, settings["classes"], settings["operations"], settings["seed"])
        if not frame["n"].any():
            raise RunError(
                f"no pair of {settings['data']} has two images that can be read and compared; "
                f"{len(manifest['images']['skipped'])} images were skipped"
            )
        factors = Factors(manifest, frame, rows, run.folder)
        examples = take_examples(self.subject, self.operations, factors)
        if run.folder is not None:
            write_examples(run.folder, examples, run.identity)
            write_factors(run.folder, frame, run.identity)
        return Factors(manifest, frame, rows, run.folder, examples)

    def _ids(self, positions: np.ndarray) -> list[str]:
        return [self.source.ids[int(position)] for position in positions]

    def _moved(self, shown: Tensor, seconds: np.ndarray) -> Iterator[tuple[str, Tensor]]:
        """Transforms the second images; a first step that several operations share is done once."""
        ids = self._ids(seconds)
        begun: tuple[str, Tensor] | None = None
        for key, operation in self.unique.items():
            (first, level), *rest = operation.acting
            if begun is None or begun[0] != first_key(operation):
                begun = first_key(operation), first(shown, level, seed=self.seed, image_ids=ids)
            moved = begun[1]
            for transformation, level in rest:
                moved = transformation(moved, level, seed=self.seed, image_ids=ids)
            yield key, moved


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
