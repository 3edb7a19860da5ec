r"""Text from outside (names of files, classes, layers and models) is text wherever it is shown.

A terminal must not carry out the escape sequences of a name, and a spreadsheet must not take a
name for a formula. Pages escape what they show (`report`); terminals, tables in CSV files and
trackers show it by the rules here.

**Terminals.** Control characters, line breaks, characters that turn the direction of writing and
bytes that are no text are shown as Python writes them: ``\x1b``, ``\n``, ``\u202e``.

**CSV files.** Programs that open them run a cell that begins with ``= + - @``, a tab or a carriage
return. Such a cell is written with an apostrophe in front, unless it is a number; so is one that
begins with apostrophes and such a character, so that reading takes exactly one apostrophe away and
gives back what was written.

**Trackers.** MLflow refuses names with other characters than letters, digits and ``_ - . : /``,
W&B has its own; a slash groups charts. All other characters become ``_``, and a name is shortened
to what a tracker takes.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
_JOINERS = "\u200c\u200d"  # between letters of some scripts; they are not printable to Python
_UNTRACKED = re.compile(r"[^A-Za-z0-9_.\-]+")
_LONGEST_PART = 56  # MLflow takes 250 characters, of four parts at most
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def visible(text: object, *, lines: bool = False) -> str:
    r"""Shows text in one line of characters that a terminal only draws.

    Args:
        text: Any text.
        lines: Whether line breaks stay as they are.

    Example:
        >>> print(visible("\x1b[31mred\nname"))
        \x1b[31mred\nname
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or (c.isspace() and c > "\x9f" and c not in "\u2028\u2029")
        or c in _JOINERS or (lines and c == "\n")
        else c.encode("unicode_escape").decode()
        for c in text
    )  # fmt: skip


def shortened(text: str, width: int) -> str:
    """The text, with its middle left out where it is too long.

    Example:
        >>> shortened("timm:vit_small_patch16_224+untrained", 20)
        'timm:vit_s…untrained'
    """
    if len(text) <= width:
        return text
    back = (width - 1) // 2
    return f"{text[: width - 1 - back]}…{text[len(text) - back :]}"


def tracker_name(*parts: str) -> str:
    """Writes a name that every tracker takes; a slash joins the parts.

    Example:
        >>> tracker_name("relative_invariance:l2", "shift(1..32)", "blocks.3")
        'relative_invariance_l2/shift_1..32/blocks.3'
    """
    return "/".join(_tracked(part) for part in parts)


def tracker_names(names: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Names for trackers, by the true ones; where two would be alike, the later gets a number.

    Example:
        >>> tracker_names([("a", "rotate=5"), ("a", "rotate(5)")])
        {('a', 'rotate=5'): 'a/rotate_5', ('a', 'rotate(5)'): 'a/rotate_5-2'}
    """
    found: dict[tuple[str, ...], str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        plain = shown = tracker_name(*name)
        count = 2
        while shown in taken:
            shown, count = f"{plain}-{count}", count + 1
        taken.add(shown)
        found[name] = shown
    return found


def _tracked(part: str) -> str:
    text = _UNTRACKED.sub("_", part).rstrip("_") or "_"
    if len(text) > _LONGEST_PART:  # the beginning may be that of another name as well
        digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()
        text = f"{text[: _LONGEST_PART - 9]}-{digest[:8]}"
    return "_" if set(text) == {"."} else text


def to_cell(value: T) -> T | str:
    """Marks a text that a spreadsheet would run as text, with an apostrophe in front.

    Example:
        >>> [to_cell(value) for value in ("=1+1", "cat", "-1", -1, "'@x")]
        ["'=1+1", 'cat', '-1', -1, "''@x"]
    """
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def from_cell(value: T) -> T | str:
    """Gives back what `to_cell` took.

    Example:
        >>> [from_cell(to_cell(value)) for value in ("=1+1", "cat", "-1", -1, "'@x")]
        ['=1+1', 'cat', '-1', -1, "'@x"]
    """
    marked = isinstance(value, str) and value[:1] == "'" and _FORMULA.match(value)
    return value[1:] if isinstance(value, str) and marked else value


def to_cells(table: "pd.DataFrame") -> "pd.DataFrame":
    """Applies `to_cell` to the headings and to every text of a table."""
    return _each(table, to_cell)


def from_cells(table: "pd.DataFrame") -> "pd.DataFrame":
    """Applies `from_cell` to the headings and to every text of a table."""
    return _each(table, from_cell)


def _each(table: "pd.DataFrame", form) -> "pd.DataFrame":
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    texts = {
        str(name): column.map(form, na_action="ignore")
        for name, column in table.items()
        if not is_numeric_dtype(column) and not is_bool_dtype(column)
    }
    return table.assign(**texts).rename(columns=form)
