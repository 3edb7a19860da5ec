"""Sets the look of figures: colours, margins, and the settings under which they become SVG.

Everything is drawn on `matplotlib.figure.Figure` objects; pyplot's global state is never touched.
Colours are those of Okabe and Ito, and every curve also has a line style or marker of its own.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# The light theme's colours; `svg.inline` swaps them for the page's CSS variables.
MODEL, TWIN, FLOOR, KEPT = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
NULL, INK, FAINT = "#6b7280", "#1f2933", "#d8dee6"
SKY, AMBER, VIOLET = "#56b4e9", "#e69f00", "#6a3d9a"

# Below this the axis stops: ratios with a small denominator would flatten every other curve.
LOWEST = -1.0


@dataclass(frozen=True)
class Look:
    """The look of a panel: its size in points, its axes' margins, the size of its text."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    text: float
    ticks: bool = True

    def figure(self) -> tuple[Figure, Axes]:
        """An empty figure with axes at exactly these margins."""
        figure = Figure(figsize=(self.width / 72, self.height / 72))
        figure.patch.set_visible(False)
        axes = figure.add_axes(
            (
                self.left / self.width,
                self.bottom / self.height,
                (self.width - self.left - self.right) / self.width,
                (self.height - self.top - self.bottom) / self.height,
            )
        )
        return figure, axes


def plain(axes: Axes, text: float, grid: Literal["x", "y", "both"] = "y") -> None:
    """Leaves of the axes what is read: labels and a faint grid, neither frame nor tick marks."""
    for side in axes.spines.values():
        side.set_visible(False)
    axes.patch.set_visible(False)
    axes.grid(axis=grid, color=FAINT, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=text - 0.5, labelcolor=INK, pad=4, which="both")


def value_axis(axes: Axes, limits: tuple[float, float]) -> None:
    """A vertical axis with a line at 0; on a scale that ends at 1 ticks stand at quarters."""
    axes.set_ylim(*limits)
    axes.axhline(0, color=NULL, lw=0.9)
    if 1.0 <= limits[1] < 1.6 and limits[0] >= -1.5:
        low = math.ceil(limits[0] * 2) / 2
        axes.set_yticks(np.arange(low, 1.01, 0.5 if limits[0] < -0.3 else 0.25))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))


def single_values(
    axes: Axes, values: np.ndarray, row: float, colour: str, half: float = 0.24, alpha: float = 0.62
) -> None:
    """A short vertical line in a row for each value: one path, however many there are."""
    x = np.repeat(np.sort(values), 3)
    y = np.tile([row - half, row + half, np.nan], len(values))
    axes.plot(x, y, color=colour, lw=1, alpha=alpha)


def without_usetex() -> Any:
    """The settings under which figures become SVG: text stays text, names stay fixed."""
    return matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "invariscope", "text.usetex": False,
         "text.parse_math": False}
    )  # fmt: skip
