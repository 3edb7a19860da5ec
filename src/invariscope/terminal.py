"""Tables and paragraphs for terminals, by rich: at most 80 columns, colour only where it is shown.

Square brackets are no markup here, and control characters are visible (`outside`), whatever stands
in names. A name that does not fit into its column goes on in the next line; of a very long one the
middle is left out. Other files take rich's `Table` from here.
"""

import io
import math
import random
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

from invariscope.outside import shortened, visible

_drawn = random.getstate()  # the caller's: rich draws from it as it is imported
from rich.console import Console, RenderableType  # noqa: E402
from rich.table import Table  # noqa: E402
from rich.text import Text  # noqa: E402

random.setstate(_drawn)
WIDTH = 80
_LONGEST = 96  # characters of a cell


class Terminal(Console):
    """A console that takes text as it is.

    Args:
        file: Where to write, 80 columns wide; standard output by default.
        stderr: Writes to standard error instead.
    """

    def __init__(self, file: io.StringIO | None = None, *, stderr: bool = False):
        width = WIDTH if file else min(WIDTH, shutil.get_terminal_size().columns)
        super().__init__(
            file=file, stderr=stderr, width=width, highlight=False, markup=False, emoji=False
        )

    def shown(self, text: str) -> str:
        """The characters that are shown for a text; line breaks stay."""
        return visible(text, lines=True)

    def render_str(self, text: str, **how: Any) -> Text:
        """Makes whatever is printed as a string the text that is shown."""
        return super().render_str(self.shown(text), **how)

    def status(self, status: RenderableType, **how: Any):
        """Shows a line with a spinner as long as something goes on."""
        return super().status(Text(visible(status)), **how)

    def say(self, text: str, *, style: str = "") -> None:
        """Writes a paragraph."""
        self.print(visible(text), style=style)

    def unbroken(self, text: str, *, style: str = "") -> None:
        """Writes a line that is never broken, such as a path to copy."""
        self.print(visible(text), style=style, soft_wrap=True)

    def block(self, text: str) -> None:
        """Writes several lines as they are."""
        self.print(text, soft_wrap=True)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> Table:
    """Makes a table.

    Args:
        columns: The headings. One that begins with ">" is a column of numbers, aligned to the
            right and never broken; one with "<" is never broken either; the others are names.
        rows: The cells of each row.
        title: A line above the table.
    """
    grid = Table(
        title=None if title is None else visible(title), title_justify="left", box=None,
        pad_edge=False,
    )  # fmt: skip
    for column in columns:
        whole = column[:1] in (">", "<")
        grid.add_column(
            visible(column[1:] if whole else column),
            justify="right" if column[:1] == ">" else "left",
            no_wrap=whole,
            overflow="ellipsis" if whole else "fold",
        )
    for row in rows:
        grid.add_row(*(shortened(visible(cell), _LONGEST) for cell in row))
    return grid


def paragraphs(facts: Iterable[tuple[str, str]], indent: int) -> Table:
    """Lists names, and beside each a paragraph that begins `indent` columns from the left."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=indent - 1, overflow="fold")
    grid.add_column(overflow="fold")
    for name, text in facts:
        grid.add_row(visible(name), visible(text))
    return grid


def rendered(*blocks: RenderableType) -> str:
    """Renders blocks as plain text of 80 columns, without colour; a string is a paragraph."""
    with io.StringIO() as file:
        terminal = Terminal(file)
        for block in blocks:
            terminal.print(visible(block) if isinstance(block, str) else block)
        return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def short(number: float, sign: str = "", digits: int = 3) -> str:
    """Writes three decimals, fewer for large numbers; a dash where there is none.

    Example:
        >>> short(0.12345), short(-1234.5), short(float("nan"))
        ('0.123', '-1234', '–')
    """
    if math.isnan(number):
        return "–"
    whole = len(f"{abs(number):.0f}")
    text = f"{number:{sign}.{max(0, min(digits, digits + 1 - whole))}f}"
    return text.replace("-", sign) if float(text) == 0 else text


def interval(value: float, low: float, high: float, *, sign: str = "", digits: int = 3) -> str:
    """Writes a number with its interval, where it has one."""
    if math.isnan(low) or math.isnan(high):
        return short(value, sign, digits)
    middle, first, last = (short(number, sign, digits) for number in (value, low, high))
    return f"{middle} [{first}, {last}]"
