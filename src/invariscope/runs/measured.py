"""Measures blocks of a job, one after the other: what every engine does, here or elsewhere."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from invariscope.cache import CacheFolder, VectorCache
from invariscope.runs.batches import Batches
from invariscope.runs.block_files import with_digests
from invariscope.runs.dim import dim_pictures
from invariscope.runs.job import Job
from invariscope.runs.loading import Block, load_blocks


@dataclass(frozen=True)
class How:
    """How blocks are measured; it changes no number.

    Attributes:
        batch_size: Images per forward pass; None: as the job says.
        workers: Threads or processes that decode; None chooses.
        cache: The folder that keeps passes, and the most that it takes; None: no cache.
    """

    batch_size: int | None = None
    workers: int | None = None
    cache: tuple[str | Path, str | int] | None = None


@dataclass(frozen=True)
class Measured:
    """What a block gave.

    Attributes:
        number: Which block of the run.
        table: Its rows, with the digests of its images.
        skipped: (id, reason) of images that could not be read.
        alone: (id, reason) of the only readable image, where it is left out.
        dim: The pictures that use little of their range.
        passes: The images that went through a network, those that the cache saved among them.
        recalled: Those that the cache saved.
        batch_size: Images per forward pass in the end.
        by: Which worker measured it; "": this process.
    """

    number: int
    table: pa.Table
    skipped: list[tuple[str, str]]
    alone: list[tuple[str, str]]
    dim: list[str]
    passes: int
    recalled: int
    batch_size: int
    by: str = ""


class Bench:
    """A job with what it takes to measure its blocks.

    Args:
        job: The job.
        how: How it is done.
        note: Told a line worth knowing.
    """

    def __init__(self, job: Job[Any], how: How, note: Callable[[str], None]):
        self.job, self._how = job, how
        cache = None if how.cache is None else VectorCache(CacheFolder(*how.cache, note), note)
        self._batches = Batches(how.batch_size or job.batch_size, note, cache)

    def measure(
        self, numbers: Sequence[int], advance: Callable[[int], None]
    ) -> Generator[Measured, None, None]:
        """Measures blocks in this order; the next ones are decoded meanwhile.

        Args:
            numbers: Which blocks.
            advance: Told of passes as they are made.
        """
        job, batches = self.job, self._batches
        numbered = [(number, job.blocks[number]) for number in numbers]
        for block in load_blocks(
            job.source, job.load, numbered, workers=self._how.workers, ready=job.ready
        ):
            passes, recalled = 0, batches.recalled

            def count(some: int) -> None:
                nonlocal passes
                passes += some
                advance(some)

            table = job.measure(block, batches, count)
            batches.end_block()
            saved = batches.recalled - recalled
            yield _measured(job, block, table, passes, saved, batches.size)


def _measured(
    job: Job[Any], block: Block, table: pa.Table, passes: int, recalled: int, size: int
) -> Measured:
    digests = zip(block.ids, (picture.digest for picture in block.pictures), strict=True)
    alone = [(block.ids[0], job.alone)] if job.alone and len(block.ids) == 1 else []
    table = with_digests(table, {image: digest for image, digest in digests if digest})
    dim = dim_pictures(block)
    return Measured(block.number, table, block.skipped, alone, dim, passes, recalled, size)
