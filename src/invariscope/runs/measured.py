"""Measures blocks of jobs, one after the other: what every engine does, here or elsewhere."""

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
class Wanted:
    """A block that is to be measured.

    Attributes:
        number: Which block of the run.
        jobs: The positions of the jobs that lack it.
    """

    number: int
    jobs: tuple[int, ...]


@dataclass(frozen=True)
class Measured:
    """What a block gave.

    Attributes:
        job: The position of its job.
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

    job: int
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
    """Jobs on the same images, with what it takes to measure their blocks.

    Args:
        jobs: One, or several that share their pictures (`Job.shared`).
        how: How it is done.
        notes: Told a line worth knowing of each job.
    """

    def __init__(self, jobs: Sequence[Job[Any]], how: How, notes: Sequence[Callable[[str], None]]):
        self.jobs, self._how = jobs, how
        self._batches = [
            Batches(how.batch_size or job.batch_size, note, _cache(how, note))
            for job, note in zip(jobs, notes, strict=True)
        ]

    def measure(
        self, wanted: Sequence[Wanted], advance: Callable[[int], None]
    ) -> Generator[Measured, None, None]:
        """Measures blocks in this order; the next ones are decoded meanwhile, once for all jobs.

        Args:
            wanted: Which blocks, for which jobs.
            advance: Told of passes as they are made.
        """
        first = self.jobs[0]
        numbered = [(each.number, first.blocks[each.number]) for each in wanted]
        blocks = load_blocks(
            first.source, first.load, numbered, workers=self._how.workers, ready=first.ready
        )
        for each, block in zip(wanted, blocks, strict=True):
            hands = [_Hand(self._batches[job], advance) for job in each.jobs]
            tables = first.measure_each(
                [self.jobs[job] for job in each.jobs],
                block,
                [hand.batches for hand in hands],
                [hand.count for hand in hands],
            )
            for job, hand, table in zip(each.jobs, hands, tables, strict=True):
                hand.batches.end_block()
                yield self._measured(job, block, table, hand)

    def _measured(self, job: int, block: Block, table: pa.Table, hand: "_Hand") -> Measured:
        digests = zip(block.ids, (picture.digest for picture in block.pictures), strict=True)
        reason = self.jobs[job].alone
        alone = [(block.ids[0], reason)] if reason and len(block.ids) == 1 else []
        table = with_digests(table, {image: digest for image, digest in digests if digest})
        return Measured(
            job, block.number, table, block.skipped, alone, dim_pictures(block), hand.passes,
            hand.recalled, hand.batches.size,
        )  # fmt: skip


class _Hand:
    """What a block takes of one job: its batches, and how many passes it had."""

    def __init__(self, batches: Batches, advance: Callable[[int], None]):
        self.batches, self.passes = batches, 0
        self._advance, self._before = advance, batches.recalled

    def count(self, passes: int) -> None:
        self.passes += passes
        self._advance(passes)

    @property
    def recalled(self) -> int:
        return self.batches.recalled - self._before


def _cache(how: How, note: Callable[[str], None]) -> VectorCache | None:
    return None if how.cache is None else VectorCache(CacheFolder(*how.cache, note), note)
