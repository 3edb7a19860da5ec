"""What an improvement found: rules before and after, the augmentation, the accuracy kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from invariscope.gate.verdict import Verdict
from invariscope.improving.evidence import ClassEvidence, DataEvidence
from invariscope.improving.policy import Ingredient
from invariscope.pages import page_maker
from invariscope.results import Result
from invariscope.statistics.non_inferiority import NonInferiority

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

End = Literal["held already", "improved", "not improved", "undecided"]
EXIT_CODES: dict[End, int] = {
    "held already": 0, "improved": 0, "not improved": 1, "undecided": 3,
}  # fmt: skip


@dataclass
class Improvement:
    """What `improve` found.

    Attributes:
        subject: The model and the data, in words.
        split: How the images were split, in words.
        before: The verdict on the held-out images before.
        runs_before: What was measured for it.
        after: The verdict on the same images afterwards; None: nothing was tuned.
        runs_after: What was measured for it.
        accuracy: Both accuracies on the held-out images; None: nothing was tuned.
        correct: A row per held-out image: image, class, before, after.
        ingredients: What images were augmented with.
        classes: How far each class kept to each rule, on the images of the tuning.
        data: What varies in the data along the families of the rules.
        settings: Epochs, learning rate, batch size, seed, margin, seconds ….
        history: The loss of the tuning.
        notes: What a reader must know beside it.
        module: The improved network, on the CPU in eval mode; None: nothing was tuned.
        folder: Where all of it lies, or None.
        command: The command line, or "".
    """

    subject: str
    split: str
    before: Verdict
    runs_before: Sequence[Result]
    after: Verdict | None = None
    runs_after: Sequence[Result] = ()
    accuracy: NonInferiority | None = None
    correct: "pd.DataFrame | None" = None
    ingredients: Sequence[Ingredient] = ()
    classes: Sequence[ClassEvidence] = ()
    data: Sequence[DataEvidence] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    history: "pd.DataFrame | None" = None
    notes: list[str] = field(default_factory=list)
    module: "nn.Module | None" = None
    folder: Path | None = None
    command: str = ""

    @property
    def outcome(self) -> End:
        """How it ended."""
        if self.after is None or self.accuracy is None:
            return "held already"
        if self.after.outcome == "failed" or self.accuracy.outcome == "lost":
            return "not improved"
        if self.after.outcome == "held" and self.accuracy.outcome == "kept":
            return "improved"
        return "undecided"

    @property
    def exit_code(self) -> int:
        """0: the rules hold and the accuracy was kept; 1: not so; 3: the images do not tell."""
        return EXIT_CODES[self.outcome]

    @property
    def reasons(self) -> list[str]:
        """Says what keeps it from having ended well, a line each."""
        if self.after is None or self.accuracy is None:
            return []
        lines = [
            f"{rule.title}: {rule.outcome}" + (f"; {rule.remedy}" if rule.remedy else "")
            for rule in self.after.rules
            if rule.outcome != "held"
        ]
        told = self.accuracy
        if told.outcome == "lost":
            lines.append(f"the accuracy fell by more than {told.points}")
        if told.outcome == "undecided":
            needs = told.needs
            more = "" if needs is None else f"; about {needs:,} held-out images would, if it stays"
            lines.append(
                f"{told.n:,} images do not show whether the accuracy fell by less than "
                f"{told.points}{more}"
            )
        return lines

    def to_text(self) -> str:
        """Renders what was found in 80 columns."""
        return page_maker("improvement_text")(self)

    def to_html(self, path: str | PathLike[str]) -> Path:
        """Writes the page that tells it as before and after."""
        return page_maker("render_improvement")(self, path)

    def __repr__(self) -> str:
        return f"<Improvement: {self.outcome}: {self.subject}>"
