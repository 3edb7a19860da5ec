"""Gives the models' accuracies that a leaderboard uses: measured in the runs, or given."""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invariscope.errors import InputError
from invariscope.outside import from_cell
from invariscope.results.agreement import Agreement
from invariscope.results.cells import metric_as
from invariscope.results.estimated import IDENTITY
from invariscope.results.measured import Measured
from invariscope.statistics.estimates import Estimates, estimate

LAYER = "logits"


@dataclass(frozen=True)
class Accuracies:
    """One accuracy for each model.

    Attributes:
        values: float64 [model], 0 to 1.
        source: Where they are from, in words.
        measured: The accuracies as estimates if they were measured; None if given.
    """

    values: np.ndarray
    source: str
    measured: Estimates | None = None

    def replicates(self, seed: int) -> np.ndarray:
        """Resamples the images and computes accuracies [model, replicate]; [model, 1] if given.

        The resamples are those of any other measure with the same `seed`.
        """
        if self.measured is None:
            return self.values[:, None]
        return self.measured.replicates(seed=seed)

    def intervals(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Computes 95 % intervals [model]; NaN where the accuracies were given."""
        if self.measured is None:
            nothing = np.full(len(self.values), np.nan)
            return nothing, nothing
        return self.measured.interval(seed=seed)


def measured_accuracies(results: Sequence[Measured], agreement: Agreement) -> Accuracies | None:
    """Computes accuracies on the untouched common images; None if a run knows no labels."""
    columns = []
    for result, positions in zip(results, agreement.positions, strict=True):
        series = result.store.dense(LAYER, only=[(metric_as(result.manifest, "right"), "")])
        if not series or IDENTITY not in series[0].cells:
            return None
        columns.append(series[0].values[positions, series[0].cells.index(IDENTITY)])
    values = np.stack(columns, axis=1)
    # An image without a label, or that a model gives no answer for, counts for no model.
    values[~np.isfinite(values).all(axis=1)] = np.nan
    measured = estimate(values, kind="share", bounds=(0, 1)).at_any_time(agreement.anytime)
    if not measured.counts.any():
        return None
    source = f"measured in the runs, on {measured.n[0]:,} untouched images"
    return Accuracies(measured.value, source, measured)


def given_accuracies(
    accuracy: Mapping[str, float], models: Sequence[str], specs: Sequence[str], source: str
) -> Accuracies:
    """Looks up the accuracies of these models in a mapping.

    Args:
        accuracy: Accuracy by name of the model: its spec, or its name in the leaderboard.
        models: The models' names in the leaderboard.
        specs: Their specs.
        source: Where the mapping is from, in words.

    Raises:
        InputError: A model is missing, or a number is not between 0 and 1.
    """
    values = []
    for model, spec in zip(models, specs, strict=True):
        name = model if model in accuracy else spec
        if name not in accuracy:
            known = ", ".join(list(accuracy)[:5]) + (", …" if len(accuracy) > 5 else "")
            raise InputError(
                f"{source} has no accuracy of {spec!r}: add it (there are: {known or 'none'})"
            )
        value = float(accuracy[name])
        if not 0 <= value <= 1:
            raise InputError(
                f"{source} has {value:g} as the accuracy of {name!r}: give a share from 0 to 1"
            )
        values.append(value)
    return Accuracies(np.array(values), f"from {source}")


def read_accuracies(path: str | os.PathLike[str]) -> dict[str, float]:
    """Reads a CSV file with the columns model and accuracy.

    Raises:
        InputError: The file cannot be read, lacks a column, or a line is no number or names a
            model for the second time.
    """
    path = Path(path)
    accuracies: dict[str, float] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"model", "accuracy"} <= set(reader.fieldnames or ()):
                raise InputError(
                    f"{path} has the columns {', '.join(reader.fieldnames or ()) or 'none'}: "
                    "model and accuracy are needed"
                )
            for line in reader:
                name, text = (
                    from_cell((line["model"] or "").strip()),
                    (line["accuracy"] or "").strip(),
                )
                if name in accuracies:
                    raise InputError(f"{path}, line {reader.line_num}: {name!r} is there twice")
                accuracies[name] = _number(text)
                if math.isnan(accuracies[name]):
                    raise InputError(
                        f"{path}, line {reader.line_num}: {text!r} is no accuracy; give a share "
                        "from 0 to 1"
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot read {path}: {reason}; give a CSV file with the columns model and accuracy"
        ) from error
    return accuracies


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
