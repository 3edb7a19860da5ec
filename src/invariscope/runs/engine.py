"""Carries out a job block by block, into a folder or in memory.

Blocks are measured one after the other and written whole. A run that was interrupted goes on with
the blocks that are missing and ends with the same bytes.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch

from invariscope.cache import DEFAULT_SIZE, CacheFolder, VectorCache, check_cache
from invariscope.errors import InputError
from invariscope.runs.batches import Batches
from invariscope.runs.block_files import ROWS, with_digests, write_block_file
from invariscope.runs.dim import note_dim
from invariscope.runs.folder import Content, open_folder
from invariscope.runs.job import Job, Run
from invariscope.runs.loading import Block, load_blocks
from invariscope.runs.manifest import write_manifest
from invariscope.runs.progress import Progress, Silent

T = TypeVar("T")


@torch.inference_mode(False)  # what the caller has chosen; nothing can be differentiated there
def carry_out(
    job: Job[T],
    *,
    output: str | Path | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    cache: str | Path | None = None,
    cache_size: str | int = DEFAULT_SIZE,
) -> T:
    """Measures the blocks that are missing and makes the result. Arguments as for `measure`."""
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, not {batch_size}")
    if cache is not None:
        check_cache(cache, cache_size)
    folder = None if output is None else Path(output)
    progress = progress or Silent()
    job.manifest["execution"].update(cells=job.cells, forward_passes=0, from_cache=0)
    content = Content(job.source, job.blocks, job.digest)
    with open_folder(folder, job.manifest, resume, job.rows, content) as (manifest, done):
        run = Run(manifest, folder, [], done)
        job.begin(run)
        place = None if cache is None else (cache, cache_size)
        _measure(job, run, batch_size or job.batch_size, workers, progress, place)
        result = job.finish(run)
        manifest["execution"]["status"] = "finished"
        if folder is not None:
            write_manifest(folder, manifest)
    return result


def _measure(
    job: Job[Any],
    run: Run,
    batch_size: int,
    workers: int | None,
    progress: Progress,
    cache: tuple[str | Path, str | int] | None,
) -> None:
    """Measures the blocks that are not done, until there are enough; the cache is (path, size)."""
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
    missing = [(number, block) for number, block in enumerate(job.blocks) if number not in done]
    progress.start(
        images=run.manifest["images"]["selected"],
        cells=job.cells,
        passes=_passes(job, range(len(job.blocks))),
        done=_passes(job, done),
    )
    kept = None if cache is None else _open_cache(job, *cache, note)
    batches, count = Batches(batch_size, note, kept), _Count(execution, progress)
    started, before = time.perf_counter(), execution["seconds"]
    if missing and is_enough(missing[0][0]):
        missing = []
    loaded = load_blocks(job.source, job.load, missing, workers=workers, ready=job.ready)
    following = [*(number for number, _ in missing[1:]), len(job.blocks)]
    for block, after in zip(loaded, following, strict=False):
        table = job.measure(block, batches, count.advance)
        batches.end_block()
        count.end_block(batches.recalled)
        _count_skipped(job, run, block, note)
        note_dim(run.manifest, block)
        digests = zip(block.ids, (picture.digest for picture in block.pictures), strict=True)
        table = with_digests(table, {image: digest for image, digest in digests if digest})
        execution["seconds"] = round(before + time.perf_counter() - started, 3)
        if run.folder is None:
            run.tables.append(table)
        else:
            write_manifest(run.folder, run.manifest)  # first: no reason of a skipped image is lost
            write_block_file(run.folder / ROWS, block.number, table, run.identity, job.rows)
        done.add(block.number)
        job.keep(run, block.number)
        if is_enough(after):  # of the blocks between, the rows are there already
            break
    execution["batch_size"] = batches.size
    if kept is not None and missing:
        made, spared = count.made, batches.recalled
        note(f"{spared} of {made + spared} forward passes came from the cache {kept.path}")


class _Count:
    """Counts the forward passes that are made, and those that the cache saves.

    Args:
        execution: Of the manifest; an earlier part of the run has counted there as well.
        progress: Told of both, since both bring the run forward.
    """

    def __init__(self, execution: dict[str, Any], progress: Progress):
        self._execution, self._progress = execution, progress
        self._before = execution["forward_passes"], execution["from_cache"]
        self._all = 0
        self.made = 0

    def advance(self, passes: int) -> None:
        """Counts passes, made or saved."""
        self._all += passes
        self._progress.advance(passes)

    def end_block(self, recalled: int) -> None:
        """Writes both counts down; ``recalled`` is how many were saved so far."""
        self.made = self._all - recalled
        made, saved = self._before
        self._execution.update(forward_passes=made + self.made, from_cache=saved + recalled)


def _passes(job: Job[Any], numbers: Iterable[int]) -> int:
    """Counts the forward passes of some blocks."""
    return sum(job.passes(number) for number in numbers)


def _open_cache(
    job: Job[Any], path: str | Path, size: str | int, note: Callable[[str], None]
) -> VectorCache | None:
    """Opens the cache; None for pictures that change when they are read again."""
    known = [picture for picture in job.ready.values() if picture.pixels is not None]
    if known and not any(picture.digest for picture in known):  # it is not recorded of random ones
        note("the cache is not used: the images are random, so that no run finds them again")
        return None
    return VectorCache(CacheFolder(path, size, note), note)


def _count_skipped(job: Job[Any], run: Run, block: Block, note: Callable[[str], None]) -> None:
    """Records which images of a block are left out, and why."""
    images = run.manifest["images"]
    skipped = {entry["image"]: entry["reason"] for entry in images["skipped"]}
    for image, reason in block.skipped:
        if image not in skipped:
            note(f"skipped {image}{job.beside}: {reason}")
        skipped[image] = reason
    if job.alone and len(block.ids) == 1:
        skipped[block.ids[0]] = job.alone
    images["skipped"] = [
        {"image": image, "reason": reason} for image, reason in sorted(skipped.items())
    ]
    images["used"] = images["selected"] - len(skipped)
