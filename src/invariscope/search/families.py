"""Sorts the single operations of a search into families, and their levels into ladders.

Families that do the same in opposite directions (zoom in and zoom out; brighter and darker) share
one *axis*: what one does to x₂, the other does to x₁. They have one statistic together.

Each level of a family with magnitudes has a neighbour, the next one towards the identity, so that
what lies between two levels can be told from their embeddings. Families that are applied or not,
and groups, have none.

Some levels *erase*: after them pictures differ less, whatever they differed in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: The neighbour of a level that comes first after the identity.
UNCHANGED = -1

_ERASING = frozenset({"blur", "posterize", "contrast_down"})
#: These erase where they weaken, below the identity.
_ERASING_BELOW = frozenset({"contrast", "saturation", "sharpness"})


@dataclass(frozen=True)
class Level:
    """A level of a family in a search.

    Attributes:
        family: The family.
        column: Its column in the rows.
        magnitude: Its magnitude, in the family's unit.
        signed: Whether the direction was drawn per image.
        unit: The unit of the magnitude.
        neighbour: The column of the next level towards the identity; `UNCHANGED`: the identity
            itself; None: levels of this family have no order.
        erases: Whether pictures differ less after it.
    """

    family: str
    column: int
    magnitude: float
    signed: bool
    unit: str
    neighbour: int | None
    erases: bool


@dataclass(frozen=True)
class Axis:
    """What one or two opposite families do.

    Attributes:
        families: Their names.
        levels: Their levels.
    """

    families: tuple[str, ...]
    levels: tuple[Level, ...]


def axes(operations: Sequence[Mapping[str, Any]]) -> tuple[Axis, ...]:
    """Sorts the single operations into axes.

    Args:
        operations: The manifest's operations. Those of several steps belong to no family.
    """
    single = {
        entry["column"]: entry["steps"][0]
        for entry in reversed(operations)
        if entry["column"] is not None and len(entry["steps"]) == 1
    }
    groups: dict[str, list[int]] = {}
    for column in sorted(single):
        groups.setdefault(single[column]["operation"], []).append(column)
    made = []
    for columns in groups.values():
        neighbours = _neighbours({column: single[column] for column in columns})
        levels = tuple(
            Level(
                step["family"], column, step["magnitude"], step["signed"], step["unit"],
                neighbours.get(column), _erases(step),
            )
            for column, step in ((column, single[column]) for column in columns)
        )  # fmt: skip
        made.append(Axis(tuple(dict.fromkeys(level.family for level in levels)), levels))
    return tuple(made)


def _erases(step: Mapping[str, Any]) -> bool:
    family = step["family"]
    weakens = family in _ERASING_BELOW and step["magnitude"] < step["identity"]
    return family in _ERASING or weakens


def _neighbours(steps: Mapping[int, Mapping[str, Any]]) -> dict[int, int]:
    """Finds the next column towards the identity of each one that has an order."""
    found: dict[int, int] = {}
    sides: dict[tuple[Any, ...], list[tuple[float, int]]] = {}
    for column, step in steps.items():
        if step["ordered"]:
            away = step["magnitude"] - step["identity"]
            side = (step["signed"], step["resampling"], away > 0)
            sides.setdefault(side, []).append((abs(away), column))
    for ladder in sides.values():
        before = UNCHANGED
        for _, column in sorted(ladder):
            found[column] = before
            before = column
    return found
