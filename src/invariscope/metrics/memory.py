"""Limits the memory of metrics that compare all pairs.

Pairs of channels and pairs of images are taken in steps, so that memory does not grow with their
number.
"""

#: Numbers in the largest array of a step: 32 MB in float64.
STEP = 2**22


def at_a_time(numbers: int) -> int:
    """Computes how many items of that many numbers each fit into a step; at least one."""
    return max(1, STEP // max(1, numbers))
