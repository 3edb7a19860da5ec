"""What a check found: a finding for each cell, an outcome for each rule, one for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from invariscope.pages import page_maker

if TYPE_CHECKING:
    import pandas as pd

Outcome = Literal["held", "failed", "undecided"]
EXIT_CODES: dict[Outcome, int] = {"held": 0, "failed": 1, "undecided": 3}


@dataclass(frozen=True)
class CellFinding:
    """One cell of a rule, at one layer, over one set of images.

    Attributes:
        metric: Name of the metric.
        transformation: Name of the family or group.
        level: The level there.
        shown: The magnitude, as people read it.
        layer: Name of the layer.
        class_name: Of whose images; None: of all.
        cell: What it is called in the rows.
        value: The estimate: of the metric, or of the change against a baseline.
        low: Lower end of its 95 % interval; NaN for fewer than two images.
        high: Upper end.
        n: The number of images that count.
        n_undefined: Images whose value is undefined.
        threshold: What it is held against.
        at_least: Whether it is to be at least that.
        outcome: "held", "failed" or "undecided".
        needs: About how many images would decide it, where it is undecided; None: unknown.
    """

    metric: str
    transformation: str
    level: int
    shown: str
    layer: str
    class_name: str | None
    cell: str
    value: float
    low: float
    high: float
    n: int
    n_undefined: int
    threshold: float
    at_least: bool
    outcome: Outcome
    needs: int | None = None

    @property
    def slack(self) -> float:
        """By how much the value is on the right side of the threshold; below 0: on the wrong."""
        return (self.value - self.threshold) * (1 if self.at_least else -1)


@dataclass(frozen=True)
class RuleFinding:
    """What was found about one rule.

    Attributes:
        title: What the rule is called.
        text: The rule.
        cells: Its cells, as many as its error level is shared by.
        file: Where the rule stands, or "".
        line: In which line.
        notes: What a reader must know beside it.
    """

    title: str
    text: str
    cells: tuple[CellFinding, ...]
    file: str = ""
    line: int = 0
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Failed if any cell failed, held if all held, else undecided."""
        outcomes = {cell.outcome for cell in self.cells}
        if "failed" in outcomes:
            return "failed"
        return "held" if outcomes == {"held"} else "undecided"

    @property
    def worst(self) -> list[CellFinding]:
        """The cells that made the outcome, those with the least slack first."""
        made = [cell for cell in self.cells if cell.outcome == self.outcome]
        return sorted(made, key=lambda cell: (cell.slack == cell.slack, cell.slack))

    @property
    def remedy(self) -> str:
        """Says what would decide an undecided rule, or ""."""
        if self.outcome != "undecided":
            return ""
        cells = self.worst
        empty = [cell for cell in cells if cell.n < 2]
        if empty:
            return f"{len(empty)} of {len(self.cells)} cells have no value to judge by"
        wrong = [cell for cell in cells if cell.slack < 0]
        needs = [cell.needs for cell in (wrong or cells)]
        known = [need for need in needs if need is not None]
        seen = max(cell.n for cell in cells)
        if wrong and known:
            return _about(min(known), seen)
        if not wrong and len(known) == len(needs):
            return _about(max(known), seen)
        return "the value lies so near the threshold that no number of images at hand decides"


def _about(images: int, seen: int) -> str:
    digits = len(str(images)) - 2
    rounded = round(images, -digits) if digits > 0 else images
    return f"about {max(rounded, seen + 1)} images would decide it, if the value stays"


@dataclass
class Verdict:
    """What a check found.

    Attributes:
        rules: What was found about each rule.
        subject: What was checked: the model and the data, in words.
        images: How many images were measured.
        notes: What a reader must know before the numbers.
        folders: The run folders that it rests on, where there are any.
    """

    rules: Sequence[RuleFinding]
    subject: str
    images: int
    notes: list[str] = field(default_factory=list)
    folders: Sequence[Path] = ()

    @property
    def outcome(self) -> Outcome:
        """Failed if any rule failed, held if all held, else undecided."""
        outcomes = {rule.outcome for rule in self.rules}
        if "failed" in outcomes:
            return "failed"
        return "held" if outcomes == {"held"} else "undecided"

    @property
    def exit_code(self) -> int:
        """0 held, 1 failed, 3 undecided."""
        return EXIT_CODES[self.outcome]

    @property
    def frame(self) -> "pd.DataFrame":
        """One row per rule and cell, with the columns of `CellFinding`, and `rule`, `slack`."""
        import pandas as pd

        rows = [
            {"rule": rule.title, **vars(cell), "slack": cell.slack}
            for rule in self.rules
            for cell in rule.cells
        ]
        return pd.DataFrame(rows)

    def to_text(self) -> str:
        """Renders what was found in 80 columns: what failed, by how much, what would decide."""
        return page_maker("gate_text")(self)

    def __repr__(self) -> str:
        outcomes = [rule.outcome for rule in self.rules]
        counts = ", ".join(
            f"{outcomes.count(outcome)} {outcome}" for outcome in EXIT_CODES if outcome in outcomes
        )
        return f"<Verdict: {self.outcome}: {counts} on {self.images} images>"
