"""Defines a job: the work of an instrument on the images of a run, block by block."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa

from invariscope.data import ImageSource
from invariscope.runs.batches import Batches
from invariscope.runs.block_files import ROWS, RowFormat
from invariscope.runs.loading import Block, Load, Picture
from invariscope.runs.request import Request

T = TypeVar("T")


@dataclass
class Run:
    """A run under way: its manifest, its folder, and its rows so far.

    Attributes:
        manifest: What it has written down; a resumed run goes on with the earlier one.
        folder: Its folder; None: it stays in memory.
        tables: The rows of its blocks, of a run in memory.
        done: The blocks that need not be measured.
    """

    manifest: dict[str, Any]
    folder: Path | None
    tables: list[pa.Table]
    done: list[int]

    @property
    def identity(self) -> str:
        """The identity that its files carry."""
        return self.manifest["identity"]

    @property
    def rows(self) -> Path | list[pa.Table]:
        """The folder of its row files, or its tables."""
        return self.tables if self.folder is None else self.folder / ROWS


class Job(ABC, Generic[T]):
    """A job that `carry_out` carries out.

    Attributes:
        manifest: The manifest at the start; the engine adds to ``images`` and ``execution``.
        source: The images.
        blocks: The positions of each block's images, each image once.
        load: Reads one of them.
        ready: Pictures that are decoded already.
        cells: How many things are done to an image, for the progress bar.
        rows: What the rows look like.
        alone: Why a block's only readable image is left out; "": it is not.
        beside: What an image that cannot be read takes with it (", with its pairs").
        prepared: The function that has prepared it, and from what; other processes prepare it
            anew from them. None: only this one can measure it.
    """

    manifest: dict[str, Any]
    source: ImageSource
    blocks: Sequence[list[int]]
    load: Load
    ready: Mapping[int, Picture]
    cells: int
    rows: RowFormat
    alone: str = ""
    beside: str = ""
    prepared: "tuple[Callable[[Any], Job[Any]], Request] | None" = None

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """Images per forward pass where the user does not say."""

    @property
    def in_sequence(self) -> str:
        """Why blocks build on those before, so that one is measured after the other; "": not so."""
        return ""

    @property
    def shared(self) -> Hashable | None:
        """What jobs have in common that can be measured on the same pictures; None: nothing."""
        return None

    def digest(self, index: int) -> str:
        """Digests an image without decoding it; "" where only its pixels can tell."""
        return self.ready[index].digest if index in self.ready else self.source.digest(index)

    @abstractmethod
    def passes(self, number: int) -> int:
        """Counts the images that go through a network for a block."""

    @abstractmethod
    def measure(self, block: Block, batches: Batches, advance: Callable[[int], None]) -> pa.Table:
        """Measures the rows of a block.

        Args:
            block: Its images.
            batches: Forward batches.
            advance: Told how many images went through a network (`passes` of a block in all).
        """

    @classmethod
    def measure_each(
        cls,
        jobs: "Sequence[Job[Any]]",
        block: Block,
        batches: Sequence[Batches],
        advance: Sequence[Callable[[int], None]],
    ) -> list[pa.Table]:
        """Measures a block for each of several jobs of this kind; arguments as for `measure`."""
        return [
            job.measure(block, own, told)
            for job, own, told in zip(jobs, batches, advance, strict=True)
        ]

    @abstractmethod
    def finish(self, run: Run) -> T:
        """Makes the result of the rows and, where there is a folder, writes it there.

        Raises:
            RunError: The rows are not enough.
        """

    def begin(self, run: Run) -> None:
        """Begins, before the first block; may drop blocks from `run.done` that must be repeated."""

    def keep(self, run: Run, number: int) -> None:
        """Saves the state between blocks, after the rows of a block are safe."""

    def enough(self, run: Run, measured: int) -> str:
        """Says why the first ``measured`` blocks are enough; "": they are not."""
        return ""
