"""Draws pairs of one class: seeded, no image twice until all were used, no pair twice.

The images are shuffled and paired as in a tournament (the circle method): round after round, in
which every image meets a new one. So the first ⌊n / 2⌋ pairs hold each image once, later rounds
each image once more, and after n(n - 1) / 2 pairs, the most there are, all have met.
With an odd number one image sits out each round and opens the next. Which of the two is the anchor
is drawn per pair. A longer list begins with the shorter one.
"""

from collections.abc import Sequence

import numpy as np

from invariscope.seeding import signs, uniform


def most_pairs(images: int) -> int:
    """Counts the different pairs of that many images.

    Example:
        >>> [most_pairs(count) for count in (1, 2, 5)]
        [0, 1, 10]
    """
    return images * (images - 1) // 2


def class_pairs(image_ids: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Draws pairs of the images of one class.

    Args:
        image_ids: The images' ids; their order does not matter.
        count: How many pairs, at most.
        seed: The run's seed.

    Returns:
        int64 [min(count, n(n - 1) / 2), 2]: positions in ``image_ids`` of the anchor and the other.

    Example:
        >>> pairs = class_pairs(["a", "b", "c", "d"], 2, seed=0)
        >>> sorted(pairs.ravel().tolist())
        [0, 1, 2, 3]
        >>> len(class_pairs(["a", "b", "c", "d"], 100, seed=0))
        6
    """
    count = min(count, most_pairs(len(image_ids)))
    if count <= 0:
        return np.empty((0, 2), dtype=np.int64)
    keys = uniform(seed, "factors:pairs", image_ids)
    shuffled = np.array(sorted(range(len(image_ids)), key=lambda k: (keys[k], image_ids[k])))
    pairs = shuffled[_tournament(len(image_ids), count)]
    names = [f"{image_ids[first]}|{image_ids[second]}" for first, second in pairs]
    turned = signs(seed, "factors:anchor", names) < 0
    pairs[turned] = pairs[turned, ::-1]
    return pairs.astype(np.int64)


def moved_images(pairs: np.ndarray, images: int, count: int) -> np.ndarray:
    """Lists the images of a class that are transformed: those second in a pair, then others.

    Args:
        pairs: Those of `class_pairs`.
        images: How many images the class has.
        count: How many are transformed, where there are as many.

    Returns:
        int64, positions, each once, in the order of the pairs.

    Example:
        >>> moved_images(np.array([[0, 1], [2, 1], [1, 0]]), images=4, count=3).tolist()
        [1, 0, 2]
    """
    order = [*pairs[:, 1].tolist(), *pairs[:, 0].tolist(), *range(images)]
    seconds = len(set(pairs[:, 1].tolist()))
    return np.array(list(dict.fromkeys(order))[: max(seconds, min(count, images))], dtype=np.int64)


def _tournament(players: int, count: int) -> np.ndarray:
    """Makes the first ``count`` matches [count, 2]: one player stays, the others move round."""
    seats = players + players % 2 - 1  # on the circle
    matches = players // 2
    rounds = np.arange(-(-count // matches))[:, None]
    step = np.arange(1, (seats + 1) // 2)[None, :]
    first, second = (rounds + step) % seats, (rounds - step) % seats
    if players % 2 == 0:  # the last one stays and meets all others in turn
        still = np.full_like(rounds, players - 1)
        first, second = np.hstack([still, first]), np.hstack([rounds % seats, second])
    return np.stack([first.ravel(), second.ravel()], axis=1)[:count]
