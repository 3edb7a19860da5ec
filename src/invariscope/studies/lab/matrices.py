"""A figure of a matrix: a number in each field, the larger the darker."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle

from invariscope.report.kit.look import INK, MODEL, Look
from invariscope.studies.lab.figures import figure_of
from invariscope.studies.lab.findings import Figure

_WIDE = 760.0
_TEXT = 10.5
_FIELD = {True: 30.0, False: 25.0}
_DARKEST = 0.62


def matrix(
    title: str,
    caption: str,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    row_label: str,
    column_label: str,
    digits: int = 2,
) -> Figure:
    """A number for each pair of a row and a column.

    Args:
        title: A few words.
        caption: How to read it, and what stands out.
        values: [row, column]; NaN leaves a field empty.
        rows: Names of the rows, top to bottom.
        columns: Names of the columns.
        row_label: What the rows are.
        column_label: What the columns are.
        digits: After the point.

    Raises:
        ValueError: Not one name for each row and column.

    Example:
        >>> figure = matrix("Accuracy", "One is best.", np.eye(2), "ab", "cd",
        ...                row_label="trained on", column_label="tested on")
        >>> figure.svg.count("<svg ")
        2
    """
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(rows), len(columns)):
        raise ValueError(f"{values.shape} values for {len(rows)} rows, {len(columns)} columns")
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)

    def draw(width: float) -> Drawing:
        wide = width >= _WIDE
        left = 34 + 5.6 * min(max(map(len, rows), default=1), 30 if wide else 15)
        broken = [name.replace(" ", "\n") for name in columns]
        lines = 1 + max((name.count("\n") for name in broken), default=0)
        below = 28 + (12 * lines if wide else 5.2 * max(map(len, columns), default=1))
        height = _FIELD[wide] * len(rows)
        look = Look(width, height + below + 12, left, 12, 12, below, _TEXT - (0 if wide else 2))
        figure, axes = look.figure()
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                _field(axes, row, column, value, (low, high), digits, look.text)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [_cut(name, 30 if wide else 15) for name in rows])
        axes.set_xticks(
            range(len(columns)), broken if wide else columns, rotation=0 if wide else 90
        )
        _plain(axes, look.text)
        axes.set_xlabel(column_label, fontsize=look.text, color=INK)
        axes.set_ylabel(row_label, fontsize=look.text, color=INK)
        return figure

    label = "; ".join(
        f"{name}: " + ", ".join("–" if not np.isfinite(v) else f"{v:.{digits}f}" for v in row)
        for name, row in zip(rows, values, strict=True)
    )
    return figure_of(title, caption, draw, label)


def _field(
    axes: Axes,
    row: int,
    column: int,
    value: float,
    ends: tuple[float, float],
    digits: int,
    text: float,
) -> None:
    share = (value - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5
    corner = (column - 0.48, row - 0.46)
    shade = Rectangle(corner, 0.96, 0.92, color=MODEL, alpha=_DARKEST * float(share), lw=0)
    axes.add_patch(shade)
    axes.text(
        column, row, f"{value:.{digits}f}", ha="center", va="center", fontsize=text, color=INK
    )


def _plain(axes: Axes, text: float) -> None:
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelsize=text - 0.5, labelcolor=INK)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
