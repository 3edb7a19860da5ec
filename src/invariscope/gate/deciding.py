"""Stops a measurement as soon as its rules are decided.

A cell needs images as long as its rule is undecided and the cell itself is not held: a rule that
failed at one cell needs no other, and a cell that held needs no more (`sweep.stopping` says when
one looks). Intervals hold whenever one looks, so neither is wrong more often for being early.
"""

from collections.abc import Sequence

from invariscope.gate.asking import Asked
from invariscope.gate.judging import judge
from invariscope.results import RowStore
from invariscope.runs import Run
from invariscope.sweep.setup import Setup
from invariscope.sweep.stopping import Stopping


class Deciding(Stopping):
    """Stops cells that no rule needs any more.

    Args:
        setup: All cells.
        asked: The rules.
    """

    def __init__(self, setup: Setup, asked: Sequence[Asked]):
        super().__init__(setup)
        self._asked = asked

    def still(self, run: Run, store: RowStore) -> dict[str, bool]:
        """Says of each cell whether an undecided rule needs it."""
        names = {name for unit in self.units for name in unit.names}
        needed = {
            cell.cell
            for finding in judge(self._asked, store, run.manifest)
            if finding.outcome == "undecided"
            for cell in finding.cells
            if cell.outcome != "held"
        }
        return {name: name in needed for name in names | needed}

    def reason(self, run: Run, measured: int) -> str:
        """Says that the rules are decided, and after how many images."""
        images = len(self.first(run, measured).images)
        return f"stopped after {images} images: {_counted(len(self._asked))} decided"


def _counted(rules: int) -> str:
    return "the rule is" if rules == 1 else f"all {rules} rules are"
