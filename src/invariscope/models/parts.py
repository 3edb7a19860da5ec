"""Locates a layer in the network: its part and its depth.

Early, Middle and Late are uniform thirds of the layers before global pooling, in the order of
execution; Pool is what comes right after it (the embedding among them), Final what comes before
the softmax. The yardstick is always the model's own list of block outputs (selection ``auto``),
so that a layer has the same part and depth whatever else is watched; a layer between two blocks
has the part of the block that it belongs to, and a depth in between.
"""

import math
from collections.abc import Sequence

import numpy as np

PARTS = ("Early", "Middle", "Late", "Pool", "Final")


def part_of(position: int | float, blocks: Sequence[int | float]) -> str:
    """Returns the part of a layer that ends at this position, before the embedding.

    Args:
        position: Where the layer ends.
        blocks: Where the blocks end, increasing.

    Example:
        >>> [part_of(end, [1, 2, 3, 4, 5, 6]) for end in (0.5, 2, 2.5, 4, 6, 6.5)]
        ['Early', 'Early', 'Middle', 'Middle', 'Late', 'Late']
    """
    if not blocks:
        return "Late"
    index = min(int(np.searchsorted(np.asarray(blocks), position)), len(blocks) - 1)
    return PARTS[math.floor(3 * index / len(blocks))]


def depth_of(position: int | float, ladder: Sequence[int | float]) -> float:
    """Returns the position on the ladder of the model's layers, 0 (first) to 1 (last).

    Example:
        >>> [depth_of(end, [10, 20, 30]) for end in (5, 10, 15, 30)]
        [0.0, 0.0, 0.25, 1.0]
    """
    if len(ladder) < 2:
        return 1.0
    return float(np.interp(position, np.asarray(ladder), np.linspace(0.0, 1.0, len(ladder))))
