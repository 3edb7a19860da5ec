"""Tells whether a set of motions is a group on a frame, and which of its elements act trivially.

Sizes are (height, width). Under ``border="circular"`` the picture repeats, so that a shift by the
whole frame is the identity and shifts count modulo the frame. On a feature map of an image the same
motion acts with its shift scaled by the map's size over the image's (`geometry.at_grid`): a shift
is one of whole cells where it is a multiple of the stride.
"""

from collections.abc import Sequence

import numpy as np

from invariscope.transformations.element import Element
from invariscope.transformations.geometry import at_grid


def is_closed(elements: Sequence[Element], frame: tuple[int, int] | None = None) -> bool:
    """Tells whether a set is a group: not empty, and closed under products and inverses.

    Args:
        elements: The set, in any order.
        frame: (height, width) of images with ``border="circular"``, whose shifts count modulo the
            frame; None for motions of the plane. A turn that does not take the repeated frame to
            itself (a quarter turn of a frame that is not square, an eighth of any) has no meaning
            modulo the frame: with shifts in the set, it is then no group.

    Example:
        >>> from invariscope.transformations import elements
        >>> is_closed(elements("D4")), is_closed(elements("shift(0..7)"))
        (True, False)
        >>> is_closed(elements("shift(0..7)"), frame=(8, 8))
        True
    """
    if frame is not None and any(element.shifts for element in elements):
        if not all(element.keeps(*frame) for element in elements):
            return False
        elements = [element.modulo(*frame) for element in elements]
    identity = Element()
    members, reached, generators = set(elements), {identity}, []
    if identity not in members:
        return False
    # A finite set holds every product if it holds those with what generates it, and then the
    # inverses, which are powers. So n log n products do, instead of n².
    for element in elements:
        if element in reached:
            continue
        if not all(_product(a, element, frame) in members for a in members):
            return False
        generators.append(element)
        frontier = set(reached)
        while frontier:
            products = {_product(a, b, frame) for a in frontier for b in generators}
            frontier = products - reached
            reached |= frontier
    return True


def _product(a: Element, b: Element, frame: tuple[int, int] | None) -> Element:
    return (a @ b).modulo(*frame) if frame else a @ b


def kernel(
    elements: Sequence[Element],
    image: tuple[int, int],
    grid: tuple[int, int] | None,
    *,
    border: str = "zeros",
) -> tuple[int, ...]:
    """Finds the elements that act as the identity on an output: the kernel of the action.

    G-EED (paper 003, eq. 2) averages the output over these before it compares: over the whole group
    where the action is trivial, over the identity alone where it is faithful.

    Args:
        elements: The elements of the group.
        image: (height, width) of the input, in whose pixels shifts count.
        grid: (height, width) of the output if it is a feature map; None if it is a vector (a pooled
            map, an embedding, logits), on which everything acts trivially. So it does on a single
            cell.
        border: "circular": shifts count modulo the image, and a map of one row or column does not
            tell what happens across it. Any other: what a shift moves out of the frame is lost.

    Returns:
        Indices into ``elements``, rising. The identity's is among them.

    Example:
        >>> from invariscope.transformations import elements
        >>> kernel(elements("C4"), (224, 224), None), kernel(elements("C4"), (224, 224), (7, 7))
        ((0, 1, 2, 3), (0,))
        >>> kernel(elements("shift_x(0..8:4)"), (8, 8), (4, 4), border="circular")
        (0, 2)
    """
    if grid is None or grid == (1, 1):
        return tuple(range(len(elements)))
    return tuple(
        number
        for number, element in enumerate(elements)
        if _is_still(at_grid(element.matrix(), image, grid), grid, border == "circular")
    )


def _is_still(forward: np.ndarray, grid: tuple[int, int], circular: bool) -> bool:
    """Says whether every cell of a map stays where it is, modulo the map if it repeats."""
    height, width = grid
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    places = np.stack([x - (width - 1) / 2, y - (height - 1) / 2])
    moved = forward[0, :, :2] @ places + forward[0, :, 2:] - places
    if circular:
        size = np.array([[width], [height]])
        moved -= size * np.round(moved / size)
        moved[(size == 1)[:, 0]] = 0.0  # constant along this axis, wherever it is read
    return bool(np.abs(moved).max() < 1e-6)
