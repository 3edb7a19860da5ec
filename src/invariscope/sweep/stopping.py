"""Stopping by itself: cells that need no more images are left out of the blocks that follow.

A question is asked after every block from the second on, later when there are a sixteenth more, on
the blocks in the run's order, so a run that was interrupted stops where an uninterrupted one does.
What is asked is a matter of the kind of stopping: whether intervals are short (`sweep.precision`),
whether rules are decided (`gate.deciding`). All intervals of such a run are confidence sequences
(`statistics.sequences`): they hold their values whenever one looks, and so when a cell stops.

Cells that share a number stop together: all of a transformation where a metric is of its orbit or
of its derivative, and all of the run where sums of channels run over the data set.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace

from invariscope.metrics import OrbitMetric
from invariscope.results import RowStore
from invariscope.runs import Run
from invariscope.sweep.lie import lie_cell
from invariscope.sweep.setup import Setup
from invariscope.transformations import IDENTITY


def is_time_to_look(blocks: int) -> bool:
    """After each of 31 blocks, then after every second one, from 64 on after every fourth, ….

    Not after the first: 32 images seldom show the rare ones on which a mild level does much.

    Example:
        >>> [n for n in [*range(4), *range(30, 38), *range(62, 74)] if is_time_to_look(n)]
        [2, 3, 30, 31, 32, 34, 36, 62, 64, 68, 72]
    """
    apart = 1 << max(0, blocks.bit_length() - 5)
    return blocks > 1 and blocks % apart == 0


@dataclass(frozen=True)
class Unit:
    """Cells that stop together.

    Attributes:
        cells: Their keys in the plan; none for the untouched images, which all others need.
        names: What they are called in the rows of any metric.
    """

    cells: frozenset[str]
    names: frozenset[str]


class Stopping(ABC):
    """Decides which cells are measured in which block.

    Args:
        setup: All cells.

    Attributes:
        units: The cells, those that stop together in one.
        stopped: How many blocks each cell that has stopped was measured in.
    """

    def __init__(self, setup: Setup):
        self._setup = setup
        self.units = _units(setup)
        self._open = list(self.units)
        self._looked = 0
        self._left: dict[int, Setup] = {}
        self.stopped: dict[str, int] = {}

    @abstractmethod
    def still(self, run: Run, store: RowStore) -> dict[str, bool]:
        """Says of cells, by their names in the rows, whether they still need images.

        Args:
            run: The run.
            store: Its rows so far.

        Returns:
            Whether each does; cells of which nothing is known yet are not there.
        """

    @abstractmethod
    def reason(self, run: Run, measured: int) -> str:
        """Says why the run may stop after so many blocks."""

    def setup_of(self, number: int) -> Setup:
        """What a block is measured with: the cells that had not stopped before."""
        gone = frozenset(cell for cell, blocks in self.stopped.items() if blocks <= number)
        if len(gone) not in self._left:  # cells stop one after the other, so their number says all
            plan = self._setup.plan.without(gone)
            self._left[len(gone)] = replace(self._setup, plan=plan) if gone else self._setup
        return self._left[len(gone)]

    def enough(self, run: Run, measured: int) -> str:
        """Looks whenever it was time to in the first blocks, and says why they are enough, or "".

        Args:
            run: The run, whose first ``measured`` blocks have rows.
            measured: How many.
        """
        times = [count for count in range(self._looked + 1, measured + 1) if is_time_to_look(count)]
        self._looked = max(self._looked, measured)
        for count in times:
            if not self._look(run, count):
                return self.reason(run, measured)
        return ""

    def _look(self, run: Run, count: int) -> bool:
        """Stops cells by what the first blocks show; says whether any still needs images."""
        needing = self.still(run, self.first(run, count))
        left = []
        for unit in self._open:
            own = [needing[name] for name in unit.names if name in needing]
            if own and not any(own):
                self.stopped.update(dict.fromkeys(sorted(unit.cells), count))
            else:
                left.append(unit)
        self._open = left
        return not needing or any(not unit.names.isdisjoint(needing) for unit in left)

    def first(self, run: Run, count: int) -> RowStore:
        """The rows of the first blocks."""
        return RowStore(run.rows, range(count), run.identity)


def _units(setup: Setup) -> list[Unit]:
    """The cells of a run, those that stop together in one."""
    keys = {cell.key for cell in setup.plan.cells} - {IDENTITY}
    untouched = Unit(frozenset(), frozenset({IDENTITY}))
    own = {transformation: set[str]() for transformation in setup.plan.transformations}
    for entry in setup.plan.entries:
        own[entry.transformation] |= {entry.cell, entry.orbit_cell}
    for transformation, names in own.items():
        names.discard(IDENTITY)
        derivative = lie_cell(transformation)
        if derivative is not None:
            names.add(derivative.key)
    if setup.map_metrics:
        return [Unit(frozenset(), frozenset({IDENTITY}.union(*own.values())))]
    if setup.derivative_metrics or any(isinstance(m, OrbitMetric) for m in setup.metrics):
        parts = _joined(own.values())
    else:
        parts = [{key} for key in sorted(keys)]
    return [untouched, *(Unit(frozenset(part & keys), frozenset(part)) for part in parts)]


def _joined(sets: Iterable[set[str]]) -> list[set[str]]:
    """Joins sets that have something in common."""
    parts: list[set[str]] = []
    for names in sets:
        touching = [part for part in parts if not part.isdisjoint(names)]
        parts = [part for part in parts if part.isdisjoint(names)]
        parts.append(names.union(*touching))
    return parts
