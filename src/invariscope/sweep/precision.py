"""Adaptive precision: each cell is measured until its interval of the headline is short enough.

The headline is the run's first metric at its headline layer. `sweep.stopping` says when one looks,
and which cells stop together.
"""

from invariscope.errors import InputError
from invariscope.results import RowStore
from invariscope.results.estimated import estimated
from invariscope.runs import Run
from invariscope.sweep.setup import Setup
from invariscope.sweep.stopping import Stopping


def check_precision(precision: float | None) -> None:
    """Raises an `InputError` unless the wanted half-width is a number from above 0 to 1."""
    if precision is not None and not 0 < precision <= 1:
        raise InputError(
            f"precision must be above 0 and at most 1, not {precision:g}: it is the half-width of "
            "the 95 % intervals, such as 0.02"
        )


class ShortIntervals(Stopping):
    """Stops cells whose intervals are short enough.

    Args:
        setup: All cells.
        precision: The half-width that is enough.
    """

    def __init__(self, setup: Setup, precision: float):
        super().__init__(setup)
        self._precision = precision

    def still(self, run: Run, store: RowStore) -> dict[str, bool]:
        """Says of each cell whether its interval is too wide."""
        widths = self._half_widths(run, store)
        return {cell: not width <= self._precision for cell, width in widths.items()}

    def reason(self, run: Run, measured: int) -> str:
        """Says that the run may stop, after how many images, and how wide intervals are."""
        store = self.first(run, measured)
        images, widest = len(store.images), max(self._half_widths(run, store).values())
        first = min(self.stopped.values(), default=measured)
        earlier = ""
        if first < measured:
            early = sum(blocks < measured for blocks in self.stopped.values())
            earlier = f", {early} of {len(self.stopped)} cells earlier"
        return f"stopped after {images} images{earlier}: intervals are within ±{widest:.3g}"

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
