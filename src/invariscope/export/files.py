"""Writes the tidy frame of a run as CSV, Parquet or a table of LaTeX."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.errors import InputError
from invariscope.export.record import Record
from invariscope.files import write_csv, write_file, write_parquet
from invariscope.outside import visible

#: The file of each form, below the run's folder.
NAMES = {"csv": "frame.csv", "parquet": "frame.parquet", "latex": "table.tex"}
#: What stands behind the name of a table of groups of images, beside the file.
GROUPS = "groups"
_STYLE: dict[str, Any] = {"hrules": True, "multicol_align": "c", "position_float": "centering"}


def to_file(
    record: Record,
    form: str,
    path: Path,
    *,
    replace: bool = False,
    caption: str | None = None,
    label: str | None = None,
) -> Path:
    r"""Writes a file, and beside it, where the run has groups of images, ``NAME-groups``.

    Args:
        record: What goes out.
        form: csv, parquet or latex.
        path: The file.
        replace: Whether a file that is there may be replaced.
        caption: Of a LaTeX table; None says model and data.
        label: Likewise, for \ref; None: none.

    Raises:
        InputError: The file is there already, or the record has no table for a paper.
    """
    if path.exists() and not replace:
        raise InputError(f"{path} is there already: give `replace` to write it anew, or `output`")
    if form == "latex":
        write_file(path, latex(record, caption=caption, label=label).encode())
    else:
        write = write_csv if form == "csv" else write_parquet
        write(path, record.table)
        if record.groups is not None:
            write(path.with_name(f"{path.stem}-{GROUPS}{path.suffix}"), record.groups)
    return path


def latex(record: Record, *, caption: str | None = None, label: str | None = None) -> str:
    """A table for a paper: value and 95 % interval, by transformation and metric.

    It needs the package booktabs. All names are escaped.
    """
    table = record.paper
    if table is None or table.empty:
        raise InputError(
            f"{record.title} has no table for a paper (nothing was found): csv and parquet hold "
            "its numbers"
        )
    digits = {column: _digits(table[column]) for column in table.columns}
    body = pd.DataFrame(
        {column: [_cell(cell, digits[column]) for cell in table[column]] for column in digits},
        index=pd.Index([escaped(name) for name in table.index]),
    )
    heads = [tuple(escaped(part) for part in column) for column in table.columns]
    flat = all(len(head) == 1 for head in heads)
    body.columns = pd.Index([h[0] for h in heads]) if flat else pd.MultiIndex.from_tuples(heads)
    body.index.name = escaped(str(table.index.name))
    columns = "l" + "r" * len(table.columns)
    words = escaped(record.title) if caption is None else caption
    note = "; in brackets 95\\,\\% intervals" if caption is None else ""
    head = "% needs \\usepackage{booktabs}\n"
    text = body.style.to_latex(
        column_format=columns, caption=f"{words}{note}.".replace("..", "."), label=label, **_STYLE
    )
    return head + text


def escaped(text: object) -> str:
    """Text as LaTeX shows it, control characters included."""
    table = {c: f"\\{c}" for c in "&%$#{}_"} | {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "°": r"\textdegree{}",
        "×": r"\texttimes{}", "−": r"\textminus{}", "±": r"\textpm{}",
    }  # fmt: skip
    return "".join(table.get(character, character) for character in visible(text))


def _digits(column: pd.Series) -> int:
    """As many decimals as the widest interval leaves meaning; two where that is below 10."""
    widths = [high - low for _, low, high in (c for c in column if c) if math.isfinite(high - low)]
    widest = max(widths, default=0.1)
    if widest <= 0:
        return 2
    # Beside a wide interval another row may be narrow: one decimal made 0.0 [-0.0, 0.0] of it.
    return max(2 if widest < 10 else 0, min(6, 1 - math.floor(math.log10(widest))))


def _cell(cell: Any, digits: int) -> str:
    if not isinstance(cell, tuple) or not math.isfinite(cell[0]):
        return "--"
    value, low, high = (f"{round(number, digits) + 0.0:.{digits}f}" for number in cell)  # no -0.0
    interval = "" if not math.isfinite(cell[1]) else rf" {{\footnotesize $[{low},\,{high}]$}}"
    return f"${value}${interval}"
