"""Finite groups acting on images: rotations ``Cn``, rotations and flips ``Dn``, and ``flip``.

A group is named ("C4", "D8", "flip", "flip_vertical") and swept like a transformation: its
elements are the levels, element 0 is the identity. Elements that map the pixel grid to itself
(quarter turns of a square, flips) are exact. Element k < n of Cn and Dn turns counter-clockwise by
k · 360/n degrees; element n + k of Dn flips left and right first and then turns: 2n elements.

``a @ b`` does b first, then a; ``~a`` undoes a.
"""

import re
from dataclasses import dataclass

import numpy as np

from invariscope.errors import InputError
from invariscope.transformations import geometry
from invariscope.transformations.families import Family

_NAME = re.compile(r"([CD])(\d+)|flip|flip_vertical")
LARGEST_ORDER = 360


@dataclass(frozen=True)
class Element:
    """An element of Dn (of Cn where it is never mirrored).

    Args:
        order: n.
        turns: Counter-clockwise, in steps of 360/n degrees.
        mirrored: Whether left and right are swapped before turning.

    Example:
        >>> quarter, flip = Element(4, 1, False), Element(4, 0, True)
        >>> flip @ quarter == ~quarter @ flip, quarter @ ~quarter == Element(4, 0, False)
        (True, True)
    """

    order: int
    turns: int
    mirrored: bool

    def __matmul__(self, other: "Element") -> "Element":
        if self.order != other.order:
            raise InputError(f"elements of D{self.order} and D{other.order} have no product")
        turns = self.turns + (-other.turns if self.mirrored else other.turns)
        return Element(self.order, turns % self.order, self.mirrored != other.mirrored)

    def __invert__(self) -> "Element":
        turns = self.turns if self.mirrored else -self.turns
        return Element(self.order, turns % self.order, self.mirrored)

    @property
    def degrees(self) -> float:
        """How far it turns, counter-clockwise."""
        return 360.0 * self.turns / self.order

    @property
    def key(self) -> str:
        """What it does, as a key of a cell; the same as that of an equal transformation."""
        turn = f"rotate={self.degrees:.6g}"
        if not self.mirrored:
            return turn if self.turns else "identity"
        if 2 * self.turns == self.order:
            return "flip_vertical=1"
        return f"flip_horizontal=1 {turn}" if self.turns else "flip_horizontal=1"

    @property
    def shown(self) -> str:
        """What it does, for people."""
        turn = f"{self.degrees:.3g}°"
        return turn if not self.mirrored else f"flip, {turn}" if self.turns else "flip"

    def matrix(self) -> np.ndarray:
        """The forward matrix [1, 2, 3]."""
        turn = geometry.rotation(np.array([self.degrees]))
        if self.mirrored:
            turn[:, :, :2] = turn[:, :, :2] @ geometry.reflection(True)[:, :, :2]
        return turn


def elements(name: str) -> tuple[Element, ...]:
    """The elements of a named group, the identity first.

    Raises:
        InputError: No such group, or one of an order that makes no sense.

    Example:
        >>> [element.shown for element in elements("D2")]
        ['0°', '180°', 'flip', 'flip, 180°']
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise InputError(
            f"unknown group {name!r}: C4, C8, D4, D8 (any n), flip, flip_vertical work"
        )
    if name == "flip":
        return elements("D1")
    if name == "flip_vertical":  # a flip and half a turn
        return (Element(2, 0, False), Element(2, 1, True))
    order = int(found[2])
    if not 1 <= order <= LARGEST_ORDER:
        raise InputError(f"the group {name} must have an order from 1 to {LARGEST_ORDER}")
    kinds = (False,) if found[1] == "C" else (False, True)
    return tuple(Element(order, turns, kind) for kind in kinds for turns in range(order))


def is_group(name: str) -> bool:
    """Whether a group has that name."""
    return _NAME.fullmatch(name) is not None


def group_family(name: str) -> Family:
    """The group as a family whose magnitudes are the numbers of its elements."""
    members = elements(name)

    def matrices(numbers: np.ndarray, height: int, width: int) -> np.ndarray:
        return np.concatenate([members[int(number)].matrix() for number in numbers])

    shown = tuple((element.key, element.shown) for element in members)
    return Family(name, "geometric", "element", 0.0, name, matrices=matrices, members=shown)
