"""Draws foregrounds: the centres of their boxes, their sizes, and both by class.

Drawn on `matplotlib.figure.Figure` objects in the report's colours, so that
`invariscope.report.kit.svg.inline` can embed them in a page.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from invariscope.files import write_file
from invariscope.foregrounds.result import Foregrounds
from invariscope.foregrounds.spread import EVERY
from invariscope.outside import shortened
from invariscope.report.kit import svg
from invariscope.report.kit.look import INK, MODEL, NULL, TWIN, Look, plain

CENTRES = Look(312, 304, left=42, right=14, top=10, bottom=38, text=10.5)
AREAS = Look(420, 230, left=44, right=22, top=10, bottom=40, text=10.5)
_ROW = 17
MOST_CLASSES = 40
_CELLS = 16
_TICKS = (0.01, 0.03, 0.1, 0.3, 1.0)


def centres(foregrounds: Foregrounds) -> Figure:
    """A heat map of the boxes' centres in the frame, with the mean box: x right, y down."""
    figure, axes = CENTRES.figure()
    table = foregrounds.images.dropna(subset=["x"])
    edges = np.linspace(0, 1, _CELLS + 1)
    counts, _, _ = np.histogram2d(table["y"], table["x"], bins=(edges, edges))
    corners, shades = [], []
    for row, column in zip(*np.nonzero(counts), strict=True):
        left, right, top, bottom = edges[column], edges[column + 1], edges[row], edges[row + 1]
        corners.append([(left, top), (right, top), (right, bottom), (left, bottom)])
        shades.append(0.12 + 0.88 * counts[row, column] / counts.max())
    # one colour in shades of opacity: the page can swap the colour for its dark theme's
    axes.add_collection(
        PolyCollection(corners, facecolors=[(MODEL, shade) for shade in shades], lw=0)
    )
    names = ("x", "y", "width", "height")
    x, y, width, height = (foregrounds.overall(name)["mean"] for name in names)
    around = [
        (x + h * width / 2, y + v * height / 2) for h, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    axes.add_collection(PolyCollection([around], facecolors="none", edgecolors=TWIN, lw=1.6))
    axes.plot([x], [y], "+", color=TWIN, ms=9, mew=1.6)
    axes.set_xlim(0, 1)
    axes.set_ylim(1, 0)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_xlabel("x of the centre, to the right", fontsize=CENTRES.text, color=INK)
    axes.set_ylabel("y, down", fontsize=CENTRES.text, color=INK)
    plain(axes, CENTRES.text)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(NULL)
    return figure


def areas(foregrounds: Foregrounds) -> Figure:
    """A histogram of the share of the image that boxes cover, on a logarithmic axis."""
    figure, axes = AREAS.figure()
    values = foregrounds.images["area"].dropna().to_numpy(dtype=float)
    low = min(float(values.min()), 0.01)
    edges = np.geomspace(low * 0.999, 1.0, 25)
    counts, _ = np.histogram(values, bins=edges)
    shares = counts / len(values)
    axes.bar(edges[:-1], shares, np.diff(edges), align="edge", color=MODEL, alpha=0.75, lw=0)
    row = foregrounds.overall("area")
    for name, style in (("q05", ":"), ("q50", "-"), ("q95", ":")):
        axes.axvline(row[name], color=TWIN, lw=1.4, linestyle=style)
    axes.set_xscale("log")
    axes.set_xlim(low, 1)
    axes.set_ylim(0, float(shares.max()) * 1.1)
    _log_ticks(axes)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel("box, share of the image (lines: 5, 50, 95 %)", fontsize=AREAS.text, color=INK)
    plain(axes, AREAS.text)
    return figure


def classes(foregrounds: Foregrounds, names: Sequence[str] | None = None) -> Figure | None:
    """A strip for each class: the share of the image that each box covers, and their median.

    Args:
        foregrounds: What was measured.
        names: The classes; None: all, or of more than `MOST_CLASSES` as many, evenly through the
            order of their medians.

    Returns:
        The figure, smallest median on top; None where no class is known.
    """
    medians = foregrounds.summary[
        (foregrounds.summary["measure"] == "area") & (foregrounds.summary["class"] != EVERY)
        & (foregrounds.summary["n"] > 0)
    ].set_index("class")["q50"].sort_values(kind="stable")  # fmt: skip
    if names is not None:
        medians = medians[medians.index.isin(names)]
    if medians.empty:
        return None
    if names is None and len(medians) > MOST_CLASSES:
        medians = medians.iloc[np.linspace(0, len(medians) - 1, MOST_CLASSES).round().astype(int)]
    height = _ROW * len(medians) + 50
    look = Look(420, height, left=128, right=22, top=6, bottom=40, text=10.5)
    figure, axes = look.figure()
    boxes = foregrounds.images.dropna(subset=["area"])
    smallest = 1.0
    for at, (name, median) in enumerate(medians.items()):
        values = boxes.loc[boxes["class"] == name, "area"].to_numpy(dtype=float)
        smallest = min(smallest, float(values.min()))
        axes.plot(values, np.full(len(values), at), "o", color=MODEL, ms=3.2, alpha=0.45, mew=0)
        axes.vlines(median, at - 0.36, at + 0.36, color=TWIN, lw=2)
    axes.set_xscale("log")
    axes.set_xlim(min(smallest * 0.9, 0.01), 1)
    _log_ticks(axes)
    axes.set_ylim(len(medians) - 0.4, -0.6)
    axes.set_yticks(range(len(medians)), [shortened(str(name), 20) for name in medians.index])
    axes.set_xlabel("box, share of the image (line: median)", fontsize=look.text, color=INK)
    plain(axes, look.text, "both")
    return figure


def write_figures(foregrounds: Foregrounds, folder: Path) -> list[Path]:
    """Writes centres.svg, areas.svg and, where classes are known, classes.svg.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    written = []
    for draw in (centres, areas, classes):
        name, figure = draw.__name__, draw(foregrounds)
        if figure is None:
            continue
        write_file(folder / f"{name}.svg", svg.drawn(figure, "Date").encode())
        written.append(folder / f"{name}.svg")
    return written


def _log_ticks(axes: Axes) -> None:
    low = axes.get_xlim()[0]
    ticks = [tick for tick in (0.0001, 0.001, 0.003, *_TICKS) if tick >= low]
    axes.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    axes.set_xticks([], minor=True)
