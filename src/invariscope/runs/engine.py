"""Carries out a job block by block, into a folder or in memory.

Blocks are measured one after the other, or by several processes, and written whole. A run that was
interrupted goes on with the blocks that are missing and ends with the same bytes.
"""

import time
from bisect import bisect
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from invariscope.cache import DEFAULT_SIZE, check_cache
from invariscope.errors import InputError
from invariscope.runs.block_files import ROWS, write_block_file
from invariscope.runs.dim import note_dim
from invariscope.runs.folder import Content, open_folder
from invariscope.runs.job import Job, Run
from invariscope.runs.manifest import write_manifest
from invariscope.runs.measured import How, Measured
from invariscope.runs.progress import Progress, Silent
from invariscope.runs.staff import LOCAL, Staff

T = TypeVar("T")


@torch.inference_mode(False)  # what the caller has chosen; nothing can be differentiated there
def carry_out(
    job: Job[T],
    *,
    output: str | Path | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    processes: int | None = None,
    engine: str = LOCAL,
    address: str | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    cache: str | Path | None = None,
    cache_size: str | int = DEFAULT_SIZE,
) -> T:
    """Measures the blocks that are missing and makes the result. Arguments as for `measure`."""
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, not {batch_size}")
    staff = Staff(engine, processes, address)
    if cache is not None:
        check_cache(cache, cache_size)
    folder = None if output is None else Path(output)
    progress = progress or Silent()
    job.manifest["execution"].update(cells=job.cells, forward_passes=0, from_cache=0)
    content = Content(job.source, job.blocks, job.digest)
    with open_folder(folder, job.manifest, resume, job.rows, content) as (manifest, done):
        run = Run(manifest, folder, [], done)
        job.begin(run)
        how = How(batch_size, workers, None if cache is None else (cache, cache_size))
        _measure(job, run, how, staff, progress)
        result = job.finish(run)
        manifest["execution"]["status"] = "finished"
        if folder is not None:
            write_manifest(folder, manifest)
    return result


def _measure(job: Job[Any], run: Run, how: How, staff: Staff, progress: Progress) -> None:
    """Measures the blocks that are not done, until there are enough."""
    execution = run.manifest["execution"]

    def note(text: str) -> None:
        execution["events"].append(text)
        progress.note(text)

    def is_enough(measured: int) -> bool:
        reason = job.enough(run, measured)
        if reason:
            note(reason)
        return bool(reason)

    done = set(run.done) & set(range(len(job.blocks)))
    missing = [number for number in range(len(job.blocks)) if number not in done]
    progress.start(
        images=run.manifest["images"]["selected"],
        cells=job.cells,
        passes=_passes(job, range(len(job.blocks))),
        done=_passes(job, done),
    )
    made, recalled = execution["forward_passes"], execution["from_cache"]
    started, before = time.perf_counter(), execution["seconds"]
    if missing and is_enough(missing[0]):
        missing = []
    if how.cache is not None and _is_random(job):
        note("the cache is not used: the images are random, so that no run finds them again")
        how = replace(how, cache=None)
    following = [*missing[1:], len(job.blocks)]
    numbers: list[int] = []  # of the tables in memory
    size = how.batch_size or job.batch_size
    with closing(staff.measure(job, how, missing, note, progress)) as ended:
        for measured, after in zip(ended, following, strict=False):
            execution["forward_passes"] += measured.passes - measured.recalled
            execution["from_cache"] += measured.recalled
            size = min(size, measured.batch_size)
            if measured.by:
                by = execution.setdefault("measured_by", {})
                by[measured.by] = by.get(measured.by, 0) + 1
            _count_skipped(job, run, measured, note)
            note_dim(run.manifest, measured.dim)
            execution["seconds"] = round(before + time.perf_counter() - started, 3)
            if run.folder is None:
                place = bisect(numbers, measured.number)
                numbers.insert(place, measured.number)
                run.tables.insert(place, measured.table)
            else:
                write_manifest(run.folder, run.manifest)  # first: no reason of a skip is lost
                write_block_file(
                    run.folder / ROWS, measured.number, measured.table, run.identity, job.rows
                )
            job.keep(run, measured.number)
            if is_enough(after):  # of the blocks between, the rows are there already
                break
    execution["batch_size"] = size
    if how.cache is not None and missing:
        made, spared = execution["forward_passes"] - made, execution["from_cache"] - recalled
        note(f"{spared} of {made + spared} forward passes came from the cache {how.cache[0]}")


def _passes(job: Job[Any], numbers: Iterable[int]) -> int:
    """Counts the forward passes of some blocks."""
    return sum(job.passes(number) for number in numbers)


def _is_random(job: Job[Any]) -> bool:
    """Says whether pictures change when they are read again: then their content is not recorded."""
    known = [picture for picture in job.ready.values() if picture.pixels is not None]
    return bool(known) and not any(picture.digest for picture in known)


def _count_skipped(
    job: Job[Any], run: Run, measured: Measured, note: Callable[[str], None]
) -> None:
    """Records which images of a block are left out, and why."""
    images = run.manifest["images"]
    skipped = {entry["image"]: entry["reason"] for entry in images["skipped"]}
    for image, reason in measured.skipped:
        if image not in skipped:
            note(f"skipped {image}{job.beside}: {reason}")
    skipped |= dict([*measured.skipped, *measured.alone])
    images["skipped"] = [
        {"image": image, "reason": reason} for image, reason in sorted(skipped.items())
    ]
    images["used"] = images["selected"] - len(skipped)
