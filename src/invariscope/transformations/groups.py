"""Names finite groups and sets of motions: turns ``Cn``, also flipped ``Dn``, shifts, products.

A name stands for a tuple of elements, the identity first, swept like a transformation: the elements
are the levels.

- ``Cn``: element k turns counter-clockwise by k · 360/n degrees.
- ``Dn``: the same, then element n + k, which flips left and right first, then turns: 2n elements.
- ``flip``, ``flip_vertical``: left-right, top-bottom.
- ``shift(k)``: right *and* down by k pixels; ``shift_x(k)``: right; ``shift_y(k)``: down. k may be
  negative. ``shift(a..b)`` takes every k from a to b, ``shift(a..b:s)`` every s-th;
  ``shift(1..32)`` is the protocol of paper 002 for ImageNet, ``shift(1..16)`` that for CIFAR-10.
- ``A*B``: every a @ b (b first, then a), duplicates once. ``C4*flip`` is D4, in the same order;
  ``shift_x(0..3)*shift_y(0..3)`` has 16 shifts.

A range of shifts is a set of motions and no group: 1 + 32 pixels are not in it. Shifts are a group,
acting on images, only modulo the frame, under ``border="circular"``, where ``shift(0..H-1)`` is
cyclic; under the other borders what leaves the frame is lost, and undoing does not bring it back.
`invariscope.transformations.action` tells which sets are groups.

Elements that map the pixel grid to itself (flips, half turns and whole shifts; quarter turns of a
square) are exact. A quarter turn of an image that is not square, done on the same grid, loses the
ends of the longer side and fills those of the shorter one: it is no group action, whatever the
border (and where one side is even and the other odd, it falls between the pixels and is
interpolated as well).

On the command line quote names with parentheses or stars: ``-g "shift(1..32),C4*flip"``.
"""

import re
from collections.abc import Iterable

import numpy as np

from invariscope.errors import InputError
from invariscope.transformations.element import Element
from invariscope.transformations.families import Family

_NUMBER = "[0-9]{1,9}"
_FACTOR = re.compile(
    rf"(?P<kind>[CD])(?P<order>{_NUMBER})|(?P<flip>flip|flip_vertical)"
    rf"|shift(?P<axis>_x|_y)?\((?P<first>-?{_NUMBER})"
    rf"(?:\.\.(?P<last>-?{_NUMBER})(?::(?P<step>{_NUMBER}))?)?\)"
)
LARGEST_ORDER = 360
LARGEST_SHIFT = 10_000  # pixels
LARGEST_SET = 1024  # elements: one forward pass each


def elements(name: str) -> tuple[Element, ...]:
    """Returns the elements of a named group or set, the identity first.

    Raises:
        InputError: No such group, or a number in it that makes no sense.

    Example:
        >>> [element.shown for element in elements("D2")]
        ['0°', '180°', 'flip', 'flip, 180°']
        >>> [element.key for element in elements("shift(1..9:4)")]
        ['identity', 'shift=+1,+1', 'shift=+5,+5', 'shift=+9,+9']
        >>> elements("C4*flip") == elements("D4")
        True
    """
    factors = [_FACTOR.fullmatch(part) for part in name.split("*")]
    if None in factors:
        wrong = name.split("*")[factors.index(None)]
        inside = "" if wrong == name else f" in {name!r}"
        raise InputError(
            f"unknown group {wrong!r}{inside}: C4, C8, D4, D8 (any n), flip, flip_vertical, "
            "shift(8), shift_x(1..32), shift_y(0..32:4) and products such as C4*flip work"
        )
    members: tuple[Element, ...] = (Element(),)
    for factor in factors:
        assert factor is not None
        right = _shifts(factor) if factor["first"] else _turns(factor)
        # The left factor runs fastest, so that C4*flip lists D4 in D4's order.
        members = _distinct(name, (a @ b for b in right for a in members))
    return members


