"""Estimates from rows of images: the value, what each image contributes to it, and its interval.

A metric says of which kind its number is; the kind fixes the value and how far one image moves it:

| kind | value from rows v_i of weight w_i | example |
|---|---|---|
| mean | Σ v / n | relative invariance |
| share | Σ v / n, where v is 0 or 1 | predictions kept |
| ratio | Σ v·w / Σ w, both parts of one image | a weighted mean |
| ratio to pairs | the same, where w_i is the mean over all pairs of image i | latent G-EED |
| ratio of pairs | the same, where v_i·w_i is such a mean as well | class distance ratio |
| one minus ratio to pairs | 1 − Σ d / Σ w with v = (w − d) / w | mean relative invariance |

With a = v·w, b = w and R = Σ a / Σ b, image i moves the value, to first order (the influence
function; Hampel 1974), by 1/n times

    e_i = [p (a_i − ā) − q R (b_i − b̄)] / b̄

where p and q are 2 for a mean over pairs, since an image is in its own pairs and in those of all
others (Hoeffding 1948; times (n − 1) / (n − 2), as the jackknife has it), and 1 otherwise. For "one
minus …" a is the distance d, and the sign turns round.
Influences are linear: those of a mean over cells are the mean of theirs.

The standard error is √(Σ e² / (n (n − 1))). Where an image's row depends on the next image as well,
covariances of neighbours are added if they are positive. The interval is studentised by the
bootstrap (Efron 1979; Hall 1988): T = (resampled mean of e) / (its own standard error) shows by how
many standard errors a mean of so skewed rows misses its target on either side, and the ends are
value − T·error at its 97.5 % and 2.5 % points. With fewer than 12 images Student's t takes its
place. The ends keep to the metric's range. A value that is the same for all images is its own
interval.

A share has the exact interval of Clopper and Pearson (1934), which does not end at 1 where 32 of 32
were right; an average of shares that of Korn and Graubard (1998), with as many images as would give
its variance.

Sums are exact (`statistics.intervals`), so that no order of adding changes a bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from invariscope.errors import InputError
from invariscope.statistics.intervals import (
    REPLICATES,
    divide,
    exact_sums,
    resampling_counts,
    rounded,
)
from invariscope.statistics.sequences import reach
from invariscope.statistics.shares import exact_share
from invariscope.statistics.studentised import INTERVAL, studentised, students

#: For each kind, how many images the rows of its numerator and of its denominator are of.
KINDS = {
    "mean": (1, 1),
    "share": (1, 1),
    "ratio": (1, 1),
    "ratio to pairs": (1, 2),
    "ratio of pairs": (2, 2),
    "one minus ratio to pairs": (1, 2),
}


@dataclass(frozen=True)
class Estimates:
    """Values of cells, and what each image contributes to them.

    Attributes:
        value: float64 [cell]; NaN where no image counts.
        contributions: float64 [image, cell]: e_i / n, which sum to 0; 0 where an image does not
            count.
        counts: bool [image, cell]: whether it counts.
        share: bool [cell]: whether rows are 0 or 1 by chance, or means of such over cells.
        neighbours: Whether a row depends on the next image as well.
        bounds: The range of the metric; None where it has no end.
        anytime: Whether intervals hold whenever one looks (`statistics.sequences`), as those of a
            run do that stops once they are short.
    """

    value: np.ndarray
    contributions: np.ndarray
    counts: np.ndarray
    share: np.ndarray
    neighbours: bool = False
    bounds: tuple[float | None, float | None] = (None, None)
    anytime: bool = False

    @property
    def n(self) -> np.ndarray:
        """The number of images that count, [cell]."""
        return self.counts.sum(axis=0)

    @property
    def error(self) -> np.ndarray:
        """The standard error, [cell]; NaN for fewer than two images."""
        squares = rounded(self.contributions**2).sum(axis=0)
        if self.neighbours:
            beside = rounded(self.contributions[:-1] * self.contributions[1:]).sum(axis=0)
            squares = squares + 2 * np.maximum(beside, 0)
        n = self.n
        return np.sqrt(squares * divide(n, np.maximum(n - 1, 0)))

    def interval(self, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Computes both ends of the 95 % interval of each cell, NaN for fewer than two images.

        Args:
            seed: Decides the resamples, together with the number of images.
        """
        return intervals([self], seed=seed)[0]

    def ends(self, below: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Computes both ends from how far T goes below and above 0, each in 2.5 % of cases."""
        error, n, share = self.error, self.n, self.share
        if self.anytime:
            wider = reach(np.maximum(n, 1)) / students(n)[INTERVAL]
            below, above = below * wider, above * wider
        low, high = self.value - above * error, self.value + below * error
        if share.any():
            own = self.value[share], error[share], n[share]
            low[share], high[share] = exact_share(*own, anytime=self.anytime)
        # Rounding may put a value a hair outside its range; its interval holds it all the same.
        if self.bounds[0] is not None:
            low = np.fmax(low, np.fmin(self.bounds[0], self.value))
        if self.bounds[1] is not None:
            high = np.fmin(high, np.fmax(self.bounds[1], self.value))
        low[n < 2], high[n < 2] = np.nan, np.nan
        return low, high

    def replicates(self, *, seed: int) -> np.ndarray:
        """Computes each cell's value in resamples that all cells of all models share.

        Returns:
            float64 [cell, replicate], to first order: value + Σ contributions of the drawn images.
        """
        exact = rounded(self.contributions)
        draws = resampling_counts(len(exact), REPLICATES, seed)
        moved = np.concatenate([draw @ exact for draw in draws]).T
        plain = replace(self, neighbours=False).error
        wider = np.where(plain > 0, divide(self.error, plain), 1.0)
        drawn = self.value[:, None] + moved * wider[:, None]
        # Two models of the same share of right answers are to tie, not to differ by rounding.
        dust = np.ldexp(1.0, -40) * max(np.abs(self.value).max(initial=0, where=self.n > 0), 1e-300)
        return np.round(drawn / dust) * dust

    def mean(self) -> "Estimates":
        """The mean over the cells that have a value, as one cell.

        It counts the images of the cell that has the fewest.
        """
        known = np.flatnonzero(self.counts.any(axis=0))
        if not len(known):
            return self.pick([0])
        part = self.pick(known)
        return replace(
            part,
            value=part.value.mean(keepdims=True),
            contributions=part.contributions.mean(axis=1, keepdims=True),
            counts=part.counts[:, [int(part.n.argmin())]],
            share=np.asarray(part.share.all(keepdims=True)),
        )

    def at_any_time(self, anytime: bool = True) -> "Estimates":
        """The same with intervals that hold whenever one looks, or not."""
        return replace(self, anytime=anytime)

    def pick(self, cells: Sequence[int] | np.ndarray) -> "Estimates":
        """Some cells only."""
        return replace(
            self,
            value=self.value[cells],
            contributions=self.contributions[:, cells],
            counts=self.counts[:, cells],
            share=self.share[cells],
        )


def estimate(
    values: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    kind: str = "mean",
    neighbours: bool = False,
    classes: np.ndarray | None = None,
    bounds: tuple[float | None, float | None] = (None, None),
) -> Estimates:
    """Computes each cell's value from its rows, and what each image contributes.

    Args:
        values: [image, cell], images in the run's order; what is not finite does not count.
        weights: [image, cell]; None is 1 everywhere. An image of weight 0 does not count.
        kind: One of `KINDS`.
        neighbours: Whether a row depends on the next image as well.
        classes: [image], of which class each is. Where all classes have as many images, they were
            not drawn by chance: images vary about the mean of their class.
        bounds: The range of the metric; None where it has no end.

    Raises:
        InputError: Shapes that do not fit, or an unknown kind.

    Example:
        >>> made = estimate(np.array([[1.0], [0.0], [1.0], [1.0]]), kind="share")
        >>> [round(float(end[0]), 3) for end in made.interval(seed=0)]
        [0.194, 0.994]
    """
    if kind not in KINDS:
        raise InputError(f"kind is {kind!r}: it must be one of {', '.join(KINDS)}")
    sums = exact_sums(values, weights)
    n = sums.counts.sum(axis=0)
    value, level = sums.value, divide(sums.denominators.sum(axis=0), n)
    constant, same = _constant(np.asarray(values, dtype=np.float64), sums.counts)
    value[constant] = same[constant]
    twice = np.where(n > 2, 2 * divide(n - 1.0, n - 2.0), 2.0)
    own, pairs = (twice if images == 2 else 1.0 for images in KINDS[kind])
    with np.errstate(invalid="ignore"):
        above = sums.numerators - divide(sums.numerators.sum(axis=0), n)
        below = sums.denominators - level
        if kind.startswith("one minus"):
            moved = own * (above - below) + pairs * (1 - value) * below
        else:
            moved = own * above - pairs * value * below
        moved = np.where(sums.counts & ~constant, moved, 0.0)
    if classes is not None:
        moved = _within(moved, sums.counts, classes)
    contributions = np.nan_to_num(divide(moved, level * n))
    share = np.full(len(value), kind == "share")
    return Estimates(value, contributions, sums.counts, share, neighbours, bounds)


def mean_interval(
    values: np.ndarray, *, share: bool = False, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Computes the mean of each column and its 95 % interval.

    Args:
        values: [row, column], independent rows; what is not finite does not count.
        share: Whether they are 0 or 1.
        seed: Decides the resamples, together with the number of rows.

    Returns:
        value, low, high, n, each [column].

    Example:
        >>> [float(end[0]) for end in mean_interval(np.array([[0.5], [0.5]]), seed=0)]
        [0.5, 0.5, 0.5, 2.0]
    """
    made = estimate(values, kind="share" if share else "mean")
    return made.value, *made.interval(seed=seed), made.n


def _within(moved: np.ndarray, counts: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Takes the mean of each class off, where all classes have as many images."""
    names, numbers = np.unique(classes[counts.any(axis=1)], return_counts=True)
    if not len(numbers) or np.ptp(numbers) > 1 or numbers.min() < 2:
        return moved
    moved, n = moved.copy(), len(classes)
    for name, number in zip(names, numbers, strict=True):
        own = classes == name
        centre = divide(moved[own].sum(axis=0), counts[own].sum(axis=0))
        moved[own] = np.where(counts[own], moved[own] - centre, 0.0)
        moved[own] *= np.sqrt(number / (number - 1) * (n - 1) / n)
    return moved


def join(parts: Sequence[Estimates]) -> Estimates:
    """Cells side by side, of the same images and metric."""
    return replace(
        parts[0],
        value=np.concatenate([part.value for part in parts]),
        contributions=np.concatenate([part.contributions for part in parts], axis=1),
        counts=np.concatenate([part.counts for part in parts], axis=1),
        share=np.concatenate([part.share for part in parts]),
    )


def intervals(parts: Sequence[Estimates], *, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Computes the 95 % intervals of estimates from the same images, with the same resamples.

    Args:
        parts: Of one metric or several.
        seed: Decides the resamples, together with the number of images.

    Returns:
        low, high of each, [cell].
    """
    contributions = np.concatenate([part.contributions for part in parts], axis=1)
    counts = np.concatenate([part.counts & ~part.share for part in parts], axis=1)
    ends = np.empty((2, counts.shape[1]))
    last = np.full(counts.shape[1], len(counts))
    if parts[0].anytime:  # a cell that stopped has the interval that it had then, of its own images
        last = np.where(counts, np.arange(1, len(counts) + 1)[:, None], 0).max(axis=0, initial=0)
    for images in np.unique(last):
        own = last == images
        some = studentised(contributions[:images, own], counts[:images, own], seed)
        ends[:, own] = [tails[INTERVAL] for tails in some]
    stops = np.cumsum([len(part.value) for part in parts])[:-1]
    split = np.split(ends, stops, axis=1)
    return [part.ends(*own) for part, own in zip(parts, split, strict=True)]


def _constant(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which cells have one and the same value for every image that counts, and that value."""
    low = np.where(counts, values, np.inf).min(axis=0, initial=np.inf)
    high = np.where(counts, values, -np.inf).max(axis=0, initial=-np.inf)
    return low == high, low
