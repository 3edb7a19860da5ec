"""Represents a group element as a value: a flip or none, then a turn, then a shift.

An element is a motion of the plane that keeps distances: left and right are swapped or not, then
the picture turns counter-clockwise about its centre by turns/order of a full turn, then it moves to
the right and down by pixels. ``a @ b`` does b first, then a; ``~a`` undoes a. Elements of different
orders combine: the turns of C4 and C6 are turns of C12.

Turns are kept as reduced fractions and compose without rounding. Shifts are floats: whole pixels
stay whole under flips and quarter turns; what another turn makes of them is not whole, and is kept
in float64. Elements are equal, and have equal keys, if they flip and turn alike and their shifts
agree to a millionth of a pixel; a shift that is whole to a millionth is whole.
"""

from dataclasses import dataclass
from math import gcd, isfinite

import numpy as np

from invariscope.errors import InputError
from invariscope.transformations import geometry

_DECIMALS = 6  # of a pixel: far above the rounding of float64, far below what can be seen


@dataclass(frozen=True, eq=False)
class Element:
    """A discrete motion of the picture: flip, then turn, then shift.

    Args:
        order: n, at least 1; kept as the smallest that tells the same turn.
        turns: Counter-clockwise, in steps of 360/n degrees; kept in 0..n - 1.
        mirrored: Whether left and right are swapped before turning.
        right: Pixels to the right, after turning.
        down: Pixels down, after turning.

    Raises:
        InputError: The order is below 1, or the shift is not finite.

    Example:
        >>> quarter, flip, step = Element(4, 1), Element(1, 0, True), Element(right=3)
        >>> flip @ quarter == ~quarter @ flip, quarter @ ~quarter == Element()
        (True, True)
        >>> quarter @ step, Element(8, 2) == quarter  # right, seen after a quarter turn, is up
        (Element(order=4, turns=1, mirrored=False, right=0.0, down=-3.0), True)
    """

    order: int = 1
    turns: int = 0
    mirrored: bool = False
    right: float = 0.0
    down: float = 0.0

    def __post_init__(self):
        if self.order < 1:
            raise InputError(f"order {self.order}: a turn is a part of 1, 2, 3, … steps")
        if not (isfinite(self.right) and isfinite(self.down)):
            raise InputError(f"a shift by {self.right}, {self.down} pixels: give finite numbers")
        turns = self.turns % self.order
        common = gcd(turns, self.order)
        for name, value in (
            ("order", self.order // common),
            ("turns", turns // common),
            ("right", _snapped(self.right)),
            ("down", _snapped(self.down)),
        ):
            object.__setattr__(self, name, value)

    def __matmul__(self, other: "Element") -> "Element":
        order = self.order * other.order // gcd(self.order, other.order)
        mine, others = self.turns * (order // self.order), other.turns * (order // other.order)
        right, down = self._moved(other.right, other.down)
        return Element(
            order,
            mine - others if self.mirrored else mine + others,
            self.mirrored != other.mirrored,
            right + self.right,
            down + self.down,
        )

    def __invert__(self) -> "Element":
        back = Element(self.order, self.turns if self.mirrored else -self.turns, self.mirrored)
        right, down = back._moved(self.right, self.down)
        return Element(back.order, back.turns, back.mirrored, -right, -down)

    def __eq__(self, other: object) -> bool:
        return self._canonical == other._canonical if isinstance(other, Element) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._canonical)

    @property
    def degrees(self) -> float:
        """The angle of its turn, counter-clockwise."""
        return 360.0 * self.turns / self.order

    @property
    def shifts(self) -> bool:
        """Says whether it moves the centre of the picture."""
        return (self.right, self.down) != (0.0, 0.0)

    @property
    def key(self) -> str:
        """The motion as a key of a cell; an equal transformation has the same key.

        Example:
            >>> Element(4, 1).key, Element(right=8, down=-3).key, Element(2, 1, True, 1).key
            ('rotate=90', 'shift=+8,-3', 'flip_vertical=1 shift=+1,+0')
        """
        turn = f"rotate={self.degrees:.6g}" if self.turns else ""
        if not self.mirrored:
            words = [turn]
        elif 2 * self.turns == self.order:
            words = ["flip_vertical=1"]
        else:
            words = ["flip_horizontal=1", turn]
        if self.shifts:
            words.append("shift=" + ",".join(f"{pixels:+.12g}" for pixels in self._place))
        return " ".join(word for word in words if word) or "identity"

    @property
    def shown(self) -> str:
        """The motion as shown to people; shifts are pixels to the right and down.

        Example:
            >>> Element(4, 1, True).shown, Element(right=8, down=-3).shown, Element().shown
            ('flip, 90°', '+8, -3 px', '0°')
        """
        words = ["flip"] if self.mirrored else []
        if self.turns or not (self.mirrored or self.shifts):
            words.append(f"{self.degrees:.3g}°")
        if self.shifts:
            words.append(
                ", ".join(f"{round(pixels, 2) + 0.0:+g}" for pixels in self._place) + " px"
            )
        return ", ".join(words)

    def matrix(self) -> np.ndarray:
        """Returns the forward matrix [1, 2, 3] in pixels from the centre, y down."""
        matrix = geometry.rotation(np.array([self.degrees]))
        if self.mirrored:
            matrix[:, :, :2] = matrix[:, :, :2] @ geometry.reflection(True)[:, :, :2]
        matrix[:, :, 2] = self.right, self.down
        return matrix + 0.0  # the product leaves negative zeros

    def keeps(self, height: int, width: int) -> bool:
        """Tells whether a picture that repeats in a frame of that size still does after the motion.

        True of shifts, flips and half turns; of quarter turns if the frame is square.
        """
        return self.order <= 2 or (self.order == 4 and height == width)

    def modulo(self, height: int, width: int) -> "Element":
        """Returns the motion of a picture that repeats (``border="circular"``), shifted within it.

        Example:
            >>> Element(right=9, down=-3).modulo(8, 8).key
            'shift=+1,+5'
        """
        return Element(
            self.order, self.turns, self.mirrored, self.right % width, self.down % height
        )

    def _moved(self, right: float, down: float) -> tuple[float, float]:
        """Applies the flip and the turn to a shift."""
        if right == 0.0 and down == 0.0:
            return right, down
        moved = self.matrix()[0, :, :2] @ np.array([right, down], dtype=np.float64)
        return float(moved[0]), float(moved[1])

    @property
    def _place(self) -> tuple[float, float]:
        return round(self.right, _DECIMALS), round(self.down, _DECIMALS)

    @property
    def _canonical(self) -> tuple[int, int, bool, float, float]:
        return self.order, self.turns, self.mirrored, *self._place


def _snapped(pixels: float) -> float:
    """A shift as a float; whole where it is whole but for rounding."""
    whole = round(pixels)
    # Adding zero turns a negative zero, which would show in keys, into zero.
    return (float(whole) if abs(pixels - whole) < 10.0**-_DECIMALS else float(pixels)) + 0.0
