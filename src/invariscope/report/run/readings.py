"""Reads from a result what the report shows: curves, means over levels, and their differences."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.report.kit.words import transformation_words, with_interval
from invariscope.report.run.meaning import Meaning, meaning_of
from invariscope.results.cells import metric_as
from invariscope.transformations import get_transformation

EMBEDDING = "embedding"
LOGITS = "logits"
HEADLINE_LAYERS = (EMBEDDING, LOGITS)
#: Share of unrelated images with the same prediction from which on predictions are called constant.
CONSTANT = 0.9


@runtime_checkable
class ResultLike(Protocol):
    """The part of `invariscope.Result` that the report uses."""

    @property
    def frame(self) -> pd.DataFrame:
        """The measurement's summary rows."""
        ...

    @property
    def controls(self) -> pd.DataFrame:
        """The summary rows of the controls, with a column ``control``."""
        ...

    @property
    def manifest(self) -> dict[str, Any]:
        """The run's settings, counts and environment."""
        ...

    @property
    def example(self) -> np.ndarray | None:
        """One measured image, uint8 [height, width, 3], or None."""
        ...


@dataclass(frozen=True)
class Score:
    """A mean over the levels 1, 2, … of one curve.

    ``low`` and ``high`` are the means of the levels' interval ends. Levels of one family share
    their images and so move together; were they one and the same variable this would be the exact
    interval of the mean, and since they are not, it is the wider, cautious one.
    """

    value: float
    low: float
    high: float
    n: int
    levels: tuple[int, ...]

    @property
    def has_interval(self) -> bool:
        """Says whether both ends are known (they are not for a single image)."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def text(self) -> str:
        """The value with its interval, as pages write it."""
        return with_interval(self.value, self.low, self.high)


def apart(score: Score, reference: Score) -> int:
    """Compares intervals: +1 if wholly above ``reference``, -1 if wholly below, 0 if they overlap.

    Without an interval nothing is told apart.

    Example:
        >>> apart(Score(0.9, 0.8, 0.95, 9, (1,)), Score(0.5, 0.4, 0.6, 9, (1,)))
        1
        >>> apart(Score(0.9, 0.5, 0.95, 9, (1,)), Score(0.5, 0.4, 0.6, 9, (1,)))
        0
    """
    if not (score.has_interval and reference.has_interval):
        return 0
    return int(score.low > reference.high) - int(score.high < reference.low)


def score(
    curve: pd.DataFrame, levels: tuple[int, ...] | None = None, *, at_identity: bool = False
) -> Score | None:
    """The mean of a curve over its levels above 0 that have a value, or None if there are none.

    Levels of one magnitude are one cell (6 bits stand twice in the standard table): one counts.

    Args:
        curve: Rows of one curve with the columns level, value, ci_low, ci_high, n.
        levels: Use only these levels (to compare with a curve that has fewer).
        at_identity: Whether level 0 belongs to the mean, as with the mean of an orbit.
    """
    kept = curve[
        (curve["level"] >= (0 if at_identity else 1))
        & np.isfinite(curve["value"].to_numpy(dtype=float))
    ]
    if levels is not None:
        kept = kept[kept["level"].isin(levels)]
    if not at_identity:
        kept = kept.drop_duplicates("magnitude")
    if kept.empty:
        return None
    # .mean() of pandas skips NaN: a level without an interval must leave the mean without one.
    low, high = (float(np.mean(kept[end].to_numpy(dtype=float))) for end in ("ci_low", "ci_high"))
    measured = tuple(int(level) for level in kept["level"])
    return Score(float(kept["value"].mean()), low, high, int(kept["n"].min()), measured)


class Readings:
    """A result, grouped into curves once.

    Args:
        result: A `Result`, or anything with its frame, controls, manifest and example.
    """

    def __init__(self, result: ResultLike):
        self.result = result
        self.manifest = result.manifest
        self.settings: Mapping[str, Any] = result.manifest.get("settings", {})
        frame = result.frame.assign(control="")
        everything = pd.concat([frame, result.controls]) if len(result.controls) else frame
        overall = everything["class"].isna()
        self.overall = everything[overall]
        self.by_class = everything[~overall]
        #: What `invariscope.report.run.levels` has found of each transformation.
        self.levels: dict[str, list[tuple[int, float, str]]] = {}
        self.level_names: dict[str, dict[int, str]] = {}

    @cached_property
    def _curves(self) -> dict[tuple[Any, ...], pd.DataFrame]:
        keys = ["control", "metric", "layer", "transformation"]
        groups = self.overall.groupby(keys, sort=False)
        return {
            tuple(key) if isinstance(key, tuple) else (key,): rows.sort_values("level")
            for key, rows in groups
        }

    def curve(
        self, transformation: str, metric: str, layer: str = EMBEDDING, control: str = ""
    ) -> pd.DataFrame:
        """One curve, sorted by level; empty if the run has none."""
        key = (control, metric, layer, transformation)
        return self._curves.get(key, self.overall.iloc[:0])

    def score(self, transformation: str, **which: Any) -> Score | None:
        """The mean over the levels of one curve, level 0 where the metric counts it."""
        about = self.meaning(which["metric"])
        return score(self.curve(transformation, **which), at_identity=about.at_identity)

    def meaning(self, metric: str) -> Meaning:
        """Looks up the better direction of a metric's values, and their scale."""
        return meaning_of(metric, self.manifest)

    def words(self, transformation: str) -> str:
        """Names a transformation in a sentence."""
        return transformation_words(self.manifest, transformation)

    def unit_words(self, transformation: str, unit: str) -> str:
        """Names the unit of a transformation's magnitudes."""
        about = self.manifest.get("transformations", {}).get(transformation, {})
        return str(about.get("unit_words", unit))

    def metric_as(self, role: str) -> str:
        """The name of the run's metric in that role; "" if it has none."""
        return metric_as(self.manifest, role)

    @cached_property
    def constant(self) -> bool:
        """Says whether the model predicts one class for nearly all images, whatever they show.

        Then unrelated images agree as well, and a prediction that is kept says nothing.
        """
        kept = self.metric_as("kept")
        unrelated = [self.curve(name, kept, LOGITS, "shuffled") for name in self.transformations]
        mildest = [float(rows["value"].iloc[0]) for rows in unrelated if len(rows)]
        return bool(mildest) and min(mildest) >= CONSTANT

    @property
    def channels(self) -> pd.DataFrame | None:
        """The table of channels (`invariscope.results.channels`); None without channel measures."""
        return getattr(self.result, "channels", None)

    @cached_property
    def transformations(self) -> list[str]:
        """The families of the run in the order in which they were asked for."""
        planned = [cell["transformation"] for cell in self.settings.get("cells", ())]
        measured = self.overall.loc[self.overall["control"] == "", "transformation"]
        present = set(measured)
        return [name for name in dict.fromkeys([*planned, *measured]) if name in present]

    @cached_property
    def asked(self) -> list[str]:
        """The same as they were asked for, with the magnitudes of those that have their own."""
        table = self.settings.get("table", "standard")
        words = []
        for name in self.transformations:
            own = [
                cell for cell in self.settings.get("cells", ()) if cell["transformation"] == name
            ]
            given = tuple(float(cell["magnitude"]) for cell in own)
            try:
                tabled = get_transformation(name, table)
                of_table = tuple(tabled.magnitudes[level] for level in tabled.levels)
            except InputError:  # one that is not known here, or that the table does not have
                of_table = ()
            shown = "/".join(f"{magnitude:g}" for magnitude in given[1:])
            same = len(given) == len(of_table) and np.allclose(given, of_table)
            words.append(name if same or not shown else f"{name}={shown}")
        return words

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """The measured layers in depth order: dicts with name, part and depth."""
        known = {layer["name"]: layer for layer in self.settings.get("layers", ())}
        measured = dict.fromkeys(self.overall.loc[self.overall["control"] == "", "layer"])
        parts = dict(zip(self.overall["layer"], self.overall["part"], strict=True))
        layers = [known.get(n, {"name": n, "part": parts[n], "depth": 1.0}) for n in measured]
        return sorted(layers, key=lambda layer: layer.get("depth", 1.0))

    @cached_property
    def headline(self) -> tuple[str, str] | None:
        """(metric, layer) of the curves: that in the role of the headline at the embedding, if any.

        Otherwise the first metric as asked for that says which way is better; those that have a
        unit for each transformation come last.
        """
        has = {(metric, layer) for control, metric, layer, _ in self._curves if control == ""}
        first = self.metric_as("headline")
        if (first, EMBEDDING) in has:
            return first, EMBEDDING
        metrics = dict.fromkeys([*self.settings.get("metrics", ()), *self.overall["metric"]])
        ranked = [name for name in metrics if self.meaning(name).quality]
        ranked.sort(key=lambda name: self.meaning(name).unit == "derivative")
        # Channel maps have a value of their own at layers that come before both of these.
        depths = [layer["name"] for layer in reversed(self.layers)]
        for layers in (HEADLINE_LAYERS, depths):
            for metric in ranked:
                for layer in layers:
                    if (metric, layer) in has:
                        return metric, layer
        return None

    @property
    def n(self) -> int:
        """The number of images that were used."""
        used = self.manifest.get("images", {}).get("used")
        return int(used if used is not None else self.overall["n"].max())

    @property
    def example_id(self) -> str:
        """The id of the image that the page shows; directions are drawn from it."""
        return str((self.manifest.get("example") or {}).get("image", "example"))

    @property
    def manifest_text(self) -> str:
        """The manifest as indented JSON."""
        return json.dumps(self.manifest, indent=2, ensure_ascii=False, default=str)