def is_group(name: str) -> bool:
    """Tells whether a name is that of a group, a set of shifts or a product.

    Example:
        >>> [is_group(name) for name in ("C4", "C4*shift(0..8)", "rotate", "shift")]
        [True, True, False, False]
    """
    return all(_FACTOR.fullmatch(part) for part in name.split("*"))


def group_family(name: str) -> Family:
    """Returns the group as a family whose magnitudes are the numbers of its elements."""
    members = elements(name)

    def matrices(numbers: np.ndarray, height: int, width: int) -> np.ndarray:
        return np.concatenate([members[int(number)].matrix() for number in numbers])

    moves = any(element.shifts for element in members)
    still = "0 px" if moves and not any(e.turns or e.mirrored for e in members) else "0°"
    shown = [(element.key, element.shown) for element in members]
    shown[0] = (members[0].key, still)  # the identity, in the unit of the others
    return Family(
        name, "geometric", "element", 0.0, name,
        matrices=matrices, members=tuple(shown), words=group_words(name),
    )  # fmt: skip


def group_words(name: str) -> str:
    """Names a group or set in a sentence.

    Example:
        >>> group_words("C4"), group_words("shift_x(0..32:8)"), group_words("C4*flip")
        ('turns of C4', 'horizontal shift by 0 to 32 px in steps of 8', 'elements of C4*flip')
    """
    factor = _FACTOR.fullmatch(name)
    if factor is None:
        return f"elements of {name}"
    if factor["flip"]:
        return "horizontal flip" if name == "flip" else "vertical flip"
    if factor["kind"]:
        return f"turns of {name}" if factor["kind"] == "C" else f"turns and flips of {name}"
    axis = {None: "diagonal", "_x": "horizontal", "_y": "vertical"}[factor["axis"]]
    far = f" to {factor['last']}" if factor["last"] else ""
    step = f" in steps of {factor['step']}" if factor["step"] and factor["step"] != "1" else ""
    return f"{axis} shift by {factor['first']}{far} px{step}".replace("-", "−")


def _turns(factor: re.Match[str]) -> list[Element]:
    """The elements of Cn, Dn or a flip."""
    if factor["flip"] == "flip":
        return [Element(), Element(mirrored=True)]
    if factor["flip"]:  # top-bottom: a flip and half a turn
        return [Element(), Element(2, 1, True)]
    order = int(factor["order"])
    if not 1 <= order <= LARGEST_ORDER:
        raise InputError(f"the group {factor[0]} must have an order from 1 to {LARGEST_ORDER}")
    kinds = (False,) if factor["kind"] == "C" else (False, True)
    return [Element(order, turns, kind) for kind in kinds for turns in range(order)]


def _shifts(factor: re.Match[str]) -> list[Element]:
    """The identity and the shifts of a range."""
    word = f"shift{factor['axis'] or ''}"
    first, last = int(factor["first"]), int(factor["last"] or factor["first"])
    step = int(factor["step"] or 1)
    if max(abs(first), abs(last)) > LARGEST_SHIFT:
        raise InputError(f"{factor[0]}: shifts go up to {LARGEST_SHIFT} pixels, such as {word}(32)")
    if last < first:
        raise InputError(f"{factor[0]} ends before it starts: {word}({last}..{first}) works")
    if step < 1:
        raise InputError(
            f"{factor[0]} never moves on: give a step from 1 on, {word}({first}..{last}:1)"
        )
    right, down = factor["axis"] != "_y", factor["axis"] != "_x"
    pixels = [0, *range(first, last + 1, step)]
    return [Element(right=right * float(k), down=down * float(k)) for k in pixels]


def _distinct(name: str, products: Iterable[Element]) -> tuple[Element, ...]:
    """The elements in order, each once; an error as soon as they are too many."""
    seen: dict[Element, None] = {}
    for element in products:
        seen[element] = None
        if len(seen) > LARGEST_SET:
            raise InputError(
                f"the group {name} has more than {LARGEST_SET} elements, one forward pass each: "
                "take a smaller order, a shorter range or larger steps, such as shift(0..32:4)"
            )
    return tuple(seen)
