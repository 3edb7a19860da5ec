"""Intervals that hold whenever one looks: confidence sequences at 95 %.

An interval for a fixed number of images holds its value in 95 % of samples of that number. Looked
at again and again, until it is short, it is wrong more often: of shares of 0.99 it stops as soon as
no image has failed yet. A confidence sequence holds the value at all numbers of images together in
95 % of samples (Darling and Robbins 1967), so a run may stop when it likes.

- Shares: the mixture of all coins against the coin p (Robbins 1970). p belongs to the interval as
  long as B(s + ½, n − s + ½) / B(½, ½) < 20 pˢ (1 − p)ⁿ⁻ˢ with s of n images right; exact for every
  n by Ville's inequality.
- Means and ratios: the normal mixture (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024,
  Theorem 2.2), exact in the limit of many images as a central limit theorem is, and scaled on
  either side as the bootstrap's T says. It is tightest at about `TIGHTEST` images.
"""

import numpy as np

ALPHA = 0.05
TIGHTEST = 128


def reach(n: np.ndarray) -> np.ndarray:
    """Computes how many standard errors a sequence of means reaches to each side after n images.

    Args:
        n: Of any shape, at least 1.

    Example:
        >>> reach(np.array([32, 128, 1024])).round(2).tolist()
        [3.26, 3.04, 3.21]
    """
    weight = _weight(n)
    return np.sqrt(2 * (weight + 1) / weight * np.log(np.sqrt(weight + 1) / ALPHA))


def sequence_p(errors: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Computes two-sided p-values that hold whenever one looks (Johari and others 2022).

    Args:
        errors: By how many standard errors a mean of n images misses 0, of any shape.
        n: Of the same shape, at least 1.

    Returns:
        The largest level at which the sequence of intervals still holds 0, at most 1.

    Example:
        >>> n = np.array([32, 128])
        >>> sequence_p(reach(n), n).round(6).tolist()
        [0.05, 0.05]
    """
    weight = _weight(n)
    evidence = np.sqrt(weight + 1) * np.exp(-(errors**2) * weight / (2 * (weight + 1)))
    return np.minimum(evidence, 1.0)


def _weight(n: np.ndarray) -> np.ndarray:
    """The spread of the mixed means over the standard error, squared."""
    log = -2 * np.log(ALPHA)
    return n * (log + np.log(log + 1)) / TIGHTEST


def share_sequence(right: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes both ends of the confidence sequence of shares.

    Args:
        right: How many images are right, [cell]; not necessarily whole, for averages.
        n: Of how many, [cell].

    Example:
        >>> low, high = share_sequence(np.array([64.0]), np.array([64]))
        >>> float(low[0].round(3)), float(high[0])
        (0.916, 1.0)
    """
    from scipy import special

    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip(right / n, 0, 1)
    mixture = special.betaln(right + 0.5, n - right + 0.5) - special.betaln(0.5, 0.5)

    def held(p: np.ndarray) -> np.ndarray:
        likelihood = special.xlogy(right, p) + special.xlog1py(n - right, -p)
        return mixture - likelihood < -np.log(ALPHA)

    ends = []
    for outer in (np.zeros_like(share), np.ones_like(share)):
        inside, outside = share.copy(), outer
        for _ in range(50):  # bisection: the share itself is always held
            middle = (inside + outside) / 2
            inside = np.where(held(middle), middle, inside)
            outside = np.where(held(middle), outside, middle)
        ends.append(np.where(held(outer), outer, inside))
    return ends[0], ends[1]


def share_sequence_p(right: np.ndarray, n: np.ndarray, share: float) -> np.ndarray:
    """Computes two-sided p-values of a share that hold whenever one looks, for `share_sequence`.

    Args:
        right: How many images are right, of any shape.
        n: Of how many, of the same shape.
        share: The share that is tested, in [0, 1].

    Returns:
        The largest level at which the sequence of intervals still holds the share, at most 1.

    Example:
        >>> low, _ = share_sequence(np.array([64.0]), np.array([64]))
        >>> share_sequence_p(np.array([64.0]), np.array([64]), float(low[0])).round(6).tolist()
        [0.05]
    """
    from scipy import special

    mixture = special.betaln(right + 0.5, n - right + 0.5) - special.betaln(0.5, 0.5)
    likelihood = special.xlogy(right, share) + special.xlog1py(n - right, -share)
    return np.exp(np.minimum(likelihood - mixture, 0.0))
