r"""Measures how much boxes vary over a data set, by their size and by their place.

For each measure of a box (`invariscope.foregrounds.boxes`) and for the scale √area, over all images
and by class: mean, standard deviation (n − 1), standard error of the mean (deviation / √n), the
quantiles 5, 25, 50, 75 and 95 %, and 95 % intervals of mean and deviation over images. A variance
is the mean of squared distances from the mean, and `size_share` a ratio of sums over images: their
intervals are those of all results (`statistics.estimates`).

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
from invariscope.statistics.estimates import Estimates, estimate

SUMMARISED = (*MEASURES, "scale")
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
EVERY = ""
"""The name of the class that stands for all images."""

_NOTHING = 1e-18  # a billionth of the frame, squared
_MOMENTS = ("mean", "mean_low", "mean_high", "sd", "sd_low", "sd_high", "sem")
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
        rows += _statistics(name, values, seed)
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
        rows.append({"class": name, "n": len(values)})
        for key, ends in _spread(values, seed).items():
            rows[-1] |= dict(zip((key, f"{key}_low", f"{key}_high"), ends, strict=True))
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


def _squares(values: np.ndarray) -> np.ndarray:
    """Squared distances from the mean [box, measure], whose mean is the variance (over n)."""
    squares = (values - values.mean(axis=0)) ** 2
    # what is left of numbers that are equal when their mean is subtracted
    squares[:, squares.mean(axis=0) < _NOTHING] = 0.0
    return squares


def _statistics(name: str, values: np.ndarray, seed: int) -> list[dict[str, float | int | str]]:
    """One row per measure."""
    count = len(values)
    if not count:
        nothing = dict.fromkeys((*_MOMENTS, *QUANTILES), np.nan)
        return [{"class": name, "measure": measure, "n": 0} | nothing for measure in SUMMARISED]
    mean = _with_ends(estimate(values), seed)
    unbiased = np.sqrt(count / (count - 1)) if count > 1 else np.nan
    deviation = unbiased * np.sqrt(_with_ends(estimate(_squares(values), bounds=(0, None)), seed))
    columns = (*mean, *deviation, deviation[0] / np.sqrt(count))
    quantiles = np.quantile(values, list(QUANTILES.values()), axis=0)
    table = dict(zip((*_MOMENTS, *QUANTILES), (*columns, *quantiles), strict=True))
    return [
        {"class": name, "measure": measure, "n": count}
        | {key: float(column[k]) for key, column in table.items()}
        for k, measure in enumerate(SUMMARISED)
    ]


def _with_ends(made: Estimates, seed: int) -> np.ndarray:
    """Values and both ends of their intervals, [3, cell]."""
    return np.stack([made.value, *made.interval(seed=seed)])


def _spread(values: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Translation, size and size_share, each with both ends [3]; NaN below two boxes."""
    if len(values) < 2:
        return dict.fromkeys(("translation", "size", "size_share"), np.full(3, np.nan))
    squares = _squares(values)
    place, size = (
        squares[:, [SUMMARISED.index(name) for name in names]].sum(axis=1) / parts
        for names, parts in ((_CENTRES, 2), (_SIDES, 8))
    )
    both = np.stack([place, size], axis=1)
    ends = np.sqrt(_with_ends(estimate(both, bounds=(0, None)), seed))
    total = (place + size)[:, None]
    share = np.divide(size[:, None], total, out=np.zeros_like(total), where=total > 0)
    known = _with_ends(estimate(share, total, kind="ratio", bounds=(0, 1)), seed)
    return {"translation": ends[:, 0], "size": ends[:, 1], "size_share": known[:, 0]}
