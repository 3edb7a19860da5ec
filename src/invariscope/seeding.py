"""Randomness as a function of (seed, key, image id), never of call order.

What happens to an image must not depend on the number of workers, the batch size or the order in
which images arrive. So nothing here has a state: a number is the hash of what it is for.
"""

import hashlib
from collections.abc import Sequence

import numpy as np


def _hash(seed: int, key: str, item: str) -> int:
    digest = hashlib.blake2b(f"{seed}|{key}|{item}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def uniform(seed: int, key: str, items: Sequence[str]) -> np.ndarray:
    """One number in [0, 1) for each item, float64.

    Example:
        >>> alone, together = uniform(0, "order", ["b"]), uniform(0, "order", ["a", "b"])
        >>> bool(alone[0] == together[1])
        True
    """
    return np.array([_hash(seed, key, item) >> 11 for item in items], dtype=np.float64) * 2.0**-53


def signs(seed: int, key: str, items: Sequence[str]) -> np.ndarray:
    """+1 or -1 for each item, float64."""
    return np.where(uniform(seed, key, items) < 0.5, -1.0, 1.0)


def generator(seed: int, key: str) -> np.random.Generator:
    """A NumPy generator for one purpose of one run."""
    return np.random.default_rng(_hash(seed, key, ""))
