"""How equivariant each part of a network is: what the studies of paper 002 have in common.

Early, Middle and Late are read from per-image Pearson correlations of feature maps (002 eqs. 4 and
7, maps moved as the image is), averaged over channels, images, motions and layers. After global
pooling a map is one number and has no correlation over its places; Pool and Final are read from the
correlation over the images of the data set, channel by channel. Each number comes with the same
for shuffled pairs of images: the maximum over channels in eq. 7 is above eq. 4 by chance alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.models import PARTS
from invariscope.results import Result
from invariscope.studies.claims.evidence import over_seeds
from invariscope.studies.figures import Series, curves
from invariscope.studies.findings import Figure

INVARIANCE, EQUIVARIANCE = "invariance", "equivariance"
KINDS = (INVARIANCE, EQUIVARIANCE)
BEFORE_POOLING = ("Early", "Middle", "Late")
METRICS = ("channel_invariance", "channel_equivariance")
SHUFFLED = "shuffled"


def by_part(result: Result) -> pd.DataFrame:
    """Both measures in every part of a network.

    Args:
        result: Of one group or set of motions, measured with `METRICS`.

    Returns:
        One row per part and kind: ``part``, ``kind``, ``value`` (mean over layers and motions),
        ``null`` (of shuffled pairs, at the control levels), ``matched`` (``value`` at these).

    Raises:
        InputError: The run has no such metrics.
    """
    frame, controls = _plain(result.frame), _plain(result.controls)
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


def by_part_of_each(results: Sequence[Result], about: Sequence[Mapping[str, object]]):
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
    return chosen.groupby("seed", sort=True)[column].mean().to_numpy(dtype=np.float64)


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
        found = [over_seeds(per_seed(table, part, kind, **{by: name})) for part in PARTS]
        series.append(
            Series(
                str(name),
                range(len(PARTS)),
                [one.value for one in found],
                [one.low for one in found],
                [one.high for one in found],
            )
        )
    ticks = list(enumerate(PARTS))
    return curves(title, caption, series, x_label="part", y_label=kind, x_ticks=ticks)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["class"].isna() & (frame["level"] > 0)]


def _at(frame: pd.DataFrame, metric: str, part: str) -> pd.DataFrame:
    return frame[(frame["metric"] == metric) & (frame["part"] == part)]


def _mean(rows: pd.DataFrame) -> float:
    """Mean over the layers of the mean over levels; NaN for no row."""
    if rows.empty:
        return float("nan")
    return float(rows.groupby("layer", observed=True)["value"].mean().mean())
