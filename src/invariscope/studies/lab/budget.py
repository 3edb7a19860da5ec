"""A budget of time for a study that goes on by itself: "3h", "90min", "600s".

No job is begun when the budget is spent; those that are running then are stopped, and go on from
what they wrote with the next command. Before a set of seeds is added, its cost is estimated from
the jobs so far, and it is not begun if that does not fit.
"""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from invariscope.errors import InputError, RunError
from invariscope.studies.lab.executor import Executor, Outcome
from invariscope.studies.lab.jobs import StudyJob

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*")


class BudgetSpent(RunError):
    """The budget was spent while jobs were left."""


class Budget:
    """The time that a command may take, from now on.

    Args:
        text: A number and a unit: s, min (or m), h, d. None: no end.

    Raises:
        InputError: No number, no unit, or nothing.

    Example:
        >>> Budget("1.5h").seconds, Budget("90min").seconds
        (5400.0, 5400.0)
    """

    def __init__(self, text: str | None):
        self.text = text
        self.seconds = float("inf")
        if text is not None:
            written = _WRITTEN.fullmatch(text)
            if not written or written[2] not in _UNITS or float(written[1]) <= 0:
                raise InputError(
                    f"`budget={text}`: give a number above 0 with a unit (s, min, h, d), such as "
                    "3h or 90min"
                )
            self.seconds = float(written[1]) * _UNITS[written[2]]
        self._end = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """Seconds that are left; not below 0."""
        return max(0.0, self._end - time.monotonic())


class WithinBudget:
    """Executes jobs as another executor does, until the budget is spent.

    Args:
        executor: The other one.
        budget: The budget.
    """

    def __init__(self, executor: Executor, budget: Budget):
        self._executor, self._budget = executor, budget
        self.workers: int = getattr(executor, "workers", 1)

    def outcomes(self, jobs: Sequence[StudyJob], folder: Path) -> Iterator[Outcome]:
        """See `Executor`.

        Raises:
            BudgetSpent: With jobs left.
        """
        outcomes = iter(self._executor.outcomes(jobs, folder))
        done = 0
        try:
            while done < len(jobs):
                if not self._budget.left:
                    raise BudgetSpent(
                        f"the budget of {self._budget.text} is spent; {done} of {len(jobs)} "
                        "further jobs are finished and kept, the same command goes on"
                    )
                yield next(outcomes)
                done += 1
        finally:
            close = getattr(outcomes, "close", None)
            if close is not None:  # stops the processes of a pool
                close()
