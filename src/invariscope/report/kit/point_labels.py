"""Writes names beside the points of a figure, each on the side where it covers least."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from invariscope.report.kit.look import INK, Look

_Box = tuple[float, float, float, float]


def name_points(
    axes: Axes, x: np.ndarray, y: np.ndarray, texts: Sequence[str], look: Look, size: float
) -> None:
    """Writes a name beside each point.

    Args:
        axes: Where; with its final limits.
        x: Of each point.
        y: Of each point.
        texts: The names.
        look: The figure's size and margins.
        size: Of the text.
    """
    if not len(x):
        return
    room = (look.width - look.left - look.right, look.height - look.top - look.bottom)
    ends = (axes.get_xlim(), axes.get_ylim())
    at = [
        (values - low) / (high - low) * far
        for values, (low, high), far in zip((x, y), ends, room, strict=True)
    ]
    taken = [(px - 4, py - 4, px + 4, py + 4) for px, py in zip(*at, strict=True)]
    for number, text in enumerate(texts):
        box = (0.56 * size * len(text), 1.15 * size)  # roughly: the page sets the font
        sides = _sides(float(at[0][number]), float(at[1][number]), box)
        others = [*taken[:number], *taken[number + 1 :]]
        best = min(sides, key=lambda side: _covered(side, others, room))
        taken.append(best)
        axes.annotate(
            text, ((best[0] + best[2]) / 2, (best[1] + best[3]) / 2), xycoords="axes points",
            ha="center", va="center", fontsize=size, color=INK,
        )  # fmt: skip


def _sides(x: float, y: float, size: tuple[float, float]) -> list[_Box]:
    """Boxes of a size right of a point, left of it, above, below, and at the four corners."""
    width, height = size
    near, up = 6.0, 5.0 + height / 2
    middles = [(near + width / 2, 0.0), (-near - width / 2, 0.0), (0.0, up), (0.0, -up)]
    middles += [(dx * width / 2, dy) for dy in (up, -up) for dx in (1, -1)]
    return [
        (x + dx - width / 2, y + dy - height / 2, x + dx + width / 2, y + dy + height / 2)
        for dx, dy in middles
    ]


def _covered(box: _Box, others: Sequence[_Box], room: tuple[float, float]) -> float:
    """Computes how much of the other boxes, and of the area outside the room, a box covers.

    Example:
        >>> _covered((0, 0, 4, 2), [(3, 1, 9, 9)], (10, 10)), _covered((8, 0, 12, 2), [], (10, 10))
        (1, 4)
    """
    shared = sum(
        max(0, min(box[2], right) - max(box[0], left))
        * max(0, min(box[3], top) - max(box[1], bottom))
        for left, bottom, right, top in others
    )
    inside = max(0, min(box[2], room[0]) - max(box[0], 0)) * max(
        0, min(box[3], room[1]) - max(box[1], 0)
    )
    return shared + (box[2] - box[0]) * (box[3] - box[1]) - inside
