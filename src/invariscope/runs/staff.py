"""Chooses who measures the blocks of a run: this process, several, or actors of Ray."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from invariscope.errors import InputError
from invariscope.own_actor import LOCAL, RAY, check_engine
from invariscope.runs.crew import Crew, measured_by
from invariscope.runs.elsewhere import Opened
from invariscope.runs.job import Job
from invariscope.runs.measured import Bench, How, Measured, Wanted
from invariscope.runs.progress import Progress


@dataclass(frozen=True)
class Staff:
    """Who measures.

    Attributes:
        engine: "local": this machine's processes; "ray": actors of Ray.
        processes: How many; None: one here, or as many actors as there are GPUs or else cores.
        address: The Ray cluster's; None: Ray is started here.

    Raises:
        InputError: There is no such engine, or fewer than one process is asked for.
    """

    engine: str = LOCAL
    processes: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        check_engine(self.engine, self.address)
        if self.processes is not None and self.processes < 1:
            raise InputError(f"processes must be at least 1, not {self.processes}")

    def measure(
        self,
        jobs: Sequence[Job[Any]],
        how: How,
        wanted: Sequence[Wanted],
        notes: Sequence[Callable[[str], None]],
        progress: Progress,
    ) -> Generator[Measured, None, None]:
        """Measures blocks; those of this process come in order, others as they end."""
        several = self.engine == RAY or (self.processes or 1) > 1
        reason = next(filter(None, (job.in_sequence for job in jobs)), "")
        if several and reason and wanted:
            for note in notes:
                note(f"blocks are measured one after the other, in this process: {reason}")
        if not several or reason or not wanted:
            yield from Bench(jobs, how, notes).measure(wanted, progress.advance)
            return
        for measured in measured_by(self._crew(jobs, how), Opened.of(jobs), wanted, notes):
            progress.advance(measured.passes)
            yield measured

    def _crew(self, jobs: Sequence[Job[Any]], how: How) -> Crew:
        if self.engine == RAY:
            from invariscope.runs.actors import Actors

            return Actors(jobs, how, self.processes, self.address)
        from invariscope.runs.processes import Processes

        return Processes(jobs, how, self.processes or 1)
