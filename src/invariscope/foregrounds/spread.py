r"""Measures how much boxes vary over a data set, by their size and by their place.

For each measure of a box (`invariscope.foregrounds.boxes`) and for the scale √area, over all images
and by class: mean, standard deviation (n − 1), standard error of the mean (deviation / √n), the
quantiles 5, 25, 50, 75 and 95 %, and 95 % bootstrap intervals of mean and deviation over images.

**Size against place.** Paper 000 (App. E.1) finds more variation in scale than in translation. To
say so the two need one unit. Here it is the motion of the box's edges, in frames. The edges of a
box lie at x ± width/2 and y ± height/2, and over a data set their variances are, exactly,

    ½ [Var(left) + Var(right)]  = Var(x) + Var(width)/4
    ½ [Var(top)  + Var(bottom)] = Var(y) + Var(height)/4

so that the mean variance of an edge is the sum of a part by place and a part by size:

    translation²  = ½ [Var(x) + Var(y)]            size²  = ⅛ [Var(width) + Var(height)]
    size_share    = size² / (size² + translation²)

`translation` and `size` are root mean squares, in frames. `size_share` is 0 where only the place
varies, 1 where only the size does, above ½ where the size varies more. It does not change when the
threshold's box is mirrored, when x and y change roles, or when all boxes are magnified together.
Not defined (NaN) for less than two boxes, or where nothing varies. Each box lies inside its frame,
so the size bounds the place (|x − ½| ≤ (1 − width)/2): large objects cannot move far, and a high
share of size is partly that.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from invariscope.foregrounds.boxes import MEASURES
from invariscope.statistics.intervals import (
    bootstrap_replicates,
    exact_sums,
    percentile_interval,
)

SUMMARISED = (*MEASURES, "scale")
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
EVERY = ""
"""The name of the class that stands for all images."""

_NOTHING = 1e-18  # a billionth of the frame, squared
_SIDES = ("width", "height")
_CENTRES = ("x", "y")


def summarise_boxes(images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Computes statistics of each measure over all images and by class.

    Args:
        images: One row per image with the columns class, `MEASURES`; rows without a box have NaN.
        seed: Decides the resamples.

    Returns:
        One row per class ("" for all) and measure: class, measure, n (boxes), mean, mean_low,
        mean_high, sd, sd_low, sd_high, sem and the quantiles. Statistics of nothing are NaN.
    """
    rows = []
    for name, part in _parts(images):
        values = _values(part)
        moments = _moments(values, seed)
        for column, measure in enumerate(SUMMARISED):
            rows.append({"class": name, "measure": measure, "n": len(values)})
            rows[-1] |= _statistics(values[:, column], moments, column)
    return pd.DataFrame(rows)


def compare_size_and_place(images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Compares how boxes vary by size and by place, over all images and by class.

    Args:
        images: As in `summarise_boxes`.
        seed: Decides the resamples.

    Returns:
        One row per class ("" for all): class, n, and translation, size, size_share, each with the
        ends _low and _high of its 95 % interval.
    """
    rows = []
    for name, part in _parts(images):
        values = _values(part)
        _, replicates = _moments(values, seed)
        rows.append({"class": name, "n": len(values)})
        measured = _spread(values.var(axis=0, keepdims=True).T if len(values) > 1 else None)
        drawn = _spread(replicates)
        for key, value in measured.items():
            low, high = percentile_interval(drawn[key][None])
            rows[-1] |= {key: float(value[0]), f"{key}_low": low[0], f"{key}_high": high[0]}
    return pd.DataFrame(rows)


def _parts(images: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield EVERY, images
    for name, part in images[images["class"] != EVERY].groupby("class", sort=True):
        yield str(name), part


def _values(images: pd.DataFrame) -> np.ndarray:
    """float64 [box, measure of `SUMMARISED`]."""
    table = images[list(MEASURES)].to_numpy(dtype=np.float64)
    table = table[np.isfinite(table).all(axis=1)]
    return np.column_stack([table, np.sqrt(table[:, MEASURES.index("area")])])


def _moments(values: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Computes means [measure, replicate] and variances (over n) of resamples; NaN below two."""
    count, width = values.shape
    if count < 2:
        nothing = np.full((width, 1), np.nan)
        return nothing, nothing
    centre = values.mean(axis=0)
    away = values - centre  # so that the squares do not cancel
    drawn = bootstrap_replicates(exact_sums(np.hstack([away, away**2])), seed=seed)
    shift = drawn[:width]
    return shift + centre[:, None], np.maximum(drawn[width:] - shift**2, 0.0)


def _statistics(
    values: np.ndarray, moments: tuple[np.ndarray, np.ndarray], column: int
) -> dict[str, float]:
    count = len(values)
    means, variances = moments[0][column], moments[1][column]
    unbiased = np.sqrt(count / (count - 1)) if count > 1 else np.nan
    deviation = float(values.std() * unbiased) if count else np.nan
    mean_low, mean_high = percentile_interval(means[None])
    sd_low, sd_high = percentile_interval(np.sqrt(variances)[None] * unbiased)
    numbers = {
        "mean": float(values.mean()) if count else np.nan,
        "mean_low": mean_low[0], "mean_high": mean_high[0],
        "sd": deviation, "sd_low": sd_low[0], "sd_high": sd_high[0],
        "sem": deviation / np.sqrt(count) if count else np.nan,
    }  # fmt: skip
    for name, share in QUANTILES.items():
        numbers[name] = float(np.quantile(values, share)) if count else np.nan
    return numbers


def _spread(variances: np.ndarray | None) -> dict[str, np.ndarray]:
    """Computes statistics [replicate] of variances [measure, replicate]."""
    if variances is None:
        variances = np.full((len(SUMMARISED), 1), np.nan)
    # what is left of numbers that are equal when their mean is subtracted
    variances = np.where(variances < _NOTHING, 0.0, variances)
    position = sum(variances[SUMMARISED.index(name)] for name in _CENTRES) / 2
    size = sum(variances[SUMMARISED.index(name)] for name in _SIDES) / 8
    total = np.asarray(position + size)
    share = np.full(total.shape, np.nan)
    np.divide(size, total, out=share, where=total > 0)
    return {"translation": np.sqrt(position), "size": np.sqrt(size), "size_share": share}
