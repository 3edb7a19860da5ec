"""Adaptive precision: measure blocks until every interval of the headline is short enough.

The headline is the run's first metric at its headline layer. The question is asked after 1, 2, 4,
8, 16, 24, … blocks, on the blocks in the run's order, so a run that was interrupted stops where an
uninterrupted one does. All intervals of such a run are confidence sequences
(`statistics.sequences`): they hold their values whenever one looks, and so when it stops.
"""

from collections.abc import Mapping
from typing import Any

from invariscope.errors import InputError
from invariscope.results import RowStore
from invariscope.results.estimated import estimated


def check_precision(precision: float | None) -> None:
    """Raises an `InputError` unless the wanted half-width is a positive number."""
    if precision is not None and not precision > 0:
        raise InputError(
            f"precision must be above 0, not {precision}: it is the half-width of the 95 % "
            "intervals, such as 0.02"
        )


def is_time_to_look(blocks: int) -> bool:
    """After 1, 2, 4, 8, 16, 24, 32, … blocks.

    Example:
        >>> [count for count in range(30) if is_time_to_look(count)]
        [1, 2, 4, 8, 16, 24]
    """
    return blocks > 0 and (blocks & (blocks - 1) == 0 or blocks % 8 == 0)


def widest(store: RowStore, metric: str, manifest: Mapping[str, Any]) -> float:
    """The largest half-width of the headline's 95 % intervals; infinite where none is known."""
    having = [layer for layer in store.layers() if (metric, "") in store.series(layer)]
    if not having:
        return float("inf")
    layer = "embedding" if "embedding" in having else having[-1]
    (series,) = store.dense(layer, only=[(metric, "")])
    made = estimated(series.values, series.weights, series.cells, manifest, metric)
    low, high = made.interval(seed=manifest["settings"]["seed"])
    widths = (high - low)[made.n > 1] / 2
    return float(widths.max()) if len(widths) else float("inf")
