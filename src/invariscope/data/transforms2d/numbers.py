"""Draws uniform numbers that belong to (seed, key, counter), on the device that wants them.

Bit for bit those of `invariscope.seeding.draws`, which makes them with NumPy: SplitMix64 in 64-bit
integers that wrap around, so every device gives the same numbers.
"""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from invariscope.seeding import draws as numpy_draws
from invariscope.seeding import hashed

_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def device_draws(
    seed: int, key: str, counters: Int64[Tensor, " image"], count: int
) -> Float64[Tensor, "image draw"]:
    """Draws uniform numbers in [0, 1), on the counters' device.

    Args:
        seed: The seed.
        key: What the numbers are for.
        counters: Which images.
        count: How many each.

    Example:
        >>> import numpy as np
        >>> found = device_draws(3, "x", torch.tensor([1, 2**40]), 2)
        >>> bool((found.numpy() == numpy_draws(3, "x", [1, 2**40], 2)).all())
        True
    """
    if counters.device.type == "cpu" and len(counters) * count < 1 << 16:
        return torch.from_numpy(numpy_draws(seed, key, counters.numpy(), count))
    start = _signed(hashed(seed, key))
    rows = _mix(counters ^ start)
    columns = _mix(torch.arange(1, count + 1, device=counters.device))
    mixed = _mix(rows[:, None] + columns[None, :])
    return _shifted(mixed, 11).to(torch.float64) * 2.0**-53


def _mix(values: Tensor) -> Tensor:
    values = values + _signed(_STEP)
    values = (values ^ _shifted(values, 30)) * _signed(_FIRST)
    values = (values ^ _shifted(values, 27)) * _signed(_SECOND)
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """To the right, zeros coming in: torch's own shift copies the sign."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
