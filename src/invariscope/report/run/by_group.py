"""What the page says of groups of images that came from a file: each against all other images."""

from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import first_of
from invariscope.report.kit.words import counted, p_text, with_interval
from invariscope.report.run.readings import LOGITS, Readings
from invariscope.results.membership import FEWEST

#: Rows of a table, and names of groups that are too small, that are shown; what is found.
_ROWS, _NAMED, _FOUND = 12, 8, 0.05


def groups_section(readings: Readings) -> dict[str, Any] | None:
    """The facts of the section; None for a run without groups."""
    result: Any = readings.result
    if getattr(result, "image_groups", None) is None:
        return None
    every = result.by_group()
    if every.empty or readings.headline is None:
        return None
    layers = {readings.headline[0]: readings.headline[1]}
    layers |= {readings.metric_as(role): LOGITS for role in ("kept", "right")}
    one = every["transformation"].nunique() == 1
    frame = every[every["transformation"].notna() if one else every["transformation"].isna()]
    tables = []
    for metric, layer in layers.items():
        rows = frame[(frame["metric"] == metric) & (frame["layer"] == layer)]
        if len(rows):
            tables.append(_table(readings.meaning(metric).label, rows))
    sizes = every.groupby("group", sort=False)["n"].max()
    small = [str(name) for name, n in sizes.items() if n < FEWEST]
    return {
        "file": readings.manifest.get("image_groups", {}).get("file", "a file"),
        "tables": tables,
        "tested": counted(int(every["p"].notna().sum()), "comparison"),
        "found": int((every["q"] < _FOUND).sum()),
        "small": _small(small),
    }


def _table(label: str, rows: pd.DataFrame) -> tuple[str, list[tuple[str, ...]], str]:
    """Label, rows with the surest differences first, and how many are not shown."""
    tested = rows[rows["p"].notna()].sort_values(["q", "p"], kind="stable")
    shown: list[tuple[str, ...]] = [
        (
            str(row["group"]),
            with_interval(row["value"], row["ci_low"], row["ci_high"]),
            f"{row['others']:.2f}",
            with_interval(row["difference"], row["difference_low"], row["difference_high"]),
            f"{int(row['n']):,}",
            p_text(float(row["q"])),
        )
        for _, row in tested.head(_ROWS).iterrows()
    ]
    more = len(tested) - len(shown)
    constant = int((rows["p"].isna() & (rows["n"] >= FEWEST) & np.isfinite(rows["value"])).sum())
    note = f"{more:,} more are in Result.by_group(). " if more else ""
    note += f"{constant:,} cannot be tested: too few others, or no image varies." * bool(constant)
    return label, shown, note.strip()


def _small(names: list[str]) -> str:
    if not names:
        return ""
    return f"Of fewer than {FEWEST} images, and so not compared: {first_of(names, _NAMED)}."
