"""Takes down what a run gives, block by block: rows, counts, events, and what was left out."""

import time
from bisect import bisect
from collections.abc import Iterable
from typing import Any

from invariscope.runs.block_files import ROWS, write_block_file
from invariscope.runs.dim import note_dim
from invariscope.runs.job import Job, Run
from invariscope.runs.manifest import write_manifest
from invariscope.runs.measured import How, Measured
from invariscope.runs.progress import Progress


class Record:
    """The record of one run under way.

    Args:
        job: The job.
        run: Its run.
        progress: Told what is worth knowing.
        said: Which of the runs under way has told it a line; the others need not repeat it.

    Attributes:
        done: The blocks that need not be measured.
        missing: The others.
        enough: Whether what has been measured is enough.
    """

    def __init__(self, job: Job[Any], run: Run, progress: Progress, said: "dict[str, Record]"):
        self.job, self.run, self._progress, self._said = job, run, progress, said
        job.begin(run)
        self.done = set(run.done) & set(range(len(job.blocks)))
        self.missing = [number for number in range(len(job.blocks)) if number not in self.done]
        self.enough = False
        self._execution = run.manifest["execution"]
        self._numbers: list[int] = []  # of the tables in memory

    def passes(self, numbers: Iterable[int]) -> int:
        """Counts the forward passes of some blocks."""
        return sum(self.job.passes(number) for number in numbers)

    def note(self, text: str) -> None:
        """Takes down a line worth knowing."""
        self._execution["events"].append(text)
        if self._said.setdefault(text, self) is self:
            self._progress.note(text)

    def begin(self, together: int) -> None:
        """Starts the clock, and looks whether there is anything to measure.

        Args:
            together: How many runs are under way at once; their time is that of all.
        """
        execution = self._execution
        if together > 1:
            execution["together"] = together
        self._started, self._before = time.perf_counter(), dict(execution)
        self._smallest: int | None = None
        self._following = iter([*self.missing[1:], len(self.job.blocks)])
        if self.missing:
            self._look(self.missing[0])
        if self.enough:
            self.missing = []

    def take(self, measured: Measured) -> None:
        """Takes down what a block gave."""
        execution, run, job = self._execution, self.run, self.job
        execution["forward_passes"] += measured.passes - measured.recalled
        execution["from_cache"] += measured.recalled
        size = measured.batch_size
        self._smallest = size if self._smallest is None else min(size, self._smallest)
        if measured.by:
            by = execution.setdefault("measured_by", {})
            by[measured.by] = by.get(measured.by, 0) + 1
        self._count_skipped(measured)
        note_dim(run.manifest, measured.dim)
        seconds = self._before["seconds"] + time.perf_counter() - self._started
        execution["seconds"] = round(seconds, 3)
        if run.folder is None:
            place = bisect(self._numbers, measured.number)
            self._numbers.insert(place, measured.number)
            run.tables.insert(place, measured.table)
        else:
            write_manifest(run.folder, run.manifest)  # first: no reason of a skip is lost
            write_block_file(
                run.folder / ROWS, measured.number, measured.table, run.identity, job.rows
            )
        job.keep(run, measured.number)
        self._look(next(self._following))

    def end(self, how: How) -> None:
        """Takes down how it was measured."""
        size = how.batch_size or self.job.batch_size
        self._execution["batch_size"] = min(size, self._smallest or size)
        if how.cache is not None and self.missing:
            made, spared = (
                self._execution[name] - self._before[name]
                for name in ("forward_passes", "from_cache")
            )
            passes, folder = made + spared, how.cache[0]
            self.note(f"{spared} of {passes} forward passes came from the cache {folder}")

    def finish(self) -> Any:
        """Makes the result."""
        result = self.job.finish(self.run)
        self._execution["status"] = "finished"
        if self.run.folder is not None:
            write_manifest(self.run.folder, self.run.manifest)
        return result

    def _look(self, measured: int) -> None:
        """Asks whether the first ``measured`` blocks are enough."""
        reason = self.job.enough(self.run, measured)
        if reason:
            self.enough = True
            self.note(reason)

    def _count_skipped(self, measured: Measured) -> None:
        """Takes down which images of a block are left out, and why."""
        images = self.run.manifest["images"]
        skipped = {entry["image"]: entry["reason"] for entry in images["skipped"]}
        for image, reason in measured.skipped:
            if image not in skipped:
                self.note(f"skipped {image}{self.job.beside}: {reason}")
        skipped |= dict([*measured.skipped, *measured.alone])
        images["skipped"] = [
            {"image": image, "reason": reason} for image, reason in sorted(skipped.items())
        ]
        images["used"] = images["selected"] - len(skipped)
