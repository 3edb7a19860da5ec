"""Evidence for a claim: a number, its 95 % interval, and what was drawn to get it.

| from | what is drawn | interval |
|---|---|---|
| `over_seeds`, `paired` | training seeds | Student's t: mean ± t(0.975, n - 1) · s / √n |
| `over_images` | images (or pairs of images) | studentised, of `statistics.estimates` |
| `share` | trials that come out one way or the other | Clopper and Pearson 1934 |
| `resampled` | whatever the caller has drawn anew | percentiles of the replicates |

One seed has no interval, and neither have seeds that agree to the last digit: they do not say how
far others would lie. Where the step is known in which a number can change (an accuracy on m images:
1 / m), the standard deviation over seeds is at least that step.

Each kind of evidence also says how probable a value as far beyond a threshold would be if the true
one lay on it (one-sided): t with n - 1 degrees of freedom for seeds, the binomial law for a share,
the normal law with the replicates' spread for what is resampled.

A study that adds seeds looks several times, each time at a level of its own: `Evidence.at` makes
the interval of that level. That of `over_images` is the 95 % one, stretched as the normal law says.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from invariscope.errors import InputError
from invariscope.statistics.estimates import estimate
from invariscope.statistics.intervals import percentile_interval

if TYPE_CHECKING:
    import pandas as pd

#: Of all intervals; `verdict.LARGEST_P` is the rest.
CONFIDENCE = 0.95
ANY = (-math.inf, math.inf)
#: The step of a number of float32 near 1.
_ROUNDING = 2.0**-24
Numbers = Sequence[float | int] | np.ndarray


@dataclass(frozen=True)
class Evidence:
    """A number and how sure it is.

    Attributes:
        value: The statistic; NaN where it is undefined.
        low: Lower end of the 95 % interval; NaN where there is none.
        high: Upper end.
        n: How many were drawn.
        unit: What was drawn: "seeds", "images", "pairs", "classes", ….
        error: Standard error; NaN where there is none, and never 0.
        degrees: Degrees of freedom of its t law; infinite for the normal one.
        trials: (successes, trials) of a share.
        note: What a reader must know.
        bounds: What the number can be at all; intervals are cut there.
        ends: The interval at another level, where it is not that of `error` and `degrees`.
    """

    value: float
    low: float
    high: float
    n: int
    unit: str
    error: float = math.nan
    degrees: float = math.inf
    trials: tuple[int, int] | None = field(default=None)
    note: str = ""
    bounds: tuple[float, float] = ANY
    ends: Callable[[float], tuple[float, float]] | None = field(
        default=None, repr=False, compare=False
    )

    def at(self, level: float) -> "Evidence":
        """Makes the same evidence with the interval of another level.

        Args:
            level: The chance that the interval misses: 0.05 is 95 %.

        Example:
            >>> evidence = over_seeds([0.1, 0.2, 0.3])
            >>> round(evidence.at(0.05).low, 3), round(evidence.at(0.01).low, 3)
            (-0.048, -0.373)
        """
        from scipy import stats

        if self.ends is not None:
            low, high = self.ends(level)
        elif self.trials is not None:
            low, high = _exact(*self.trials, level)
        elif math.isfinite(self.degrees):
            half = float(stats.t.isf(level / 2, self.degrees)) * self.error
            low, high = self.value - half, self.value + half
        else:
            stretch = float(stats.norm.isf(level / 2) / stats.norm.isf((1 - CONFIDENCE) / 2))
            low = self.value - stretch * (self.value - self.low)
            high = self.value + stretch * (self.high - self.value)
        return replace(self, low=_cut(low, self.bounds), high=_cut(high, self.bounds))

    def tail(self, threshold: float) -> float:
        """P(as far above or farther), if the true value were the threshold; NaN if unknown."""
        from scipy import stats

        if self.trials is not None:
            successes, trials = self.trials
            return float(stats.binom.sf(successes - 1, trials, min(max(threshold, 0.0), 1.0)))
        if math.isnan(self.value) or not self.error > 0:
            return math.nan
        return float(stats.t.sf((self.value - threshold) / self.error, self.degrees))

    def lower_tail(self, threshold: float) -> float:
        """P(as far below or farther), if the true value were the threshold; NaN if unknown."""
        from scipy import stats

        if self.trials is not None:
            successes, trials = self.trials
            return float(stats.binom.cdf(successes, trials, min(max(threshold, 0.0), 1.0)))
        if math.isnan(self.value) or not self.error > 0:
            return math.nan
        return float(stats.t.cdf((self.value - threshold) / self.error, self.degrees))


def over_seeds(
    values: Numbers,
    *,
    unit: str = "seeds",
    bounds: tuple[float, float] = ANY,
    resolution: float = 0.0,
) -> Evidence:
    """The mean over seeds, with Student's t interval.

    Args:
        values: [seed]; what is not finite does not count and is mentioned.
        unit: What the values stand for, where it is not a training seed.
        bounds: What the number can be at all; the interval is cut there.
        resolution: The step in which each value can change, such as 1 / images tested; 0 where
            that is not known.

    Raises:
        InputError: Not one list of numbers.

    Example:
        >>> evidence = over_seeds([0.1, 0.2, 0.3])
        >>> round(evidence.value, 3), round(evidence.low, 3), round(evidence.high, 3), evidence.n
        (0.2, -0.048, 0.448, 3)
        >>> over_seeds([0.5, 0.5]).note, over_seeds([0.5, 0.5], resolution=0.01).high > 0.5
        ('2 equal seeds do not say how far others would lie', True)
    """
    from scipy import stats

    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InputError(f"values have shape {array.shape}: one number for each of the {unit}")
    known = array[np.isfinite(array)]
    n = len(known)
    lost = len(array) - n
    notes = [f"undefined for {lost} of {len(array)} {unit}"] if lost else []
    if n < 2:
        single = unit.removesuffix("s")
        notes.append(f"one {single} has no interval" if n else f"no {single} has a value")
        value = float(known[0]) if n else math.nan
        return Evidence(value, math.nan, math.nan, n, unit, note="; ".join(notes))
    value, spread = float(known.mean()), float(known.std(ddof=1))
    if np.ptp(known) <= _ROUNDING * max(1.0, abs(value)):  # 0.9 - 0.6 and 0.6 - 0.3 are equal
        value, spread = float(known[0]), 0.0
    if not max(spread, resolution) > 0:
        notes.append(f"{n} equal {unit} do not say how far others would lie")
        return Evidence(value, math.nan, math.nan, n, unit, note="; ".join(notes))
    error = max(spread, resolution) / math.sqrt(n)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    low, high = _cut(value - half, bounds), _cut(value + half, bounds)
    return Evidence(value, low, high, n, unit, error, n - 1, note="; ".join(notes), bounds=bounds)


def seed_values(rows: "pd.DataFrame", table: "pd.DataFrame", column: str = "value") -> np.ndarray:
    """Takes the mean of some rows of each seed, in the order of the seeds.

    A number that is undefined for a seed, such as the similarity of dead channels, has no row in a
    table of results. It is NaN here, so that two arrays of the same table belong together.

    Args:
        rows: The chosen rows.
        table: The table that they are from, with a column ``seed``.
        column: Which number.

    Returns:
        [seed], of all seeds of the table.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"seed": [1, 0, 2], "value": [0.5, 0.25, 0.75]})
        >>> seed_values(table[table["value"] < 0.7], table)
        array([0.25, 0.5 ,  nan])
    """
    means = rows.groupby("seed")[column].mean()
    return means.reindex(sorted(table["seed"].unique())).to_numpy(dtype=np.float64)


def image_step(table: "pd.DataFrame") -> float:
    """Returns the step in which accuracies of a table can change: one of the images tested.

    Args:
        table: With a column ``num_test``; 0 where it has none.

    Example:
        >>> import pandas as pd
        >>> image_step(pd.DataFrame({"accuracy": [0.5, 0.25], "num_test": 1000}))
        0.001
    """
    return 1 / float(table["num_test"].min()) if "num_test" in table else 0.0


def accuracy_over_seeds(values: Numbers, *, resolution: float = 0.0) -> Evidence:
    """The mean of accuracies, one per seed: an interval within 0 and 1.

    Example:
        >>> evidence = accuracy_over_seeds([0.9, 0.7, 0.95])
        >>> round(evidence.value, 3), round(evidence.low, 3), evidence.high
        (0.85, 0.521, 1.0)
    """
    return over_seeds(values, bounds=(0.0, 1.0), resolution=resolution)


def correlation_over_seeds(values: Numbers, *, ranked: int = 0) -> Evidence:
    """The mean of correlations, one per seed: an interval within -1 and 1.

    Args:
        values: [seed].
        ranked: How many things each seed's rank correlation is over: two neighbours that change
            places are its smallest step.

    Example:
        >>> evidence = correlation_over_seeds([0.2, -0.4])
        >>> round(evidence.value, 3), evidence.low, evidence.high
        (-0.1, -1.0, 1.0)
    """
    step = 12 / (ranked * (ranked**2 - 1)) if ranked > 1 else 0.0
    return over_seeds(values, bounds=(-1.0, 1.0), resolution=step)


def paired(
    values: Numbers,
    others: Numbers,
    *,
    unit: str = "seeds",
    resolution: float = 0.0,
) -> Evidence:
    """The mean of values - others, seed by seed; arguments as for `over_seeds`.

    Raises:
        InputError: Another number of seeds on the two sides.

    Example:
        >>> paired([0.9, 0.8], [0.7, 0.6]).value
        0.2...
    """
    first, second = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if first.shape != second.shape:
        raise InputError(
            f"{first.shape} values against {second.shape}: a pair needs both for each of the {unit}"
        )
    return over_seeds(first - second, unit=unit, resolution=resolution)


def over_images(
    values: Numbers,
    *,
    seed: int = 0,
    unit: str = "images",
) -> Evidence:
    """Computes the mean over images with the interval of results.

    Numbers that are equal to the last bit are known to the rounding of float32.

    Args:
        values: [image], in the run's order; what is not finite does not count.
        seed: Decides the resamples.
        unit: What the values stand for, where it is not an image.

    Raises:
        InputError: Not one list of numbers.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InputError(f"values have shape {array.shape}: one number for each of the {unit}")
    made = estimate(array[:, None])
    n, low, high = int(made.n[0]), *made.interval(seed=seed)
    note = f"{n} {unit}: no interval" if n < 2 else ""
    value, error = float(made.value[0]), float(made.error[0]) if n > 1 else math.nan
    least = _ROUNDING * max(abs(value), 1.0)
    ends = min(float(low[0]), value - 2 * least), max(float(high[0]), value + 2 * least)
    return Evidence(value, *ends, n, unit, max(error, least), note=note)


