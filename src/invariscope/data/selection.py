"""Selects the images of a run and their order, and hashes which they were.

The order is a hash of (seed, image id): it does not depend on the order in which the source lists
its images, and the first k of a larger unlabelled selection are the selection of k.
"""

import hashlib
from collections.abc import Sequence
from numbers import Integral

import numpy as np

from invariscope.data.source import ImageSource
from invariscope.errors import InputError
from invariscope.seeding import uniform


def select(source: ImageSource, num_images: int | None = None, seed: int = 0) -> list[int]:
    """Selects the positions of the images of a run, in the run's seeded order.

    With labels the choice is stratified: each class gets its proportional share by largest
    remainder, and at least one image if ``num_images`` reaches the number of classes. Equal
    remainders go to the class whose first image comes first in the seeded order. Within a class,
    the images that come first in that order are taken.

    Args:
        source: The images.
        num_images: How many, at least 1; None, or more than there are, takes all.
        seed: The seed of the run.

    Returns:
        ``min(num_images, len(source))`` distinct positions.

    Raises:
        InputError: See `check_count`.

    Example:
        >>> from invariscope.data import open_source
        >>> images = np.zeros((10, 4, 4, 3), dtype=np.uint8)
        >>> source = open_source((images, [0] * 8 + [1] * 2))
        >>> sorted(source.labels[i] for i in select(source, 5))
        [0, 0, 0, 0, 1]
    """
    return stratified(source.ids, source.labels, num_images, seed)


def check_count(num_images: int | None) -> None:
    """Raises an `InputError` unless ``num_images`` is None or a whole number from 1 on."""
    if num_images is None:
        return
    if not isinstance(num_images, Integral):
        raise InputError(
            f"num_images is {num_images!r}; it must be a whole number, or None for all images"
        )
    if num_images < 1:
        raise InputError(f"num_images is {num_images}; it must be at least 1")


def stratified(
    ids: Sequence[str], labels: Sequence[int] | None, num_images: int | None, seed: int = 0
) -> list[int]:
    """Selects like `select`, from ids and labels alone; the same choice and order."""
    check_count(num_images)
    order = _order(ids, seed)
    count = len(order) if num_images is None else min(num_images, len(order))
    if labels is None:
        return order[:count].tolist()
    _, first, member, sizes = np.unique(
        np.asarray(labels)[order], return_index=True, return_inverse=True, return_counts=True
    )
    shares = _shares(sizes, count, first)
    # rank of each image within its class, in the seeded order
    grouped = np.argsort(member, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.empty(len(order), dtype=np.int64)
    rank[grouped] = np.arange(len(order)) - np.repeat(starts, sizes)
    return order[rank < shares[member]].tolist()


def fingerprint(source: ImageSource, indices: Sequence[int]) -> str:
    """Hashes (SHA-256) the ids, labels and, of images without a name, pixels of a selection.

    Args:
        source: The images.
        indices: The positions that `select` gave; their order counts.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> from invariscope.data import open_source
        >>> source = open_source(np.zeros((4, 2, 2, 3), dtype=np.uint8))
        >>> fingerprint(source, [0, 1]) == fingerprint(source, [1, 0])
        False
    """
    digest = hashlib.sha256()
    for index in indices:
        label = -1 if source.labels is None else int(source.labels[index])
        for part in (source.ids[index], str(label), source.content(index)):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def _order(ids: Sequence[str], seed: int) -> np.ndarray:
    keys = uniform(seed, "order", ids)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    if (ordered[1:] == ordered[:-1]).any():  # a collision of hashes: the id decides
        order = np.array(sorted(range(len(ids)), key=lambda index: (keys[index], ids[index])))
    return order


def _shares(sizes: np.ndarray, count: int, first: np.ndarray) -> np.ndarray:
    """Images per class: proportional, largest remainder; `first` breaks ties (smaller wins)."""
    # whole numbers throughout: the remainder of equal classes must be equal
    quotas, remainders = np.divmod(count * sizes.astype(np.int64), sizes.sum())
    shares = quotas.copy()
    if count >= len(sizes):
        shares = np.maximum(shares, 1)
    remainders = remainders + (quotas - shares) * sizes.sum()
    missing = count - int(shares.sum())
    if missing > 0:
        shares[np.lexsort((first, -remainders))[:missing]] += 1
    for _ in range(-missing):
        # the class that is furthest above its quota gives one back, but never its last
        surplus = np.where(shares > 1, shares * sizes.sum() - count * sizes, -np.inf)
        shares[np.lexsort((-first, -surplus))[0]] -= 1
    return shares
