"""An improvement in the terminal: before, what was done and why, after, what it cost."""

from collections.abc import Iterator

from invariscope.gate.verdict import RuleFinding
from invariscope.improving.improvement import Improvement
from invariscope.report.gate.text import blocks as verdict_blocks
from invariscope.report.gate.words import MARKS, cell_name, number
from invariscope.report.improve.words import (
    accuracy_words,
    class_names,
    last_cells,
    lead,
    of_data,
    place,
    tuning_words,
    why,
)
from invariscope.terminal import Table, rendered, table


def improvement_text(found: Improvement) -> str:
    """Renders an improvement in 80 columns."""
    return rendered(*blocks(found))


def blocks(found: Improvement) -> Iterator[str | Table]:
    """Yields what is shown, one after the other."""
    yield found.subject
    yield found.split
    yield ""
    if found.after is None or found.accuracy is None:
        yield lead(found)
        yield ""
        yield from list(verdict_blocks(found.before))[1:]
        return
    names = class_names(found)
    yield "augmented with:"
    for one in found.ingredients:
        yield f"  {one.transformation.name} up to {one.farthest}: {why(found, one, names)}"
        if of_data(found, one):
            yield f"    in the data: {of_data(found, one)}"
    yield tuning_words(found)
    for before, after in zip(found.before.rules, found.after.rules, strict=True):
        yield ""
        yield f"{MARKS[after.outcome]} {after.outcome}: {after.title} (before: {before.outcome})"
        yield table(("cell", ">before, 95 % interval", ">after", ">n"), _rows(before, after))
        if after.remedy:
            yield after.remedy
    yield ""
    yield accuracy_words(found.accuracy)
    if found.reasons:
        yield ""
        yield "not there yet:" if found.outcome == "not improved" else "undecided:"
        yield from (f"  {line}" for line in found.reasons)
    yield from (f"note: {line}" for line in dict.fromkeys([*found.notes, *found.after.notes]))


def _rows(before: RuleFinding, after: RuleFinding) -> Iterator[tuple[object, ...]]:
    known = {place(cell): cell for cell in before.cells}
    for cell in last_cells(after):
        own = known.get(place(cell))
        yield cell_name(cell, after), "–" if own is None else number(own), number(cell), cell.n
