"""A verdict in the terminal: each rule, the cells that decided it, and by how much."""

from collections.abc import Iterator

from invariscope.gate.verdict import RuleFinding, Verdict
from invariscope.report.gate.words import MARKS, cell_name, headline, notes, number, slack
from invariscope.terminal import Table, rendered, table

#: Cells that are listed of a rule that failed or is undecided, and of one that held.
LISTED = 12
LISTED_OF_HELD = 1
_ORDER = ("failed", "undecided", "held")
_COLUMNS = ("cell", ">value, 95 % interval", ">n", ">by")


def gate_text(verdict: Verdict) -> str:
    """Renders a verdict in 80 columns."""
    return rendered(*blocks(verdict))


def blocks(verdict: Verdict) -> Iterator[str | Table]:
    """Yields what is shown, one after the other."""
    yield headline(verdict)
    for rule in sorted(verdict.rules, key=lambda rule: _ORDER.index(rule.outcome)):
        yield ""
        yield f"{MARKS[rule.outcome]} {rule.outcome}: {_title(rule)}"
        cells = rule.worst
        shown = cells[: LISTED_OF_HELD if rule.outcome == "held" else LISTED]
        rows = [(cell_name(cell, rule), number(cell), cell.n, slack(cell)) for cell in shown]
        yield table(_COLUMNS, rows)
        more = said_of_others(rule, len(shown))
        if more:
            yield more
        if rule.remedy:
            yield rule.remedy
    lines = notes(verdict)
    if lines:
        yield ""
    yield from (f"note: {line}" for line in lines)


def said_of_others(rule: RuleFinding, shown: int) -> str:
    """Says how the cells of a rule ended that are not listed."""
    ends = [cell.outcome for cell in rule.cells]
    parts = []
    for end in MARKS:
        left = ends.count(end) - (shown if end == rule.outcome else 0)
        if left:
            parts.append(f"{left} more {end}" if end == rule.outcome else f"{left} {end}")
    if not parts:
        return ""
    return f"and {', '.join(parts)}" + (", with more room" if rule.outcome == "held" else "")


def _title(rule: RuleFinding) -> str:
    return rule.title if rule.title == rule.text else f"{rule.title} ({rule.text})"
