"""Randomness as a function of (seed, key, image id), never of call order.

What happens to an image must not depend on the number of workers, the batch size or the order in
which images arrive. So nothing here has a state: a number is the hash of what it is for.
"""

import hashlib
from collections.abc import Sequence

import numpy as np


def hashed(seed: int, key: str, item: str = "") -> int:
    """Returns the 64-bit number that belongs to (seed, key, item), from which all others start."""
    digest = hashlib.blake2b(f"{seed}|{key}|{item}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def uniform(seed: int, key: str, items: Sequence[str]) -> np.ndarray:
    """Draws one number in [0, 1) for each item, float64.

    Example:
        >>> alone, together = uniform(0, "order", ["b"]), uniform(0, "order", ["a", "b"])
        >>> bool(alone[0] == together[1])
        True
    """
    return np.array([hashed(seed, key, item) >> 11 for item in items], dtype=np.float64) * 2.0**-53


def signs(seed: int, key: str, items: Sequence[str]) -> np.ndarray:
    """Draws +1 or -1 for each item, float64."""
    return np.where(uniform(seed, key, items) < 0.5, -1.0, 1.0)


def draws(seed: int, key: str, counters: np.ndarray | Sequence[int], count: int) -> np.ndarray:
    """Draws uniform numbers in [0, 1) for numbered things at once, float64 [counter, count].

    Like `uniform`, for keys that are integers and come by the thousand: each number is a hash of
    (seed, key, counter, column), mixed by SplitMix64 instead of a cryptographic hash.

    Example:
        >>> together, alone = draws(0, "crop", [3, 5], 4), draws(0, "crop", [5], 2)
        >>> together.shape, bool((together[1, :2] == alone[0]).all())
        ((2, 4), True)
    """
    start = np.uint64(hashed(seed, key))
    rows = _mix(np.asarray(counters, dtype=np.int64).astype(np.uint64) ^ start)
    columns = _mix(np.arange(count, dtype=np.uint64) + np.uint64(1))
    mixed = _mix(rows[:, None] + columns[None, :])
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64's step and finaliser (Steele, Lea and Flood 2014), modulo 2**64."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def generator(seed: int, key: str) -> np.random.Generator:
    """Makes a NumPy generator for one purpose of one run."""
    return np.random.default_rng(hashed(seed, key))
