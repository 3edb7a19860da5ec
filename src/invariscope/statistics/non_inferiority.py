"""Says whether a model is as accurate as another one, but for a margin, on the same images.

The question of a non-inferiority test: is the accuracy worse by at least the margin? B is **not
worse** if the lower end of the one-sided 95 % interval of the difference B − A lies above the
margin below 0; **worse** if the upper end of the one on the other side lies below it; else the
images do not tell. So a model that has lost as much as the margin is called not worse in at most
5 % of cases. Failing to find a difference would be no such statement: with few images nothing is
ever found.

The interval is the score interval of Tango (1998, *Statistics in Medicine* 17) for the difference
of two shares of the same images, at one end: those differences d that Z(d) = (gained − missed −
n d) / √(n (2 x − d − d²)) does not reject, x the most likely chance of a gained image if d is true.
It stays near its level where one of the models is hardly ever right alone, which others do not.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from invariscope.errors import InputError

CONFIDENCE = 0.95
Kept = Literal["kept", "lost", "undecided"]


@dataclass(frozen=True)
class NonInferiority:
    """Two accuracies on the same images.

    Attributes:
        before: Share of the images that A is right about.
        after: Share that B is right about.
        low: Lower end of the one-sided 95 % interval of after − before.
        high: Upper end of the one on the other side.
        margin: What may be lost.
        n: The number of images.
        gained: Images that B alone is right about.
        missed: Images that A alone is right about.
    """

    before: float
    after: float
    low: float
    high: float
    margin: float
    n: int
    gained: int
    missed: int

    @property
    def difference(self) -> float:
        """After − before."""
        return (self.gained - self.missed) / self.n

    @property
    def points(self) -> str:
        """The margin in words: "1 point", "0.5 points"."""
        shown = f"{100 * self.margin:g}"
        return f"{shown} point" if shown == "1" else f"{shown} points"

    @property
    def outcome(self) -> Kept:
        """Kept (not worse but for the margin), lost (worse by more), or undecided."""
        if self.low > -self.margin:
            return "kept"
        return "lost" if self.high < -self.margin else "undecided"

    @property
    def needs(self) -> int | None:
        """About how many images would decide it, if the difference stays; None: no number does."""
        gap, arm = self.difference + self.margin, self.difference - self.low
        if gap == 0:
            return None
        return math.ceil(self.n * max(1.0, (arm / gap) ** 2))


def non_inferiority(before: np.ndarray, after: np.ndarray, margin: float) -> NonInferiority:
    """Compares the right answers of two models.

    Args:
        before: bool [image], of A.
        after: bool [image], of B, for the same images.
        margin: What may be lost, a share between 0 and 1.

    Raises:
        InputError: The margin is none, or there are fewer than two images.

    Example:
        >>> right = np.array([True] * 900 + [False] * 100)
        >>> found = non_inferiority(right, right, 0.01)
        >>> round(found.low, 4), found.outcome
        (-0.0027, 'kept')
        >>> non_inferiority(right[:100], right[:100], 0.01).outcome
        'undecided'
    """
    if not 0 < margin < 1:
        raise InputError(f"margin is {margin:g}: give a share above 0, such as 0.01 for one point")
    a, b = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if len(a) < 2 or a.shape != b.shape:
        raise InputError(f"{len(a)} and {len(b)} answers: give two for the same images, 2 or more")
    gained, missed, n = int((b > a).sum()), int((a > b).sum()), len(a)
    low, high = _end(gained, missed, n), -_end(missed, gained, n)
    return NonInferiority(float(a.mean()), float(b.mean()), low, high, margin, n, gained, missed)


def _end(gained: int, missed: int, n: int) -> float:
    """The lower end of the one-sided interval of (gained − missed) / n."""
    from scipy import optimize, stats

    critical = float(stats.norm.ppf(CONFIDENCE))
    middle = (gained - missed) / n

    def beyond(d: float) -> float:
        return _score(d, gained, missed, n) - critical

    least = -1 + 1e-12
    if middle <= least or beyond(least) < 0:
        return -1.0
    # next to the difference itself the score is 0, or undefined where nothing varies
    found: Any = optimize.brentq(beyond, least, middle - 1e-12)
    return float(found)


def _score(d: float, gained: int, missed: int, n: int) -> float:
    """Tango's Z of a difference."""
    b = (gained + missed) * (1 + d) + 2 * d * (n - missed)
    root = math.sqrt(max(b * b - 8 * n * gained * d * (1 + d), 0.0))
    x = (b + root) / (4 * n)
    variance = n * (2 * x - d - d * d)
    gap = gained - missed - n * d
    return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap)
