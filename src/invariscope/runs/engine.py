"""Carries out jobs block by block, into folders or in memory.

Blocks are measured one after the other, or by several processes, and written whole. A run that was
interrupted goes on with the blocks that are missing and ends with the same bytes. Jobs on the same
pictures go through them together: a block is decoded once for all.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from invariscope.cache import DEFAULT_SIZE, check_cache
from invariscope.errors import InputError
from invariscope.runs.folder import Content, open_folder
from invariscope.runs.job import Job, Run
from invariscope.runs.measured import How, Wanted
from invariscope.runs.progress import Progress, Silent
from invariscope.runs.record import Record
from invariscope.runs.staff import LOCAL, Staff

T = TypeVar("T")


def carry_out(job: Job[T], *, output: str | Path | None = None, **how: Any) -> T:
    """Measures the blocks that are missing and makes the result. Arguments as for `measure`."""
    (result,) = carry_out_each([job], [output], **how)
    return result


@torch.inference_mode(False)  # what the caller has chosen; nothing can be differentiated there
def carry_out_each(
    jobs: Sequence[Job[T]],
    outputs: Sequence[str | Path | None],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    processes: int | None = None,
    engine: str = LOCAL,
    address: str | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    cache: str | Path | None = None,
    cache_size: str | int = DEFAULT_SIZE,
) -> list[T]:
    """Carries out one job, or several of one kind that share their pictures (`Job.shared`).

    ``outputs`` are their run folders, the other arguments are as for `measure`. All are measured
    block by block, so that one that fails ends the others, too; what was measured is kept.
    """
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, not {batch_size}")
    staff = Staff(engine, processes, address)
    if cache is not None:
        check_cache(cache, cache_size)
    how = How(batch_size, workers, None if cache is None else (cache, cache_size))
    progress = progress or Silent()
    records: list[Record] = []
    said: dict[str, Record] = {}
    with ExitStack() as folders:
        for job, output in zip(jobs, outputs, strict=True):
            folder = None if output is None else Path(output)
            job.manifest["execution"].update(cells=job.cells, forward_passes=0, from_cache=0)
            content = Content(job.source, job.blocks, job.digest)
            opened = open_folder(folder, job.manifest, resume, job.rows, content)
            manifest, done = folders.enter_context(opened)
            records.append(Record(job, Run(manifest, folder, [], done), progress, said))
        _measure(records, how, staff, progress)
        return [record.finish() for record in records]


def _measure(records: Sequence[Record], how: How, staff: Staff, progress: Progress) -> None:
    """Measures the blocks that are not done, until there are enough."""
    jobs = [record.job for record in records]
    progress.start(
        images=records[0].run.manifest["images"]["selected"],
        cells=sum(job.cells for job in jobs),
        passes=sum(record.passes(range(len(record.job.blocks))) for record in records),
        done=sum(record.passes(record.done) for record in records),
    )
    for record in records:
        record.begin(len(records))
    if how.cache is not None and _is_random(jobs[0]):
        for record in records:
            record.note(
                "the cache is not used: the images are random, so that no run finds them again"
            )
        how = replace(how, cache=None)
    wanted = _wanted(records)
    with closing(
        staff.measure(jobs, how, wanted, [record.note for record in records], progress)
    ) as ended:
        for measured in ended:
            records[measured.job].take(measured)
            if all(record.enough for record in records):
                break  # of the blocks between, the rows are there already
    for record in records:
        record.end(how)


def _wanted(records: Sequence[Record]) -> list[Wanted]:
    """Lists the blocks that are missing somewhere, with the jobs that lack them."""
    lacking: dict[int, list[int]] = {}
    for position, record in enumerate(records):
        for number in record.missing:
            lacking.setdefault(number, []).append(position)
    return [Wanted(number, tuple(lacking[number])) for number in sorted(lacking)]


def _is_random(job: Job[Any]) -> bool:
    """Says whether pictures change when they are read again: then their content is not recorded."""
    known = [picture for picture in job.ready.values() if picture.pixels is not None]
    return bool(known) and not any(picture.digest for picture in known)
