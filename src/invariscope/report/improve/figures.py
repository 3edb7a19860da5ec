"""Draws a rule's metric over the rule's levels, before and after, with what the rule asks for."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from invariscope.gate.verdict import CellFinding, RuleFinding
from invariscope.report.improve.words import last_cells
from invariscope.report.kit.look import INK, MODEL, TWIN, Look, plain

PANEL = Look(372, 250, left=44, right=16, top=14, bottom=38, text=10.5)
_ROOM = 0.08


def curves_of(
    before: RuleFinding, after: RuleFinding
) -> tuple[list[CellFinding], list[CellFinding]]:
    """The cells that are drawn: of the layer and the class where the rule was worst before."""
    worst = min(before.cells, key=lambda cell: cell.slack if cell.slack == cell.slack else 0.0)
    place = worst.layer, worst.class_name

    def own(rule: RuleFinding) -> list[CellFinding]:
        return [cell for cell in last_cells(rule) if (cell.layer, cell.class_name) == place]

    return own(before), own(after)


def before_and_after(before: Sequence[CellFinding], after: Sequence[CellFinding]) -> Figure:
    """A panel: both curves with their intervals, and the threshold."""
    figure, axes = PANEL.figure()
    threshold = after[0].threshold
    places = np.arange(len(after))
    order = {cell.cell: k for k, cell in enumerate(after)}
    ends = [threshold]
    for cells, colour, mark, style, shift in (
        (before, TWIN, "s", "--", -0.05), (after, MODEL, "o", "-", 0.05),
    ):  # fmt: skip
        known = [cell for cell in cells if cell.cell in order]
        x = np.array([order[cell.cell] for cell in known]) + shift
        values, low, high = (
            np.array([getattr(cell, name) for cell in known]) for name in ("value", "low", "high")
        )
        axes.plot(x, values, style, color=colour, lw=1.8, marker=mark, ms=5.5)
        axes.vlines(x, low, high, color=colour, lw=1.6, alpha=0.75)
        ends += [*low[np.isfinite(low)], *high[np.isfinite(high)], *values[np.isfinite(values)]]
    axes.axhline(threshold, color=INK, lw=1.1, linestyle=":")
    side = ">=" if after[0].at_least else "<="
    axes.annotate(
        f"{side} {threshold:g}".replace(">=", "≥").replace("<=", "≤"), (0.01, threshold),
        xycoords=("axes fraction", "data"), ha="left", va="bottom", fontsize=PANEL.text, color=INK,
    )  # fmt: skip
    low, high = min(ends), max(ends)
    room = max(_ROOM * (high - low), 0.005)
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(-0.4, len(after) - 0.6)
    axes.set_xticks(places, [cell.shown for cell in after])
    plain(axes, PANEL.text)
    return figure
