"""The words that every form of a verdict shares."""

import math

from invariscope.gate.verdict import CellFinding, Outcome, RuleFinding, Verdict
from invariscope.report.kit.words import counted
from invariscope.terminal import interval, short

MARKS: dict[Outcome, str] = {"held": "✓", "failed": "✗", "undecided": "?"}


def cell_name(cell: CellFinding, rule: RuleFinding) -> str:
    """What a cell is called: its level, and what else tells it from the rule's other cells."""
    name = f"{cell.transformation} {cell.shown}"
    if len({other.metric for other in rule.cells}) > 1:
        name += f", {cell.metric}"
    if len({other.layer for other in rule.cells}) > 1 or cell.layer not in ("embedding", "logits"):
        name += f" at {cell.layer}"
    return name + (f" for {cell.class_name}" if cell.class_name is not None else "")


def number(cell: CellFinding) -> str:
    """Its value with the 95 % interval."""
    if cell.n == 0:
        return "no value"
    return interval(cell.value, cell.low, cell.high)


def slack(cell: CellFinding) -> str:
    """By how much it is on the right side, or on the wrong one (-)."""
    return short(cell.slack, "+")


def said(cell: CellFinding, rule: RuleFinding) -> str:
    """A cell in a sentence: its name, its value, by how much.

    Example:
        >>> cell = CellFinding("m", "rotate", 1, "±15°", "embedding", None, "rotate=±15",
        ...                    0.7, 0.65, 0.75, 64, 0, 0.8, True, "failed")
        >>> said(cell, RuleFinding("r", "r", (cell,)))
        'rotate ±15°: 0.700 [0.650, 0.750], 0.100 below 0.8 (n = 64)'
    """
    text = f"{cell_name(cell, rule)}: {number(cell)}"
    if math.isnan(cell.slack):
        return text
    side = "below" if cell.value < cell.threshold else "above"
    gap = short(abs(cell.slack))
    return f"{text}, {gap} {side} {cell.threshold:g} (n = {cell.n})"


def headline(verdict: Verdict) -> str:
    """What was checked, on how many images, and how many rules ended how."""
    ends = [rule.outcome for rule in verdict.rules]
    parts = [f"{ends.count(end)} {end}" for end in MARKS if end in ends]
    return f"{verdict.subject}, {counted(verdict.images, 'image')}: {', '.join(parts)}"


def notes(verdict: Verdict) -> list[str]:
    """What a reader must know: of the whole, then of each rule."""
    of_rules = [f"{rule.title}: {note}" for rule in verdict.rules for note in rule.notes]
    return [*verdict.notes, *of_rules]
