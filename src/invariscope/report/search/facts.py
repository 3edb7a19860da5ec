"""Arranges once what the page of a search reads: factors, operations, classes, tops, families."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from invariscope.advice.alignment import measured_name
from invariscope.report.kit.words import transformation_words
from invariscope.report.search.varying import Varying
from invariscope.report.search.words import operation_words
from invariscope.search.ranks import BY, NOTHING
from invariscope.search.result import Factors
from invariscope.search.table import OVERALL
from invariscope.statistics.estimates import mean_interval
from invariscope.transformations import IDENTITY


@dataclass(frozen=True)
class Strip:
    """An operation and its change in each class.

    Attributes:
        operation: Its name.
        label: In words.
        kind: geometric, appearance or mixed.
        values: float [class], without those that are not defined.
        row: Its row over all classes.
    """

    operation: str
    label: str
    kind: str
    values: np.ndarray
    row: dict[str, Any]


class Facts:
    """A search as the page reads it.

    Args:
        found: What a search has found.
    """

    def __init__(self, factors: Factors):
        self.factors, self.ranks, self.varying = factors, factors.ranks, Varying(factors)
        self.manifest = factors.manifest
        self.settings = factors.manifest["settings"]
        self.entries = {entry["name"]: entry for entry in self.settings["operations"]}
        frame = factors.frame.drop_duplicates(["class", "key"])
        self.identities = factors.frame[factors.frame["kind"] == IDENTITY]
        self.distinct = frame[frame["kind"] != IDENTITY]
        self.overall = self.distinct[self.distinct["class"] == OVERALL]
        self.cells = self.distinct[self.distinct["class"] != OVERALL]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.factors.classes

    def words(self, operation: str) -> str:
        """An operation in words."""
        return operation_words(self.manifest, self.entries[operation])

    @cached_property
    def tops(self) -> pd.DataFrame:
        """The top of each class by change, indexed by class, with its row of the table."""
        tops = self._tops("all")
        rows = self.factors.frame.drop(columns=["kind", "families"])
        tops = tops.loc[:, ["class", "operation", "kind", "value"]].merge(
            rows, on=["class", "operation"], how="left"
        )
        held_out = self.ranks.held_out.groupby("class", sort=False)["held_out"].mean()
        tops["held_out"] = tops["class"].map(held_out)
        return tops.set_index("class", drop=False)

    @property
    def single(self) -> pd.DataFrame:
        """The rows over all classes of single operations."""
        return self.overall[~self.overall["policy"].astype(bool)]

    @cached_property
    def top_of(self) -> dict[str, dict[str, Any]]:
        """The row of `tops` of each class."""
        rows = self.tops.to_dict("records")
        return {str(row["class"]): {str(key): v for key, v in row.items()} for row in rows}

    @cached_property
    def shares(self) -> dict[str, dict[str, float]]:
        """Of each kind its share among the tops, with interval, and in the pool."""
        return {
            str(row["kind"]): {key: float(row[key]) for key in ("tops", "low", "high", "pool")}
            for row in self.ranks.shares.to_dict("records")
        }

    @cached_property
    def top_overall(self) -> dict[str, Any] | None:
        """The row of the operation that is best on average; None where none changes anything.

        An identity under another name, as a flip is for a network that ignores flips, is not best.
        """
        known = self.overall[self.overall[BY[0]].abs() >= NOTHING]
        if known.empty:
            return None
        best = known.sort_values(BY[0], ascending=False, kind="stable")
        best = best.to_dict("records")[0]
        return {str(key): value for key, value in best.items()}

    @cached_property
    def paired(self) -> tuple[float, float, float]:
        """Held-out change of a class's own best less the change of the best overall, over classes.

        The best overall was chosen on all pairs, so it has a small advantage here.
        """
        best = self.top_overall
        if best is None:
            return np.nan, np.nan, np.nan
        rows = self.cells[self.cells["operation"] == best["operation"]].set_index("class")
        away = (self.tops["held_out"] - rows[BY[0]]).to_numpy(dtype=float)
        if not np.isfinite(away).any():
            return np.nan, np.nan, np.nan
        value, low, high, _ = mean_interval(away[:, None], seed=self.settings["seed"])
        return float(value[0]), float(low[0]), float(high[0])

    @cached_property
    def strips(self) -> list[Strip]:
        """Every operation that does something, the best on average first."""
        wide = self.cells.pivot(index="operation", columns="class", values=BY[0])
        order = self.overall.sort_values(BY[0], ascending=False, kind="stable")
        strips = []
        for row in order.to_dict("records"):
            values = wide.loc[row["operation"]].to_numpy(dtype=float)
            name = str(row["operation"])
            strips.append(
                Strip(
                    name, self.words(name), str(row["kind"]), values[np.isfinite(values)],
                    {str(key): value for key, value in row.items()},
                )
            )  # fmt: skip
        return strips

    @cached_property
    def best_of_families(self) -> list[Strip]:
        """Of each family of single operations the one that is best on average."""
        seen: dict[str, Strip] = {}
        for strip in self.strips:
            if not strip.row["policy"]:
                seen.setdefault(self.family(strip.operation), strip)
        return list(seen.values())

    def family(self, operation: str) -> str:
        """The family of an operation; of a sub-policy, those of its steps."""
        steps = self.entries[operation]["steps"]
        names = [measured_name(step) for step in steps]
        return "+".join(names) if names else IDENTITY

    @cached_property
    def significant(self) -> tuple[int, int, int]:
        """Cells (class × operation) with q < 0.05 that raise, that lower, and all."""
        sure = self.cells["q"] < 0.05
        change = self.cells["change"]
        return (
            int((sure & (change > 0)).sum()),
            int((sure & (change < 0)).sum()),
            int(self.cells["q"].notna().sum()),
        )

    @cached_property
    def raised(self) -> list[str]:
        """The classes in which an operation raises the similarity with q < 0.05."""
        sure = (self.cells["q"] < 0.05) & (self.cells["change"] > 0)
        names = set(self.cells.loc[sure, "class"])
        return [name for name in self.classes if name in names]

    def family_words(self, family: str) -> str:
        """A family in words."""
        names = family.split("+")
        return " and ".join(transformation_words(self.manifest, name) for name in names)

    def _tops(self, among: str) -> pd.DataFrame:
        tops = self.ranks.tops
        return tops[
            (tops["by"] == BY[0]) & (tops["among"] == among)
            & (tops["class"] != OVERALL)
        ]  # fmt: skip
