"""Compares many models on the same images: their ranks, their parts, the relation to accuracy.

Every number is on the images, levels and metrics that all runs have. A model's standing in a metric
is its mean over the levels and then over the transformations (`averages.py`) at the embedding; at
the logits for metrics of predictions; over the last part that all models have for metrics of
feature maps. Ranks have an interval too: images are resampled once for all models, the models
ranked anew in each resample. Models whose ranks overlap are not told apart by these images.

The relation of a measure to accuracy over the models (paper 002, Fig. 4) is Spearman's ρ with an
interval over images and a p-value over models (`correlation.py`), corrected by Benjamini and
Hochberg over the whole table.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.pages import page_maker
from invariscope.results.accuracies import Accuracies, given_accuracies, measured_accuracies
from invariscope.results.agreement import Agreement, agree
from invariscope.results.averages import Average, Scope, frame_of, iterate
from invariscope.results.cells import cell_in, unit_beside
from invariscope.results.comparison import Comparison, compare
from invariscope.results.estimated import estimated
from invariscope.statistics.correlation import (
    FEWEST_MODELS,
    interval_over_images,
    permutation_p,
    spearman,
)
from invariscope.statistics.estimates import join
from invariscope.statistics.ranking import adjusted, rank_intervals, ranked

if TYPE_CHECKING:
    from invariscope.results.result import Result

#: Where a metric's standing is read, the first that all models have: (part, layer).
_PLACES = (
    ("Pool", "embedding"), ("Final", "logits"), ("Late", None), ("Middle", None), ("Early", None),
)  # fmt: skip
_BATCH_BYTES = 256 << 20  # contributions of images held at a time


@dataclass(frozen=True)
class Place:
    """A place where a metric's standing is read: a layer, or the mean over a part's layers."""

    part: str
    layer: str | None

    @property
    def words(self) -> str:
        """The place as it stands in a sentence."""
        return f"at the {self.layer}" if self.layer else f"in the part {self.part}"


class Leaderboard:
    """Several runs, compared.

    Args:
        results: Two runs or more, on the same data.
        accuracy: Accuracies by model, 0 to 1. Without it, those that the runs have measured.
        source: Where the accuracies are from, for the notes.

    Attributes:
        results: As given.
        models: A name for each run: its model, with the folder where two runs have the same one.
        data: Name of the data.
        images: How many images all runs have.
        metrics: The metrics that all runs have; the first is the headline.
        places: Where each metric's standing is read.
        averages: The rows of `Result.averages` for all models, on the common images and levels.
        standings: One row per metric and model, best first: rank, rank_low, rank_high (95 %),
            model, value, ci_low, ci_high, n.
        curves: One row per metric, transformation, level and model, where a standing is read at a
            layer: magnitude, unit, kind, layer, value, ci_low, ci_high, n.
        accuracy: One row per model: accuracy, ci_low, ci_high; None where it is not known.
        accuracy_source: Where the accuracies are from, or why there are none.
        correlations: One row per metric, transformation (null: all) and part: rho, ci_low, ci_high,
            p_value, p_adjusted, models; empty with fewer than 4 models or without accuracies.
        notes: What differs between the runs or is left out.

    Raises:
        InputError: Fewer than two runs, or runs that have nothing in common; an accuracy is
            missing.
    """

    def __init__(
        self,
        results: "Sequence[Result]",
        *,
        accuracy: Mapping[str, float] | None = None,
        source: str = "accuracy",
    ):
        self.results = list(results)
        agreement = agree(self.results)
        if not agreement.cells:
            raise InputError(
                "the runs have no level above 0 in common: measure all models with the same "
                "`transformations` and `table`"
            )
        self.models = _names(self.results)
        self.data = str(self.results[0].manifest["settings"]["data"])
        self.images = agreement.images
        self.metrics = agreement.metrics
        self.entries = agreement.entries
        self.notes = list(agreement.notes)
        for model, result in zip(self.models, self.results, strict=True):
            self.notes += [f"{model}: {warning}" for warning in result.warnings]
        known = _accuracies(self.results, agreement, self.models, accuracy, source)
        self._measure(agreement, known)
        self.curves = _curves(self.results, agreement, self.models, self.places)
        self._agreement = agreement
        self._say_accuracy(known)

    def _measure(self, agreement: Agreement, known: Accuracies | None) -> None:
        self.places: dict[str, Place] = {}
        frames: list[pd.DataFrame] = []
        standings: list[pd.DataFrame] = []
        correlations: list[dict[str, Any]] = []
        seed = self.results[0].manifest["settings"]["seed"]
        for scope in _scopes(agreement, len(self.results), seed):
            table: dict[_Key, dict[int, Average]] = {}
            for number, result in enumerate(self.results):
                own = replace(scope, positions=agreement.positions[number])
                averages = iterate(result.store, result.manifest, own)
                frame = frame_of(_kept(averages, number, table), result.manifest, own)
                frames.append(frame.assign(model=self.models[number]))
            for metric in scope.metrics:
                self.places[metric] = _place(metric, table, len(self.results))
                standings.append(self._standing(metric, table))
            correlations += self._correlate(table, known, seed)
        order = {name: number for number, name in enumerate(self.metrics)}
        merged = pd.concat(frames, ignore_index=True)
        by_metric = merged["metric"].map(order).argsort(kind="stable")
        self.averages = merged.iloc[by_metric].reset_index(drop=True)
        self.standings = pd.concat(standings, ignore_index=True)
        self.notes += _undefined(self.averages)
        self.correlations = _corrected(correlations, order, list(agreement.cells))

    @cached_property
    def comparison(self) -> Comparison | None:
        """The differences between two runs, cell by cell; None with more of them."""
        return compare(self.results, self._agreement) if len(self.results) == 2 else None

    def direction(self, metric: str) -> str:
        """Says what a larger value means, such as "higher is more invariant"."""
        about = self.results[0].manifest["metrics"].get(metric, {})
        return str(about.get("direction") or "higher is more invariant")

    def ascending(self, metric: str) -> bool:
        """Says whether a lower value stands higher."""
        return self.direction(metric).startswith("lower")

    def _standing(self, metric: str, table: "dict[_Key, dict[int, Average]]") -> pd.DataFrame:
        place = self.places[metric]
        of_models = table.get((metric, None, place.part, place.layer), {})
        seed = self.results[0].manifest["settings"]["seed"]
        own = join([average.estimate for average in of_models.values()])
        low, high = own.interval(seed=seed)
        rows = {
            "metric": metric, "model": [self.models[number] for number in of_models],
            "value": own.value, "ci_low": low, "ci_high": high, "n": own.n,
        }  # fmt: skip
        frame = pd.DataFrame(rows)
        sign = 1.0 if self.ascending(metric) else -1.0
        frame["rank"] = ranked(
            np.nan_to_num(sign * frame["value"].to_numpy(), nan=np.inf), method="min"
        ).astype(int)
        frame["rank_low"], frame["rank_high"] = rank_intervals(sign * own.replicates(seed=seed))
        frame = frame.sort_values("rank", kind="stable")
        columns = ["metric", "rank", "rank_low", "rank_high", "model"]
        return frame[[*columns, "value", "ci_low", "ci_high", "n"]]

    def _correlate(
        self, table: "dict[_Key, dict[int, Average]]", known: Accuracies | None, seed: int
    ) -> Iterator[dict[str, Any]]:
        if known is None or len(self.results) < FEWEST_MODELS:
            return
        resampled_accuracy = known.replicates(seed)
        for (metric, transformation, part, layer), of_models in table.items():
            defined = [number for number, average in of_models.items() if average.n > 0]
            if layer is not None or len(defined) < FEWEST_MODELS:
                continue
            own = join([of_models[number].estimate for number in defined])
            accuracy = known.values[defined]
            rho = spearman(own.value[:, None], accuracy[:, None])
            low, high = interval_over_images(
                own.value, accuracy, own.replicates(seed=seed), resampled_accuracy[defined]
            )
            yield {
                "metric": metric, "transformation": transformation, "part": part,
                "rho": rho[0], "ci_low": low, "ci_high": high,
                "p_value": permutation_p(own.value, accuracy, seed=seed), "models": len(defined),
            }  # fmt: skip

    def _say_accuracy(self, known: Accuracies | None) -> None:
        self.accuracy: pd.DataFrame | None = None
        if known is None:
            self.accuracy_source = "not known: not all runs have measured it on labelled images"
            return
        low, high = known.intervals(self.results[0].manifest["settings"]["seed"])
        columns = {"model": self.models, "accuracy": known.values, "ci_low": low, "ci_high": high}
        self.accuracy = pd.DataFrame(columns)
        self.accuracy_source = known.source

    def to_text(self) -> str:
        """Renders the standings, the parts and the correlations in 80 columns."""
        return page_maker("leaderboard_text")(self)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Writes the leaderboard page, one HTML file that needs no network."""
        return page_maker("render_leaderboard")(self, Path(path))

    def __repr__(self) -> str:
        return f"<Leaderboard: {len(self.models)} models on {self.images} images of {self.data}>"


