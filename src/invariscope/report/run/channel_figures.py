"""Figures of channel measures: bars by part with intervals, histograms of channels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from invariscope.report.kit.look import INK, MODEL, NULL, TWIN, Look, plain, value_axis

BARS = Look(372, 236, left=36, right=8, top=10, bottom=24, text=10.5)
HISTOGRAM = Look(372, 172, left=36, right=8, top=8, bottom=34, text=10.5)
BINS = 30
# Two measures are told apart by colour and by their place: the first always stands on the left.
COLOURS = (MODEL, TWIN)


@dataclass(frozen=True)
class Bars:
    """One measure by part: values, interval ends and nulls, NaN where there is none."""

    values: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    nulls: Sequence[float]


def part_bars(
    parts: Sequence[str], measures: Sequence[Bars], limits: tuple[float, float]
) -> Figure:
    """Bars of one or two measures by part, with 95 % intervals, and the nulls as lines across.

    Args:
        parts: Names of the parts.
        measures: One or two measures with a value for each part.
        limits: Lower and upper end of the axis.
    """
    figure, axes = BARS.figure()
    plain(axes, BARS.text)
    width = 0.72 / len(measures)
    for number, (bars, colour) in enumerate(zip(measures, COLOURS, strict=False)):
        at = np.arange(len(parts)) + (number - (len(measures) - 1) / 2) * width
        values, lows, highs, nulls = (
            np.asarray(ends, dtype=float)
            for ends in (bars.values, bars.lows, bars.highs, bars.nulls)
        )
        known = np.isfinite(values)
        axes.bar(at[known], values[known], width * 0.92, color=colour, lw=0)
        sure = known & np.isfinite(lows) & np.isfinite(highs)
        axes.vlines(at[sure], lows[sure], highs[sure], color=INK, lw=1.4)
        chance = np.isfinite(nulls)
        ends = at[chance] - width * 0.46, at[chance] + width * 0.46
        axes.hlines(nulls[chance], *ends, color=INK, lw=1.6, linestyles="dashed")
    axes.set_xticks(range(len(parts)), list(parts))
    axes.set_xlim(-0.5, len(parts) - 0.5)
    value_axis(axes, limits)
    return figure


def histogram(values: np.ndarray, null: np.ndarray | None, colour: str) -> Figure:
    """Draws how many channels have which correlation, with the null as an outline.

    Args:
        values: Correlations [channel], from -1 to 1; NaN are left out.
        null: Those with another image's maps, or None.
        colour: Of the filled bars.
    """
    figure, axes = HISTOGRAM.figure()
    plain(axes, HISTOGRAM.text)
    known = [np.asarray(own, float) for own in (values, null) if own is not None]
    known = [own[np.isfinite(own)] for own in known]
    low = min([0.0, *(float(own.min()) for own in known if own.size)])
    edges = np.linspace(np.floor(low * 5) / 5, 1.0, BINS + 1)
    for number, own in enumerate(known):
        # Rounding puts what is 1 a hair above it.
        counts, _ = np.histogram(np.clip(own, edges[0], 1.0), edges)
        if number:
            axes.stairs(counts, edges, color=INK, lw=1.3, ls=(0, (2, 1.4)))
        else:
            axes.stairs(counts, edges, fill=True, color=colour, lw=0)
    axes.set_xlim(edges[0] - 0.01, 1.01)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_xlabel("correlation", fontsize=HISTOGRAM.text - 1, color=NULL, labelpad=1)
    return figure
