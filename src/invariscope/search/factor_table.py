"""Computes the table of what varies: a row for each class and family.

| column | meaning |
|---|---|
| class, family | the family as `measure` knows it |
| statistic | the share of the distance within the class that a level chosen for each pair closes,
minus the same between classes (`search.closing`) |
| ci_low, ci_high | its interval, 95 % for all families of the class together |
| p | one-sided p of a share that is hardly above that of other classes (`search.evidence`) |
| q | p corrected for all classes and families of the table (Holm 1979): by chance, in at most 5 %
of tables there is any q < 0.05. Found means q < 0.05 |
| beside, added | the stronger families that it was measured beside ("rotate, hue"), and the share
that it adds to them |
| images, rests_on | images of the class that were moved; of them those that p rests on |
| low, high, unit, signed | the magnitudes of the levels that close the distance |
| lost, lost_low | the share of images that its mildest level takes nearest to another class, and
the lower end of its exact 95 % interval: such an augmentation would hurt |

Families of opposite directions (zoom in and zoom out) have one statistic together and count once
in q. NaN where a class has fewer than 4 images, or where there is no other class.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import special

from invariscope.search.closing import left_out, shares_of_levels
from invariscope.search.families import Axis, Level, axes
from invariscope.search.rows import PairRows
from invariscope.search.square import Square, square
from invariscope.search.stepwise import FEWEST, Decision, decide
from invariscope.statistics.shares import exact_share

SURE = 0.05
_NUMBERS = ("statistic", "ci_low", "ci_high", "p", "q", "added")
_ENDS = ("low", "high", "lost", "lost_low")
FACTOR_SCHEMA = pa.schema(
    [
        pa.field("class", pa.string()),
        pa.field("family", pa.string()),
        *(pa.field(name, pa.float64()) for name in _NUMBERS),
        pa.field("beside", pa.string()),
        pa.field("images", pa.int64()),
        pa.field("rests_on", pa.int64()),
        *(pa.field(name, pa.float64()) for name in _ENDS),
        pa.field("unit", pa.string()),
        pa.field("signed", pa.bool_()),
    ]
)


def tabulate_factors(
    rows: PairRows,
    classes: Sequence[Mapping[str, Any]],
    operations: Sequence[Mapping[str, Any]],
) -> pd.DataFrame:
    """Computes the table from the rows of one class after the other.

    Args:
        rows: The rows.
        classes: The manifest's classes, in the order of the rows.
        operations: The manifest's operations.
    """
    families = axes(operations)
    made = [
        row | {"class": entry["name"], "images": entry["moved"]}
        for number, entry in enumerate(classes)
        for row in _of_class(square(rows.of_class(number)), families)
    ]
    frame = pd.DataFrame(made, columns=["axis", *FACTOR_SCHEMA.names])
    frame["q"] = _corrected(frame)
    return frame[FACTOR_SCHEMA.names].astype({"images": np.int64, "rests_on": np.int64})


def _corrected(frame: pd.DataFrame) -> pd.Series:
    """Holm's correction, of classes and axes; the families of an axis have one p."""
    tests = frame.drop_duplicates(["class", "axis"])
    tests = tests[tests["p"].notna()].sort_values("p", kind="stable")
    left = np.arange(len(tests), 0, -1)
    q = np.minimum(1.0, np.maximum.accumulate(tests["p"].to_numpy(float) * left))
    known = dict(zip(zip(tests["class"], tests["axis"], strict=True), q, strict=True))
    keys = zip(frame["class"], frame["axis"], strict=True)
    return pd.Series([known.get(key, math.nan) for key in keys], frame.index, dtype=float)


def _of_class(of_class: Square | None, families: Sequence[Axis]) -> list[dict[str, Any]]:
    """Makes the rows of a class."""
    if of_class is None or min(of_class.before[0].shape[0], len(of_class.before[1])) < FEWEST:
        of_class = None
        decisions: list[Decision | None] = [None] * len(families)
        shares = [np.full(len(axis.levels), math.nan) for axis in families]
        roots = [(math.nan, math.nan)] * len(families)
    else:
        gains, distances = [of_class.gains(axis) for axis in families], of_class.distances
        finer = [of_class.finer(axis) for axis in families]
        shares = [shares_of_levels(of_axis, distances) for of_axis in gains]
        erasing = [place for place, axis in enumerate(families) if _erases(axis, shares[place])]
        decisions = list(decide(gains, finer, distances, erasing))
        roots = [left_out(of_axis, distances) for of_axis in gains]
    names = [" and ".join(axis.families) for axis in families]
    made = []
    for number, (axis, decision) in enumerate(zip(families, decisions, strict=True)):
        numbers = _numbers(decision, roots[number], len(families), names)
        for family in axis.families:
            levels = [level for level in axis.levels if level.family == family]
            made.append(
                {"axis": number, "family": family, **numbers, "unit": levels[0].unit}
                | {"signed": any(level.signed for level in levels)}
                | _range(shares[number], axis, levels)
                | _lost(of_class, axis, family)
            )
    return made


def _numbers(
    decision: Decision | None, roots: tuple[float, float], families: int, names: Sequence[str]
) -> dict[str, Any]:
    """Makes the numbers of an axis; `roots` are √W − √B and its standard error."""
    if decision is None:
        return dict.fromkeys(_NUMBERS, math.nan) | {"beside": "", "rests_on": 0}
    share = decision.alone
    root, error = roots
    images = share.influence.shape[1]
    reach = -float(special.stdtrit(images - 1, SURE / families / 2)) * error
    both = math.sqrt(max(share.within, 0)) + math.sqrt(max(share.between, 0))
    return {
        "statistic": share.value,
        "ci_low": (root - reach) * both,
        "ci_high": min(1.0, (root + reach) * both),
        "p": decision.p,
        "added": decision.added,
        "beside": ", ".join(names[place] for place in decision.beside),
        "rests_on": decision.images,
    }


def _erases(axis: Axis, shares: np.ndarray) -> bool:
    """Whether more than half of what an axis closes is closed by levels that erase."""
    closing = shares.clip(min=0)
    erasing = np.array([level.erases for level in axis.levels])
    return bool(closing[erasing].sum() > closing.sum() / 2)


def _range(shares: np.ndarray, axis: Axis, levels: Sequence[Level]) -> dict[str, float]:
    """Finds the weakest and the strongest level that closes a twentieth of what the axis does."""
    least = max(shares.clip(min=0).sum() / 20, 1e-9)
    held = [
        level.magnitude
        for level, share in zip(axis.levels, shares, strict=True)
        if share >= least and level in levels
    ]
    return {"low": min(held, default=math.nan), "high": max(held, default=math.nan)}


def _lost(of_class: Square | None, axis: Axis, family: str) -> dict[str, float]:
    lost, at_home = (0, 0) if of_class is None else of_class.lost(axis, family)
    if not at_home:
        return {"lost": math.nan, "lost_low": math.nan}
    share, images = np.array([lost / at_home]), np.array([float(at_home)])
    low, _ = exact_share(share, np.zeros(1), images, anytime=False)
    return {"lost": float(share[0]), "lost_low": float(low[0])}
