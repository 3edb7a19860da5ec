"""Measures how equivariant each part of a network is, for all studies of paper 002.

Early, Middle and Late are read from per-image Pearson correlations of feature maps (002 eqs. 4 and
7, maps moved as the image is), averaged over channels, images, motions and layers. After global
pooling a map is one number and has no correlation over its places; Pool and Final are read from the
correlation over the images of the data set, channel by channel. Each number comes with the same
for shuffled pairs of images: the maximum over channels in eq. 7 is above eq. 4 by chance alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from invariscope.errors import InputError
from invariscope.models import PARTS
from invariscope.results import Result
from invariscope.results.averages import cells_of
from invariscope.studies.claims.evidence import over_seeds, seed_values
from invariscope.studies.lab.figures import Curve, curves
from invariscope.studies.lab.findings import Figure

INVARIANCE, EQUIVARIANCE = "invariance", "equivariance"
KINDS = (INVARIANCE, EQUIVARIANCE)
BEFORE_POOLING = ("Early", "Middle", "Late")
METRICS = ("channel_invariance", "channel_equivariance")
SHUFFLED = "shuffled"


def by_part(result: Result, transformation: str | None = None) -> pd.DataFrame:
    """Both measures in every part of a network.

    Args:
        result: Measured with `METRICS`.
        transformation: The group or set of motions, where the run has several.

    Returns:
        One row per part and kind: ``part``, ``kind``, ``value`` (mean over layers and motions),
        ``null`` (of shuffled pairs, at the control levels), ``matched`` (``value`` at these).

    Raises:
        InputError: The run has no such metrics.
    """
    frame, controls = _plain(result.frame, transformation), _plain(result.controls, transformation)
    controls = controls[controls["control"] == SHUFFLED]
    rows = []
    for part in PARTS:
        for kind in KINDS:
            metric = f"channel_{kind}" + ("" if part in BEFORE_POOLING else ":pooled")
            own = _at(frame, metric, part)
            null = _at(controls, metric, part)
            matched = own[own["level"].isin(null["level"].unique())]
            rows.append((part, kind, _mean(own), _mean(null), _mean(matched)))
    table = pd.DataFrame(rows, columns=["part", "kind", "value", "null", "matched"])
    if table["value"].isna().all():
        raise InputError("the run has no channel measures: measure it with METRICS")
    return table


def by_part_of_each(results: Sequence[Result], about: Sequence[Mapping[str, Any]]):
    """`by_part` of several runs in one table, each with columns that say which it is.

    Raises:
        ValueError: Not as many descriptions as results.
    """
    tables = [by_part(result).assign(**facts) for result, facts in zip(results, about, strict=True)]
    table = pd.concat(tables, ignore_index=True)
    first = [name for name in about[0] if name in table]
    return table[[*first, *(name for name in table if name not in first)]]


def per_seed(table: pd.DataFrame, part: str, kind: str, column: str = "value", **which: object):
    """The values of a part, one per seed, in the order of the seeds.

    Args:
        table: From `by_part_of_each`, with a column ``seed``.
        part: The part.
        kind: "invariance" or "equivariance".
        column: Which number.
        **which: Further columns and their values; the mean over what they leave open.
    """
    chosen = table[(table["part"] == part) & (table["kind"] == kind)]
    for name, value in which.items():
        chosen = chosen[chosen[name] == value]
    return seed_values(chosen, table, column)


def above_chance(table: pd.DataFrame, part: str, kind: str, **which: object) -> np.ndarray:
    """Takes off what shuffled pairs of images give at the same motions, seed by seed.

    The maximum over channels is large by chance alone: untrained networks reach .3 to .8, the more
    the wider they are. Arguments as for `per_seed`.
    """
    own, chance = (per_seed(table, part, kind, column, **which) for column in ("matched", "null"))
    return own - chance


def parts_figure(title: str, caption: str, table: pd.DataFrame, by: str, kind: str) -> Figure:
    """A curve over the parts for each group, with its 95 % interval over seeds.

    Args:
        title: A few words.
        caption: How to read it.
        table: From `by_part_of_each`.
        by: The column of the groups.
        kind: "invariance" or "equivariance".
    """
    series = []
    for name in table[by].unique():
        by_part = [over_seeds(per_seed(table, part, kind, **{by: name})) for part in PARTS]
        series.append(Curve.of(str(name), range(len(PARTS)), by_part))
    ticks = list(enumerate(PARTS))
    return curves(title, caption, series, x_label="part", y_label=kind, x_ticks=ticks)


def by_image(result: Result, transformation: str, part: str, kind: str) -> np.ndarray:
    """Returns what `by_part` averages, for each image, less the same of shuffled pairs: [image].

    Images are in the run's order; motions are those at which shuffled pairs were measured.

    Args:
        result: Measured with `METRICS`.
        transformation: The group or set of motions.
        part: The part.
        kind: "invariance" or "equivariance".
    """
    metric = f"channel_{kind}" + ("" if part in BEFORE_POOLING else ":pooled")
    settings = result.manifest["settings"]
    layers = [layer["name"] for layer in settings["layers"] if layer["part"] == part]
    cells = cells_of(settings["cells"])[transformation]
    by_layer = []
    for layer in layers:
        both = {series.control: series for series in result.store.dense(layer)
                if series.metric == metric and series.control in ("", SHUFFLED)}  # fmt: skip
        if len(both) < 2:
            continue
        shown = [cell for cell in cells if all(cell in series.cells for series in both.values())]
        own, chance = (_over_cells(both[control], shown) for control in ("", SHUFFLED))
        by_layer.append(own - chance)
    return known_mean(np.array(by_layer), axis=0)


def _over_cells(series: Any, cells: Sequence[str]) -> np.ndarray:
    columns = [series.cells.index(cell) for cell in cells]
    return known_mean(series.values[:, columns].astype(np.float64), axis=1)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation; NaN where one of them is constant.

    Example:
        >>> rank_correlation(np.array([1, 2, 3]), np.array([0.1, 0.3, 0.2]))
        0.5
    """
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return round(float(np.corrcoef(rankdata(x), rankdata(y))[0, 1]), 12)


def known_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is defined; NaN where nothing is."""
    return np.ma.masked_invalid(values).mean(axis=axis).filled(np.nan)


def _plain(frame: pd.DataFrame, transformation: str | None) -> pd.DataFrame:
    frame = frame[frame["class"].isna() & (frame["level"] > 0)]
    return frame if transformation is None else frame[frame["transformation"] == transformation]


def _at(frame: pd.DataFrame, metric: str, part: str) -> pd.DataFrame:
    return frame[(frame["metric"] == metric) & (frame["part"] == part)]


def _mean(rows: pd.DataFrame) -> float:
    """Mean over the layers of the mean over levels; NaN for no row."""
    if rows.empty:
        return float("nan")
    return float(rows.groupby("layer", observed=True)["value"].mean().mean())