def resampled(value: float, replicates: np.ndarray, *, n: int, unit: str) -> Evidence:
    """A statistic whose resamples the caller has drawn.

    Args:
        value: The statistic of the data as they are.
        replicates: [resample]; undefined ones do not count.
        n: How many things were drawn in each resample.
        unit: What these are.
    """
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        note = "undefined in every resample"
        return Evidence(value, math.nan, math.nan, n, unit, note=note)

    def ends(level: float) -> tuple[float, float]:
        low, high = percentile_interval(known[None], 1 - level)
        return float(low[0]), float(high[0])

    error = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    if not error > 0:
        note = "the same in every resample"
        return Evidence(float(value), math.nan, math.nan, n, unit, note=note)
    return Evidence(float(value), *ends(1 - CONFIDENCE), n, unit, error, ends=ends)


def share(successes: int, trials: int, *, unit: str) -> Evidence:
    """A share of independent trials, with the interval of Clopper and Pearson.

    Against 0.5 it is the sign test.

    Raises:
        InputError: Not 0 ≤ successes ≤ trials, or no trial.

    Example:
        >>> evidence = share(9, 9, unit="classes")
        >>> evidence.value, round(evidence.low, 3), evidence.high
        (1.0, 0.664, 1.0)
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise InputError(f"{successes} of {trials} {unit}: give 0 ≤ successes ≤ trials, trials ≥ 1")
    counts = int(successes), int(trials)
    low, high = _exact(*counts, 1 - CONFIDENCE)
    return Evidence(successes / trials, low, high, trials, unit, trials=counts)


def interval(value: float, low: float, high: float, *, n: int, unit: str) -> Evidence:
    """Evidence from an interval that was computed elsewhere.

    Its standard error is that of a normal law with such an interval; one without width is none.
    """
    error = (high - low) / (2 * 1.959963984540054)
    if not error > 0:
        return Evidence(float(value), math.nan, math.nan, int(n), unit)
    return Evidence(float(value), float(low), float(high), int(n), unit, float(error))


def _exact(successes: int, trials: int, level: float) -> tuple[float, float]:
    from scipy import stats

    ends = stats.binomtest(successes, trials).proportion_ci(1 - level, method="exact")
    return float(ends.low), float(ends.high)


def _cut(end: float, bounds: tuple[float, float]) -> float:
    return min(max(end, bounds[0]), bounds[1])  # NaN stays
