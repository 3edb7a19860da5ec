"""Gives blocks to several workers, each to the next that is free, and takes what they measured.

A worker is a process of this machine (`processes`) or an actor somewhere (`actors`). Blocks come
back in the order in which they end: nobody waits for a slow one. A worker that dies costs the block
that it had, which another one measures again.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from invariscope.errors import RunError
from invariscope.runs.elsewhere import Done, Opened
from invariscope.runs.measured import Measured, Wanted

#: How often a block is begun, where its workers die.
_TRIES = 3


@runtime_checkable
class Worker(Protocol):
    """Measures one block at a time; what goes wrong, its death too, its futures raise."""

    def open(self) -> "Future[Opened]":
        """Prepares the jobs."""
        ...

    def measure(self, wanted: Wanted) -> "Future[Done]":
        """Measures a block."""
        ...

    def stop(self) -> None:
        """Ends it, whatever it is doing."""
        ...


@runtime_checkable
class Crew(Protocol):
    """Workers that can be had.

    Attributes:
        size: How many at once.
        lost: What futures raise whose worker has died.
        what: What one of them is called.
    """

    size: int
    lost: tuple[type[BaseException], ...]
    what: str

    def hire(self, place: int) -> Worker:
        """Starts the worker of a place, from 0 to ``size`` − 1."""
        ...

    def close(self) -> None:
        """Lets go what all workers share."""
        ...


def measured_by(
    crew: Crew,
    expected: Opened,
    wanted: Sequence[Wanted],
    notes: Sequence[Callable[[str], None]],
) -> Generator[Measured, None, None]:
    """Yields what each block gave, in the order in which they end.

    Args:
        crew: The workers.
        expected: What each of them must have prepared.
        wanted: Which blocks, for which jobs.
        notes: Told a line worth knowing of each job.

    Raises:
        InputError: A worker has prepared something else, or cannot prepare it.
        RunError: Workers die again and again.
    """
    shift = _Shift(crew, wanted)
    try:
        for place in range(min(crew.size, len(wanted))):
            shift.begin(place)
        while shift.at_work:
            for future in wait(shift.running, return_when=FIRST_COMPLETED).done:
                place, block = shift.running.pop(future)
                try:
                    result = future.result()
                except crew.lost:
                    line = shift.lost(place, block)
                    for note in notes:
                        note(line)
                    continue
                shift.go_on(place)
                if isinstance(result, Opened):
                    expected.check(result, f"{crew.what} {place + 1}")
                    continue
                every, lines = result
                for job, line in lines:
                    notes[job](line)
                for measured in every:
                    yield replace(measured, by=f"{crew.what} {place + 1}")
    finally:
        shift.end()


class _Shift:
    """Who measures what, and what waits."""

    def __init__(self, crew: Crew, wanted: Sequence[Wanted]):
        self._crew, self._waiting = crew, deque(wanted)
        self._workers: dict[int, Worker] = {}
        self._idle: list[int] = []
        self._deaths: Counter[Wanted | None] = Counter()
        self.running: dict[Future[Any], tuple[int, Wanted | None]] = {}

    @property
    def at_work(self) -> bool:
        """Whether a block is missing; of workers that are still to begin nobody needs to know."""
        return bool(self._waiting) or any(block is not None for _, block in self.running.values())

    def begin(self, place: int) -> None:
        """Starts the worker of a place, which prepares the jobs first."""
        worker = self._workers[place] = self._crew.hire(place)
        self.running[worker.open()] = place, None

    def go_on(self, place: int) -> None:
        """Gives the next block to a worker; without one it waits, lest another one dies."""
        if not self._waiting:
            self._idle.append(place)
            return
        block = self._waiting.popleft()
        self.running[self._workers[place].measure(block)] = place, block

    def lost(self, place: int, block: Wanted | None) -> str:
        """Sees that the block of a dead worker is measured by another one, and says so."""
        what = "prepared the job" if block is None else f"measured block {block.number}"
        line = f"{self._crew.what} {place + 1} died while it {what}"
        self._deaths[block] += 1
        if self._deaths[block] == _TRIES:
            raise RunError(
                f"{line}, for the {_TRIES}rd time (too little memory?); every block written so far "
                "is kept: run the same again with fewer of them"
            )
        self._workers.pop(place).stop()
        if block is not None:
            self._waiting.appendleft(block)
        if self._idle:
            self.go_on(self._idle.pop())
        else:
            self.begin(place)
        return f"{line}: another one does it again"

    def end(self) -> None:
        """Ends whoever is still at work."""
        for worker in self._workers.values():
            worker.stop()
        self._crew.close()
