"""Finds what is dead: a channel, unit or embedding that varies no more than by rounding.

A constant map that went through a convolution is hardly ever constant to the last bit. It varies by
a few units in the last place, and a correlation of that dust is a random number in [−1, 1] that
looks like a finding. So a spread counts as none if it is within the rounding of the values: 4 units
of float32, in which models compute even if their outputs are handed over as float64, and one unit
of a coarser dtype, which rounds once, at the end.
"""

import torch
from torch import Tensor


def resolution(dtype: torch.dtype) -> float:
    """The relative spread within which values of ``dtype`` are taken as equal."""
    return max(torch.finfo(dtype).eps, 4 * torch.finfo(torch.float32).eps)


def varies(spread: Tensor, power: Tensor, dtype: torch.dtype) -> Tensor:
    """Says whether values vary: False within rounding, and where anything is not finite.

    Args:
        spread: Sum (or mean) of the squared deviations of the values from their mean.
        power: Sum (or mean) of the squared values.
        dtype: Of the values as they came.
    """
    return spread > resolution(dtype) ** 2 * power  # no comparison with NaN, nor inf > inf, is true
