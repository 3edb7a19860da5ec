"""The looks at a study whose seeds are added while a claim is open, and what each found.

The plan (`statistics/group_sequential.py`) is fixed before the first look. At each look the claims
that are open are decided at the look's level; what is decided there stays so, at whatever number
of seeds the study ends.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from invariscope.statistics.group_sequential import LookPlan
from invariscope.studies.claims.needed import with_needed
from invariscope.studies.claims.verdict import CONTRADICTED, SUPPORTED, UNDECIDED, ClaimResult

DECIDED = (SUPPORTED, CONTRADICTED)


@dataclass(frozen=True)
class Look:
    """One look.

    Attributes:
        seeds: How many seeds there were.
        level: Level of its tests.
        spent: The error that may have been made up to here where nothing is.
        finished: When, ISO 8601 in UTC.
        decided: The claims that it decided, by id.
        open: The claims that it left undecided.
    """

    seeds: int
    level: float
    spent: float
    finished: str
    decided: tuple[str, ...]
    open: tuple[str, ...]


@dataclass(frozen=True)
class Looks:
    """A plan of looks, and those that were taken.

    Attributes:
        plan: The plan.
        seeds: The seeds of the last look; each look takes the first of them.
        taken: The looks so far.
        stopped: Why there is no further one, in words; empty while it goes on.
    """

    plan: LookPlan
    seeds: tuple[int, ...]
    taken: tuple[Look, ...] = ()
    stopped: str = ""

    @property
    def last(self) -> bool:
        """Says whether no planned look is left."""
        return len(self.taken) == len(self.plan.looks)

    @property
    def open(self) -> tuple[str, ...] | None:
        """The claims that the last look left undecided; None before the first."""
        return self.taken[-1].open if self.taken else None

    def look(
        self, claims: Sequence[ClaimResult], before: Sequence[ClaimResult], finished: str
    ) -> "tuple[Looks, list[ClaimResult]]":
        """Takes the next look.

        Args:
            claims: The claims as computed from the seeds of this look.
            before: The claims that earlier looks decided.
            finished: When, ISO 8601 in UTC.

        Returns:
            The looks with this one, and the verdicts, in the order of the claims.
        """
        k = len(self.taken)
        n, level, spent = self.plan.looks[k], self.plan.levels[k], self.plan.spent[k]
        known = {claim.id: claim for claim in before}
        now = [
            known.get(claim.id) or replace(claim.at(level), look=k + 1, seeds=n) for claim in claims
        ]
        now = [with_needed(claim, self.plan.levels[-1]) for claim in now]
        new = tuple(c.id for c in now if c.verdict in DECIDED and c.id not in known)
        still = tuple(c.id for c in now if c.verdict == UNDECIDED)
        look = Look(n, level, spent, finished, new, still)
        return replace(self, taken=(*self.taken, look)), now

    def as_json(self) -> dict[str, Any]:
        """What JSON holds; `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Looks":
        """Reads what `as_json` gave.

        Raises:
            KeyError: An entry is missing.
            TypeError: Something has another form.
        """
        plan = LookPlan(**{name: tuple(row) for name, row in content["plan"].items()})
        taken = [
            Look(**look | {name: tuple(look[name]) for name in ("decided", "open")})
            for look in content["taken"]
        ]
        return cls(plan, tuple(content["seeds"]), tuple(taken), content["stopped"])

    def in_words(self) -> str:
        """Says in one sentence how many looks there were and why there is no further one.

        Example:
            >>> plan = LookPlan((3, 12), (0.003, 0.049), (0.003, 0.05))
            >>> look = Look(3, 0.003, 0.003, "", ("000.c1",), ())
            >>> Looks(plan, (0, 1, 2), (look,), "every claim is decided").in_words()
            'Looks at 3 of at most 12 seeds, 1 of 2 planned: every claim is decided.'
        """
        numbers = ", ".join(str(look.seeds) for look in self.taken)
        why = f": {self.stopped}" if self.stopped else ""
        return (
            f"Looks at {numbers} of at most {self.plan.looks[-1]} seeds, {len(self.taken)} of "
            f"{len(self.plan.looks)} planned{why}."
        )
