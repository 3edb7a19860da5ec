"""What the channels of one layer do: where they go, which are extreme, and what chance gives."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from invariscope.report.kit.words import number, percent

EXTREME = 5
#: Of a normal distribution: 95 % lie within so many standard errors.
_WITHIN = 1.96


@dataclass(frozen=True)
class Fate:
    """Where the channels of a layer go under one element."""

    label: str
    exact: bool
    living: int
    itself: int
    other: int
    dead: int
    above: str
    limit: str


@dataclass(frozen=True)
class Extreme:
    """A channel at one end: its correlation with interval, and what it becomes."""

    channel: int
    text: str
    becomes: str


@dataclass(frozen=True)
class Ends:
    """The channels with the largest and the smallest correlations."""

    title: str
    rows: list[Extreme]


def rows_of(table: pd.DataFrame, layer: str, cell: str, control: str = "") -> pd.DataFrame:
    """The channels of a layer at a cell, in order."""
    chosen = (table["layer"] == layer) & (table["cell"] == cell) & (table["control"] == control)
    return table[chosen].sort_values("channel")


def fate(label: str, measured: pd.DataFrame, null: pd.DataFrame) -> Fate:
    """Counts of channels that stay themselves, become another one, or are dead.

    Args:
        label: What the element is called.
        measured: Rows of the measurement.
        null: Rows with another image's maps; may be empty.
    """
    match, channel = measured["match"].to_numpy(), measured["channel"].to_numpy()
    living = match >= 0
    itself = int((living & (match == channel)).sum())
    chance = null["equivariance"].to_numpy(dtype=float)
    chance = chance[np.isfinite(chance)]
    above, limit = "–", "–"
    if chance.size and living.any():
        line = float(np.quantile(chance, 0.95))
        values = measured["equivariance"].to_numpy(dtype=float)[living]
        above, limit = percent(float((values > line).mean())), number(line)
    return Fate(
        label, bool(measured["exact"].all()), int(living.sum()), itself,
        int(living.sum()) - itself, int((~living).sum()), above, limit,
    )  # fmt: skip


def extremes(measured: pd.DataFrame) -> list[Ends]:
    """The most and least invariant and equivariant living channels at one element.

    Intervals are ±1.96 standard errors over images, held within -1 and 1.
    """
    found = []
    for column, quality in (("invariance", "invariant"), ("equivariance", "equivariant")):
        living = measured[np.isfinite(measured[column].to_numpy(dtype=float))]
        count = min(EXTREME, len(living) // 2)
        if not count:
            continue
        ranked = living.sort_values([column, "channel"], ascending=[False, True])
        ends = ((f"Most {quality}", ranked.head(count)), (f"Least {quality}", ranked[::-1]))
        found += [
            Ends(title, [_extreme(row, column) for row in rows.head(count).to_dict("records")])
            for title, rows in ends
        ]
    return found


def _extreme(row: dict, column: str) -> Extreme:
    value, error = float(row[column]), float(row[f"{column}_error"])
    text = number(value)
    if np.isfinite(error):
        low, high = max(-1.0, value - _WITHIN * error), min(1.0, value + _WITHIN * error)
        text += f" [{number(low)}, {number(high)}]"
    channel, match = int(row["channel"]), int(row["match"])
    return Extreme(channel, text, "itself" if match == channel else str(match))
