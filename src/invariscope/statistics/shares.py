"""Computes intervals of shares that do not end at 1 where all are right.

A share of n images has the exact interval of Clopper and Pearson (1934). An average of shares over
cells has that of Korn and Graubard (1998): the same, of as many images as would give its variance,
times (z / t)² with Student's t of n − 1 degrees of freedom, since few images know little of their
variance, and of n images at least. Two images that flip at nearly as many levels as one another
would else have a very short interval: of nominal 95 %, 76 to 99 % held at n = 2 to 10.
"""

import numpy as np

from invariscope.statistics.sequences import share_sequence

_TAIL = 0.025
#: Errors below this are rounding: all images have the same share.
_DUST = 1e-12


def exact_share(
    share: np.ndarray, error: np.ndarray, n: np.ndarray, *, anytime: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Computes both ends of the 95 % interval, [cell].

    Args:
        share: 0 to 1, [cell].
        error: Its standard error, [cell].
        n: How many images count, [cell].
        anytime: Whether the interval is to hold whenever one looks.
    """
    from scipy import special

    varies = error > _DUST
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = share * (1 - share) / error**2 + 1
        alike *= (special.ndtri(_TAIL) / special.stdtrit(np.maximum(n - 1, 1), _TAIL)) ** 2
    images = np.where(varies, np.fmax(alike, n), n)  # n again for rows of 0 and 1
    right = share * images
    if anytime:
        return share_sequence(right, images)
    low = special.betaincinv(right, images - right + 1, _TAIL)
    high = special.betaincinv(right + 1, images - right, 1 - _TAIL)
    # A beta law with a parameter of 0 lies on an end of the range.
    return np.where(right > 0, low, 0.0 * share), np.where(right < images, high, 0.0 * share + 1)
