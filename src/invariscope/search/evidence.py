"""Tests whether a family closes more of the distance in a class than in other classes.

Two tests, since two things may be so, and Bonferroni's correction for both:

- *The whole class*: √W − √(B + `MARGIN`) by Student's t. It knows how far apart the images are.
- *The anchors*: is the class nearer to its own images, with this family, than to strangers? The
  share closed of each anchor counts how many of `STEPS` it lies above, `MARGIN` more for an image
  of the class; the sum over the class's images is held against all ways to choose as many of the
  anchors (a permutation test, exact). A part of the class shows in it: 12 images of 40 are 1 in 11
  of the pairs, but none of 64 strangers may do what they do.
"""

import numpy as np
from scipy import special

from invariscope.search.closing import Closed

#: A share of the distance that is not worth an augmentation; every class has something of its own.
MARGIN = 0.02
STEPS = (0.03, 0.06, 0.12, 0.24, 0.48)
_MARGIN_OF_ANCHOR = 0.03
_COUNTED = 200  # of more images the ways to choose are not counted: it takes their cube


def evidence(share: Closed) -> float:
    """The p of a share that is no larger in the class than in others; 1 below the margin."""
    assert np.isfinite(share.value), "a square has no gaps"
    if share.value <= MARGIN or share.within <= 0:
        return 1.0
    value, error = share.on_roots(MARGIN)
    images = share.influence.shape[1]
    of_roots = float(special.stdtr(images - 1, -value / error)) if error > 0 else 0.0
    steps = np.array(STEPS)
    own = (share.anchors[:, None] > steps + _MARGIN_OF_ANCHOR).sum(1)
    strangers = (share.strangers[:, None] > steps).sum(1)
    return min(1.0, 2 * min(of_roots, permuted(own, strangers)))


def permuted(own: np.ndarray, others: np.ndarray) -> float:
    """The chance that as many of all, drawn without return, have the sum of ``own`` or more.

    Of many images it is that of the normal law with the mean and variance of such sums.

    Args:
        own: Whole numbers from 0.
        others: The same.

    Example:
        >>> permuted(np.array([1, 1]), np.array([0, 0]))  # one of six pairs
        0.16666666666666666
    """
    drawn, total = len(own), int(own.sum())
    if total == 0:
        return 1.0
    both = np.concatenate([own, others])
    if drawn > _COUNTED:
        variance = drawn * len(others) / (len(both) - 1) * both.var()
        return float(
            special.ndtr((drawn * both.mean() - total + 0.5) / np.sqrt(max(variance, 1e-9)))
        )
    counts = np.bincount(both)
    top = drawn * (len(counts) - 1)
    ways = np.zeros((drawn + 1, top + 1))  # [how many are drawn, their sum]
    ways[0, 0] = 1
    for value, count in enumerate(counts):
        more = ways.copy()
        for taken in range(1, min(int(count), drawn) + 1):
            points = taken * value
            if points <= top:
                more[taken:, points:] += (
                    special.comb(count, taken) * ways[: drawn + 1 - taken, : top + 1 - points]
                )
        ways = more
    return float(ways[drawn, total:].sum() / ways[drawn].sum())
