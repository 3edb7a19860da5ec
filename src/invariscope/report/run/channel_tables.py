"""Tabulates the channels of one layer: where they go, the extreme ones, and the null."""

import numpy as np
import pandas as pd

from invariscope.report.kit.words import number, percent

EXTREME = 5
#: Of a normal distribution: 95 % lie within so many standard errors.
_WITHIN = 1.96


def rows_of(table: pd.DataFrame, layer: str, cell: str, control: str = "") -> pd.DataFrame:
    """The channels of a layer at a cell, in order."""
    chosen = (table["layer"] == layer) & (table["cell"] == cell) & (table["control"] == control)
    return table[chosen].sort_values("channel")


def fate(measured: pd.DataFrame, null: pd.DataFrame) -> tuple[int, int, int, str, str]:
    """Counts of channels that stay themselves, become another one, or are dead; chance.

    Args:
        measured: Rows of the measurement.
        null: Rows with another image's maps; may be empty.

    Returns:
        The three counts, then the share of channels above chance and where chance ends, as texts.
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
    return itself, int(living.sum()) - itself, int((~living).sum()), above, limit


def extremes(measured: pd.DataFrame) -> list[tuple[str, list[tuple[int, str, str]]]]:
    """The most and least invariant and equivariant living channels at one element.

    Intervals are ±1.96 standard errors over images, held within -1 and 1.
    """
    ends_of = []
    for column, quality in (("invariance", "invariant"), ("equivariance", "equivariant")):
        living = measured[np.isfinite(measured[column].to_numpy(dtype=float))]
        count = min(EXTREME, len(living) // 2)
        if not count:
            continue
        ranked = living.sort_values([column, "channel"], ascending=[False, True])
        ends = ((f"Most {quality}", ranked.head(count)), (f"Least {quality}", ranked[::-1]))
        ends_of += [
            (title, [_extreme(row, column) for row in rows.head(count).to_dict("records")])
            for title, rows in ends
        ]
    return ends_of


def _extreme(row: dict, column: str) -> tuple[int, str, str]:
    value, error = float(row[column]), float(row[f"{column}_error"])
    text = number(value)
    if np.isfinite(error):
        low, high = max(-1.0, value - _WITHIN * error), min(1.0, value + _WITHIN * error)
        text += f" [{number(low)}, {number(high)}]"
    channel, match = int(row["channel"]), int(row["match"])
    return channel, text, "itself" if match == channel else str(match)
