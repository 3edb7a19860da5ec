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
from invariscope.runs.elsewhere import Opened
from invariscope.runs.measured import Measured

#: How often a block is begun, where its workers die.
_TRIES = 3

Done = tuple[Measured, list[str]]


@runtime_checkable
class Worker(Protocol):
    """Measures one block at a time; what goes wrong, its death too, its futures raise."""

    def open(self) -> "Future[Opened]":
        """Prepares the job."""
        ...

    def measure(self, number: int) -> "Future[Done]":
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
    crew: Crew, expected: Opened, numbers: Sequence[int], note: Callable[[str], None]
) -> Generator[Measured, None, None]:
    """Yields what each block gave, in the order in which they end.

    Args:
        crew: The workers.
        expected: What each of them must have prepared.
        numbers: Which blocks.
        note: Told a line worth knowing.

    Raises:
        InputError: A worker has prepared something else, or cannot prepare it.
        RunError: Workers die again and again.
    """
    shift = _Shift(crew, numbers)
    try:
        for place in range(min(crew.size, len(numbers))):
            shift.begin(place)
        while shift.at_work:
            for future in wait(shift.running, return_when=FIRST_COMPLETED).done:
                place, number = shift.running.pop(future)
                try:
                    result = future.result()
                except crew.lost:
                    note(shift.lost(place, number))
                    continue
                shift.go_on(place)
                if isinstance(result, Opened):
                    expected.check(result, f"{crew.what} {place + 1}")
                    continue
                measured, notes = result
                for line in notes:
                    note(line)
                yield replace(measured, by=f"{crew.what} {place + 1}")
    finally:
        shift.end()


class _Shift:
    """Who measures what, and what waits."""

    def __init__(self, crew: Crew, numbers: Sequence[int]):
        self._crew, self._waiting = crew, deque(numbers)
        self._workers: dict[int, Worker] = {}
        self._idle: list[int] = []
        self._deaths: Counter[int | None] = Counter()
        self.running: dict[Future[Any], tuple[int, int | None]] = {}

    @property
    def at_work(self) -> bool:
        """Whether a block is missing; of workers that are still to begin nobody needs to know."""
        return bool(self._waiting) or any(number is not None for _, number in self.running.values())

    def begin(self, place: int) -> None:
        """Starts the worker of a place, which prepares the job first."""
        worker = self._workers[place] = self._crew.hire(place)
        self.running[worker.open()] = place, None

    def go_on(self, place: int) -> None:
        """Gives the next block to a worker; without one it waits, lest another one dies."""
        if not self._waiting:
            self._idle.append(place)
            return
        number = self._waiting.popleft()
        self.running[self._workers[place].measure(number)] = place, number

    def lost(self, place: int, number: int | None) -> str:
        """Sees that the block of a dead worker is measured by another one, and says so."""
        what = "prepared the job" if number is None else f"measured block {number}"
        line = f"{self._crew.what} {place + 1} died while it {what}"
        self._deaths[number] += 1
        if self._deaths[number] == _TRIES:
            raise RunError(
                f"{line}, for the {_TRIES}rd time (too little memory?); every block written so far "
                "is kept: run the same again with fewer of them"
            )
        self._workers.pop(place).stop()
        if number is not None:
            self._waiting.appendleft(number)
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
