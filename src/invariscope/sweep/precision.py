"""Adaptive precision: each cell is measured until its interval of the headline is short enough.

The headline is the run's first metric at its headline layer. The question is asked after every
block from the second on, later when there are a sixteenth more, on the blocks in the run's order,
so a run that was interrupted stops where an uninterrupted one does. A cell whose interval is short
enough is left out of the blocks that follow. All intervals of such a run are confidence sequences
(`statistics.sequences`): they hold their values whenever one looks, and so when a cell stops.

Cells that share a number stop together: all of a transformation where a metric is of its orbit or
of its derivative, and all of the run where sums of channels run over the data set.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from invariscope.errors import InputError
from invariscope.metrics import OrbitMetric
from invariscope.results import RowStore
from invariscope.results.estimated import estimated
from invariscope.runs import Run
from invariscope.sweep.block import Setup
from invariscope.sweep.lie import lie_cell
from invariscope.transformations import IDENTITY


def check_precision(precision: float | None) -> None:
    """Raises an `InputError` unless the wanted half-width is a number from above 0 to 1."""
    if precision is not None and not 0 < precision <= 1:
        raise InputError(
            f"precision must be above 0 and at most 1, not {precision:g}: it is the half-width of "
            "the 95 % intervals, such as 0.02"
        )


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


class Stopping:
    """Decides which cells are measured in which block.

    Args:
        setup: All cells.
        precision: The half-width that is enough.

    Attributes:
        stopped: How many blocks each cell that has stopped was measured in.
    """

    def __init__(self, setup: Setup, precision: float):
        self._setup, self._precision = setup, precision
        self._open = _units(setup)
        self._looked = 0
        self._left: dict[int, Setup] = {}
        self.stopped: dict[str, int] = {}

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
            wide = self._look(run, count)
            if not wide:
                return self._reason(run, measured)
        return ""

    def _look(self, run: Run, count: int) -> bool:
        """Stops cells by what the first blocks show; says whether any interval is too wide."""
        widths = self._half_widths(run, self._first(run, count))
        still = []
        for unit in self._open:
            own = [widths[name] for name in unit.names if name in widths]
            if own and max(own) <= self._precision:
                self.stopped.update(dict.fromkeys(sorted(unit.cells), count))
            else:
                still.append(unit)
        self._open = still
        wide = [unit for unit in still if not unit.names.isdisjoint(widths)]
        return bool(wide) or not widths

    def _first(self, run: Run, count: int) -> RowStore:
        return RowStore(run.rows, range(count), run.identity)

    def _half_widths(self, run: Run, store: RowStore) -> dict[str, float]:
        """The half-width of each cell's interval of the headline, where it has one."""
        metric = self._setup.metrics[0].name
        having = [layer for layer in store.layers() if (metric, "") in store.series(layer)]
        if not having:
            return {}
        layer = "embedding" if "embedding" in having else having[-1]
        (series,) = store.dense(layer, only=[(metric, "")])
        made = estimated(series.values, series.weights, series.cells, run.manifest, metric)
        low, high = made.interval(seed=run.manifest["settings"]["seed"])
        known = zip(series.cells, (high - low) / 2, made.n, strict=True)
        return {cell: float(half) for cell, half, n in known if n > 1}

    def _reason(self, run: Run, measured: int) -> str:
        """Says that the run may stop, after how many images, and how wide intervals are."""
        store = self._first(run, measured)
        images, widest = len(store.images), max(self._half_widths(run, store).values())
        first = min(self.stopped.values(), default=measured)
        earlier = ""
        if first < measured:
            early = sum(blocks < measured for blocks in self.stopped.values())
            earlier = f", {early} of {len(self.stopped)} cells earlier"
        return f"stopped after {images} images{earlier}: intervals are within ±{widest:.3g}"


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
