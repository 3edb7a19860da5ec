"""Arranges what is measured by layer and element: its metrics, its columns, its null.

The report's section on layers and channels and the pages of the layers both read from here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from invariscope.report.run.levels import all_level_names
from invariscope.report.run.readings import HEADLINE_LAYERS, Readings, Score, score

#: Columns of a heat map; with more levels there is one for each transformation.
MOST_COLUMNS = 40
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")


@dataclass(frozen=True)
class Column:
    """A column of a heat map: one level, or the mean over a transformation's levels (None)."""

    transformation: str
    level: int | None
    label: str


class Layered:
    """The measures of a run that are taken layer by layer.

    Args:
        readings: The run.
    """

    def __init__(self, readings: Readings):
        self.readings = readings

    @cached_property
    def measured(self) -> set[str]:
        """Metrics of the measurement."""
        rows = self.readings.overall
        return set(rows.loc[rows["control"] == "", "metric"])

    @property
    def main(self) -> list[str]:
        """Those with a heat map of their own."""
        return self._shown("main")

    @property
    def beside(self) -> list[str]:
        """Other forms of the same."""
        return self._shown("beside")

    def _shown(self, where: str) -> list[str]:
        """Metrics with a heat map there: numbers over the data set first, then in their order."""
        known = self.readings.manifest.get("metrics", {})
        shown = [m for m, about in known.items() if about.get("heat_map") == where]
        shown = [metric for metric in shown if metric in self.measured]
        return sorted(shown, key=lambda metric: not known[metric].get("pooled"))

    @property
    def any(self) -> bool:
        """Says whether there is anything to show."""
        return bool(self.main or self.beside)

    @cached_property
    def labels(self) -> dict[tuple[str, int], str]:
        """The words for each level."""
        return all_level_names(self.readings)

    @cached_property
    def columns(self) -> list[Column]:
        """The levels other than the identity; one column a transformation where they are many."""
        every = [
            Column(name, level, label) for (name, level), label in self.labels.items() if level > 0
        ]
        if len(every) <= MOST_COLUMNS:
            return every
        return [Column(name, None, "mean") for name in self.readings.transformations]

    @cached_property
    def cells(self) -> dict[tuple[str, int], str]:
        """The cell of each (transformation, level)."""
        return {
            (entry["transformation"], int(entry["level"])): str(entry["cell"])
            for entry in self.readings.settings.get("cells", ())
        }

    @cached_property
    def _exact(self) -> dict[tuple[str, str], bool]:
        table = self.readings.channels
        if table is None or table.empty:
            return {}
        exact = table.groupby(["layer", "cell"], sort=False)["exact"].all().reset_index()
        return {(row["layer"], row["cell"]): row["exact"] for row in exact.to_dict("records")}

    def is_exact(self, layer: str, column: Column) -> bool:
        """Says whether no map of the layer was interpolated there."""
        levels = [column.level] if column.level is not None else self._levels(column.transformation)
        return all(
            self._exact.get((layer, self.cells.get((column.transformation, level), "")), True)
            for level in levels
        )

    def _levels(self, name: str) -> list[int]:
        return [level for family, level in self.labels if family == name and level > 0]

    def score(self, metric: str, layer: str, column: Column, control: str = "") -> Score | None:
        """The value of one cell of the heat map, or of its null where that was measured."""
        name = column.transformation
        if column.level is None:
            return self.readings.score(name, metric=metric, layer=layer, control=control)
        curve = self.readings.curve(name, metric, layer, control)
        return score(curve, (column.level,), at_identity=True)

    def null(self, metric: str, layer: str) -> Score | None:
        """Another image's maps at a layer: the mean over the levels where that was measured."""
        scores = [
            mean
            for name in self.readings.transformations
            if (mean := score(self.readings.curve(name, metric, layer, "shuffled")))
        ]
        return mean_score(scores)

    def layers(self, metrics: Sequence[str] = ()) -> list[dict]:
        """The layers in depth order, those where one of these metrics has a value."""
        rows = self.readings.overall
        rows = rows[(rows["control"] == "") & rows["metric"].isin(metrics or self.measured)]
        present = set(rows["layer"])
        return [layer for layer in self.readings.layers if layer["name"] in present]

    @cached_property
    def files(self) -> dict[str, str]:
        """The file name of each layer's page; none where no such metrics were measured."""
        if not self.any:
            return {}
        layers = self.layers([*self.main, *self.beside])
        return file_names([layer["name"] for layer in layers])

    def without_positions(self, layer: str) -> bool:
        """Says whether a channel has a single value per image there."""
        known = {la["name"]: la.get("grid") for la in self.readings.settings.get("layers", ())}
        grid = known.get(layer)
        return layer in HEADLINE_LAYERS if grid is None else list(grid) == [1, 1]


def mean_score(scores: Sequence[Score]) -> Score | None:
    """The mean of scores and of their interval ends; None of nothing."""
    if not scores:
        return None
    count = len(scores)
    value, low, high = (
        sum(getattr(own, end) for own in scores) / count for end in ("value", "low", "high")
    )
    return Score(value, low, high, min(own.n for own in scores), ())


def file_names(layers: Sequence[str]) -> dict[str, str]:
    """A file name for each layer, safe on every file system and different from the others.

    Example:
        >>> file_names(["blocks.0.0", "a/b", "a b", "CON", "Blocks.0.0"])
        ... # doctest: +NORMALIZE_WHITESPACE
        {'blocks.0.0': 'blocks.0.0.html', 'a/b': 'a_b.html', 'a b': 'a_b-2.html',
         'CON': '_CON.html', 'Blocks.0.0': 'Blocks.0.0-2.html'}
    """
    taken: set[str] = set()
    names = {}
    for layer in layers:
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", layer)[:100]
        if not stem.strip(".") or stem.startswith(".") or _RESERVED.match(stem):
            stem = f"_{stem}"
        name, number = stem, 1
        while name.lower() in taken:  # file systems may not tell capitals apart
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.lower())
        names[layer] = f"{name}.html"
    return names