_Key = tuple[str, str | None, str, str | None]


def _names(results: "Sequence[Result]") -> list[str]:
    specs = [str(result.manifest["settings"]["model"]) for result in results]
    names: list[str] = []
    for spec, result in zip(specs, results, strict=True):
        name = spec
        if specs.count(spec) > 1 and result.folder is not None:
            name = f"{spec} ({result.folder.name})"
        count = 2
        while name in names:
            name, count = f"{spec} ({count})", count + 1
        names.append(name)
    return names


def _accuracies(
    results: "Sequence[Result]",
    agreement: Agreement,
    models: Sequence[str],
    accuracy: Mapping[str, float] | None,
    source: str,
) -> Accuracies | None:
    if accuracy is None:
        return measured_accuracies(results, agreement)
    specs = [str(result.manifest["settings"]["model"]) for result in results]
    return given_accuracies(accuracy, models, specs, source)


def _scopes(agreement: Agreement, models: int, seed: int) -> Iterator[Scope]:
    """Yields metrics in batches whose averages fit in memory, for all models at once."""
    cells = agreement.cells
    one_metric = models * (len(cells) + 1) * 7 * agreement.images * 9  # 5 parts, embedding, logits
    size = max(1, _BATCH_BYTES // one_metric)
    for first in range(0, len(agreement.metrics), size):
        batch = agreement.metrics[first : first + size]
        yield Scope(batch, cells, agreement.positions[0], seed, agreement.anytime)


def _kept(
    averages: Iterator[Average], model: int, table: "dict[_Key, dict[int, Average]]"
) -> Iterator[Average]:
    """Passes averages on and keeps those whose resamples are wanted for all models together."""
    for own in averages:
        if own.layer in (None, "embedding", "logits"):
            key = (own.metric, own.transformation, own.part, own.layer)
            table.setdefault(key, {})[model] = own
        yield own


def _undefined(averages: pd.DataFrame) -> list[str]:
    """Notes each model and metric that was measured in a part but has no value there."""
    rows = averages[averages["layer"].isna() & averages["transformation"].isna()]
    rows = rows[rows["value"].isna()]
    return [
        f"{model}: {metric} has no value in {', '.join(own['part'])} (undefined for every image)"
        for (model, metric), own in rows.groupby(["model", "metric"], sort=False)
    ]


def _place(metric: str, table: "dict[_Key, dict[int, Average]]", models: int) -> Place:
    """Finds the first place where all models have a value, or at least were measured."""
    for fewest in (1, 0):
        for part, layer in _PLACES:
            of_models = table.get((metric, None, part, layer), {})
            if len(of_models) == models and min(a.n for a in of_models.values()) >= fewest:
                return Place(part, layer)
    if not any(key[0] == metric for key in table):
        raise InputError(
            f"the runs have no level above 0 of {metric} in common: measure all models with the "
            "same `transformations` and `table`, or leave it out of `metrics`"
        )
    raise InputError(
        f"{metric} was measured in no part that all models have: measure all models with the same "
        "`layers`, or leave it out of `metrics`"
    )


def _corrected(
    rows: list[dict[str, Any]], metrics: Mapping[str, int], names: list[str]
) -> pd.DataFrame:
    columns = [
        "metric", "transformation", "part", "rho", "ci_low", "ci_high", "p_value", "p_adjusted",
        "models",
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    if frame.empty:
        return frame
    frame["p_adjusted"] = adjusted(frame["p_value"].to_numpy(dtype=float))
    numbers = {name: number for number, name in enumerate(names)}
    by_name = frame["transformation"].map(numbers).fillna(len(names))
    order = np.lexsort([by_name, frame["metric"].map(dict(metrics))])
    return frame.iloc[order].reset_index(drop=True)


def _curves(
    results: "Sequence[Result]",
    agreement: Agreement,
    models: Sequence[str],
    places: Mapping[str, Place],
) -> pd.DataFrame:
    """Computes the value at every common level, on the common images."""
    seed = results[0].manifest["settings"]["seed"]
    rows = []
    for model, result, images in zip(models, results, agreement.positions, strict=True):
        for layer in ("embedding", "logits"):
            wanted = [(metric, "") for metric, place in places.items() if place.layer == layer]
            for series in result.store.dense(layer, only=wanted):
                about = result.manifest["metrics"].get(series.metric, {})
                weights = None if series.weights is None else series.weights[images]
                own = estimated(
                    series.values[images], weights, series.cells, result.manifest, series.metric,
                    result.store.labels[images],
                )  # fmt: skip
                own = own.at_any_time(agreement.anytime)
                numbers = (own.value, *own.interval(seed=seed), own.n)
                column = {cell: k for k, cell in enumerate(series.cells)}
                for entry in agreement.entries:
                    cell = cell_in(entry, column)
                    if cell is not None:
                        head = {key: entry[key] for key in _ENTRY}
                        head["unit"] = unit_beside(entry, about)
                        ends = [array[column[cell]] for array in numbers]
                        ends = dict(zip(_NUMBERS, ends, strict=True))
                        rows.append({"model": model, "metric": series.metric, **head,
                                     "layer": layer, **ends})  # fmt: skip
    columns = ["model", "metric", *_ENTRY, "layer", *_NUMBERS]
    return pd.DataFrame(rows, columns=columns)


_ENTRY = ("transformation", "level", "magnitude", "unit", "kind")
_NUMBERS = ("value", "ci_low", "ci_high", "n")
