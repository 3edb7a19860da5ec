"""Says what varies in which class: the table of factors in words, for page and terminal.

Families of opposite directions (zooming in, zooming out) have one statistic, so they make one
*finding* together, which names those whose levels did it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from invariscope.report.kit.words import counted, listed, percent
from invariscope.search.evidence import MARGIN
from invariscope.search.factor_table import SURE
from invariscope.search.families import axes
from invariscope.search.result import Factors
from invariscope.search.stepwise import FEWEST

_POWER = 0.8
_NAMED = 10


@dataclass(frozen=True)
class Finding:
    """What one or two opposite families close in a class.

    Attributes:
        class_name: The class.
        place: The place of the families among `Varying.families`.
        families: Those of them whose levels did it; all where none is known to.
        rows: Their rows of the table.
        found: Whether q < 0.05.
    """

    class_name: str
    place: int
    families: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    found: bool

    @property
    def share(self) -> float:
        """The share of the distance that they close."""
        return float(self.rows[0]["statistic"])

    @property
    def ends(self) -> tuple[float, float]:
        """Its interval."""
        return float(self.rows[0]["ci_low"]), float(self.rows[0]["ci_high"])

    @property
    def q(self) -> float:
        """Its q."""
        return float(self.rows[0]["q"])

    @property
    def tested(self) -> bool:
        """Whether there was anything to measure."""
        return math.isfinite(self.share)


class Varying:
    """The table of factors, arranged by class and by families that belong together.

    Args:
        factors: What a search has found.

    Attributes:
        classes: All classes.
        families: Those that belong together, by their place.
        tested: The classes in which anything could be measured.
    """

    def __init__(self, factors: Factors):
        self.classes = factors.classes
        self.families = [axis.families for axis in axes(factors.manifest["settings"]["operations"])]
        places = {name: k for k, names in enumerate(self.families) for name in names}
        together: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in factors.factors.to_dict("records"):
            columns = {str(name): value for name, value in row.items()}
            key = str(columns["class"]), places[columns["family"]]
            together.setdefault(key, []).append(columns)
        self._of = {key: _finding(*key, rows) for key, rows in together.items()}
        known = {one.class_name for one in self._of.values() if one.tested}
        self.tested = [name for name in self.classes if name in known]

    def of(self, class_name: str, place: int) -> Finding | None:
        """Returns what the families at a place do in a class."""
        return self._of.get((class_name, place))

    def found(self, class_name: str) -> list[Finding]:
        """Returns what is found in a class, the largest share first."""
        own = [self._of.get((class_name, place)) for place in range(len(self.families))]
        return sorted(
            (one for one in own if one is not None and one.found), key=lambda one: -one.share
        )

    def ordered(self) -> list[str]:
        """Lists the classes: the largest share that is found first, then those without."""
        first = {name: self.found(name)[:1] for name in self.classes}
        return sorted(self.classes, key=lambda k: -first[k][0].share if first[k] else math.inf)

    def counts(self) -> list[tuple[str, int]]:
        """Counts the classes in which each family is found, the most frequent first.

        Of equal counts the largest share comes first.
        """
        shares: dict[str, list[float]] = {}
        for name in self.classes:
            for one in self.found(name):
                for family in one.families:
                    shares.setdefault(family, []).append(one.share)
        order = sorted(shares, key=lambda family: (-len(shares[family]), -max(shares[family])))
        return [(family, len(shares[family])) for family in order]

    def images(self) -> tuple[int, int]:
        """Returns the fewest and the most images of a tested class."""
        tested = set(self.tested)
        counts = [
            int(one.rows[0]["images"]) for one in self._of.values() if one.class_name in tested
        ]
        return min(counts, default=0), max(counts, default=0)

    def least(self) -> float:
        """Estimates the share that would be found with a probability of 0.8, in a median class.

        The standard error of each share is read from its interval; of a class the largest over
        families is taken, since the error grows with the share and what closes nothing has hardly
        any. A share is found where it exceeds the margin by that error times Student's t at 0.05,
        halved for two tests and divided by all that are made (Holm's first step), and with a
        probability of 0.8 where it exceeds it by t at 0.8 more. NaN where nothing was tested.
        """
        shares = []
        tests = sum(one.tested for one in self._of.values())
        tested: dict[str, list[Finding]] = {}
        for one in self._of.values():
            if one.tested:
                tested.setdefault(one.class_name, []).append(one)
        for of_class in tested.values():
            freedom = int(of_class[0].rows[0]["images"]) - 1
            reach = -special.stdtrit(freedom, SURE / len(of_class) / 2)
            errors = [(one.share - one.ends[0]) / reach for one in of_class]
            needed = special.stdtrit(freedom, _POWER) - special.stdtrit(freedom, SURE / tests / 2)
            shares.append(MARGIN + needed * max(errors))
        return float(np.median(shares)) if shares else math.nan


def _finding(name: str, place: int, rows: Sequence[dict[str, Any]]) -> Finding:
    """Reads the rows of a class and of families that belong together."""
    chosen = [row for row in rows if math.isfinite(row["low"])] or rows
    families = tuple(str(row["family"]) for row in chosen)
    found = any(row["q"] < SURE for row in rows)
    return Finding(name, place, families, tuple(chosen), found)


def counts_text(varying: Varying, words: Sequence[tuple[str, int]]) -> str:
    """Says in how many classes each family is found.

    Args:
        varying: The findings.
        words: `Varying.counts`, with the families as they are to be called.
    """
    tested = len(varying.tested)
    if not tested:
        return _untested(len(varying.classes))
    of = counted(tested, "class", "classes")
    if not words:
        return f"Nothing is found to vary in {'the only class' if tested == 1 else f'any of {of}'}."
    some = sum(bool(varying.found(name)) for name in varying.classes)
    named = [f"{name} in {count:,}" for name, count in words[:_NAMED]]
    more = len(words) - _NAMED
    if more > 0:
        named.append(counted(more, "other family", "other families"))
    return f"Something is found to vary in {some:,} of {of}: {listed(named)}."


def _untested(total: int) -> str:
    """Says why nothing could be tested."""
    if total == 1:
        return "Nothing could be tested: there is no other class to compare the only class with."
    return (
        f"Nothing could be tested: none of the classes has {FEWEST} images that can be read, or no"
        " single operation was tried."
    )


def tried_text(varying: Varying, levels: int) -> str:
    """Says what was tried."""
    families = sum(len(names) for names in varying.families)
    return (
        f"Tried: {counted(levels, 'level')} of {counted(families, 'family', 'families')} in"
        f" {counted(len(varying.tested), 'class', 'classes')}."
    )


def left_out_text(varying: Varying) -> str:
    """Names the classes that could not be tested; "" where all could or none."""
    tested = set(varying.tested)
    left = [name for name in varying.classes if name not in tested]
    if not left or not tested:
        return ""
    shown = ", ".join(left[:_NAMED]) + (", …" if len(left) > _NAMED else "")
    return f"Fewer than {FEWEST} images that can be read, so not tested: {shown}."


def power_text(varying: Varying) -> str:
    """Says what would have been found; "" where nothing was tested."""
    least = varying.least()
    if not math.isfinite(least):
        return ""
    fewest, most = varying.images()
    images = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    if least >= 1:
        return (
            f"With {images} images of each class hardly anything could be found: an empty line says"
            " nothing."
        )
    return (
        f"With {images} images of each class, a family that closes about {percent(least)} or more"
        " would be found in four of five cases; that less than this is not found says little."
    )
