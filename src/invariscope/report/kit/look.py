"""How figures look: colours, margins, and the settings under which they become SVG.

Everything is drawn on `matplotlib.figure.Figure` objects; pyplot's global state is never touched.
Colours are those of Okabe and Ito, and every curve also has a line style or marker of its own.
"""

from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# The light theme's colours; `svg.inline` swaps them for the page's CSS variables.
MODEL, TWIN, FLOOR, KEPT = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
NULL, INK, FAINT = "#6b7280", "#1f2933", "#d8dee6"
SKY, AMBER, VIOLET = "#56b4e9", "#e69f00", "#6a3d9a"

# Below this the axis stops: ratios with a small denominator would flatten every other curve.
LOWEST = -1.0


@dataclass(frozen=True)
class Look:
    """Where a panel stands: its size in points, its axes' margins, the size of its text."""

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


def without_usetex() -> Any:
    """The settings under which figures become SVG: text stays text, names stay fixed."""
    return matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "invariscope", "text.usetex": False,
         "text.parse_math": False}
    )  # fmt: skip
