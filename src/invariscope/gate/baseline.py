"""Holds a run against a baseline: no cell may be worse by more than a margin.

All cells that both runs have (every metric that has a better direction, every layer, every level)
are compared on the images that both have seen, pair by pair (`results.comparison`), worse by the
metric's own direction. A cell **held** if the 95 % interval of its change lies wholly above the
fall that is allowed. It **failed** if it fell further, with a p-value below 5 % after the
correction of Benjamini and Hochberg over the whole table: where no cell fell further, the table
fails in 5 % of cases at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from invariscope.errors import InputError
from invariscope.gate.judging import LEVEL
from invariscope.gate.verdict import CellFinding, Outcome, RuleFinding
from invariscope.metrics.kinds import HIGHER, LOWER
from invariscope.registry import unknown_name
from invariscope.results import Result
from invariscope.results.comparison import compare
from invariscope.results.resampling import resampling_of
from invariscope.runs import carry_out
from invariscope.sweep import SweepRequest, prepare
from invariscope.transformations import (
    FAMILIES,
    Resampling,
    Transformation,
    get_group,
)


@dataclass(frozen=True)
class Baseline:
    """A run below which no cell may fall.

    Attributes:
        run: Its folder.
        margin: By how much a cell may be worse; not for derivatives, whose numbers have units. No
            number of images shows that nothing is worse at all, so 0 lets few tables hold.
        margins: Other margins, by metric.
        file: Where it is asked for, or "".
        line: In which line.
    """

    run: Path
    margin: float
    margins: Mapping[str, float] = field(default_factory=dict)
    file: str = ""
    line: int = 0

    def __post_init__(self) -> None:
        for name, margin in {"margin": self.margin, **self.margins}.items():
            if not (margin >= 0 and np.isfinite(margin)):
                raise InputError(
                    f"the margin of the baseline is {margin} ({name}): give how far a cell may "
                    "fall, 0 or more, such as 0.02"
                )

    def of(self, metric: str, about: Mapping[str, Any]) -> float | None:
        """By how much a metric may be worse; None where it is not compared."""
        direction = about.get("direction", "")
        if not direction.startswith((HIGHER, LOWER)):
            return None
        plain = None if about.get("unit") == "derivative" else self.margin
        return self.margins.get(metric, plain)


def against_baseline(result: Result, baseline: Baseline) -> RuleFinding:
    """Compares a run with its baseline, cell by cell.

    Args:
        result: The run.
        baseline: What it is held against.

    Raises:
        InputError: The runs have nothing in common, or a margin is of a metric that neither has.
    """
    before = Result.load(baseline.run)
    known = before.manifest["metrics"]
    for metric in baseline.margins:
        if metric not in known:
            raise InputError(str(unknown_name("metric of the baseline", metric, known)))

    def allowed(metric: str, about: Mapping[str, Any]) -> float | None:
        """The change that is just allowed: down where higher is better, else up."""
        margin = baseline.of(metric, about)
        if margin is None:
            return None
        return -margin if about["direction"].startswith(HIGHER) else margin

    _check_whole(before, result)
    comparison = compare([before, result], against=allowed)
    frame = comparison.frame
    again = frame.duplicated(["metric", "layer", "value_a", "value_b", "ci_low", "p_value"])
    frame = frame[~((frame["level"] == 0) & again)]  # level 0 of all families is one cell
    cells = []
    for row in frame.itertuples(index=False):
        metric = str(row.metric)
        change = allowed(metric, known[metric])
        assert change is not None
        higher = known[metric]["direction"].startswith(HIGHER)
        cells.append(_cell(row, comparison.shown[row.transformation, row.level], change, higher))
    text = f"no cell worse than {baseline.run} by more than {baseline.margin:g}"
    left = [metric for metric, about in known.items() if baseline.of(metric, about) is None]
    notes = [*comparison.notes]
    if left:
        notes.append(f"not compared, since no margin is given for them: {', '.join(left)}")
    return RuleFinding(text, text, tuple(cells), baseline.file, baseline.line, tuple(notes))


def _check_whole(before: Result, result: Result) -> None:
    """Refuses a run that lacks a part of the table: nobody would see what fell there."""
    settings = [run.manifest["settings"] for run in (before, result)]
    remedy = f"measure it as {before.folder} was, by the command in its manifest"
    lost = [metric for metric in settings[0]["metrics"] if metric not in settings[1]["metrics"]]
    if lost:
        raise InputError(f"the run has no {lost[0]}, which the baseline has: {remedy}")
    own = {(e["transformation"], e["cell"]) for e in settings[1]["cells"]}
    for entry in settings[0]["cells"]:
        if (entry["transformation"], entry["cell"]) not in own:
            raise InputError(
                f"the run has no {entry['transformation']} {entry['shown']}, which the baseline "
                f"has: {remedy}"
            )


def _cell(row: Any, shown: str, allowed: float, at_least: bool) -> CellFinding:
    """The finding of one row of the comparison."""
    outcome: Outcome = "undecided"
    if (row.ci_low >= allowed) if at_least else (row.ci_high <= allowed):
        outcome = "held"
    elif row.p_adjusted <= LEVEL and ((row.difference < allowed) == at_least):
        outcome = "failed"
    return CellFinding(
        row.metric, row.transformation, int(row.level), shown, row.layer, None, "",
        float(row.difference), float(row.ci_low), float(row.ci_high), int(row.n), 0,
        float(allowed), at_least, outcome,
    )  # fmt: skip


def measured_like(
    model: Any,
    images: Any,
    baseline: Baseline,
    *,
    how: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Result:
    """Measures a model as the baseline was measured: on its images, at its levels and layers.

    Args:
        model: As for `measure`.
        images: Those of the baseline; None finds them by the name in its manifest.
        baseline: The baseline.
        how: How it is carried out.
        settings: Other arguments of `measure`.

    Raises:
        InputError: A transformation of the baseline is none that is known here, or the model has
            no layer of a name.
    """
    before = Result.load(baseline.run).manifest["settings"]
    layers = [layer["name"] for layer in before["layers"]]
    own = [name for name in layers if name not in ("embedding", "logits")]
    request = SweepRequest(
        model=model,
        images=before["data"] if images is None else images,
        transformations=_transformations(before),
        metrics=before["metrics"],
        layers=own or "last",
        num_images=before["num_images"],
        seed=before["seed"],
        table=before["table"],
        inexact=before["inexact"],
        **settings,
    )
    return carry_out(prepare(request), **how)


def _transformations(settings: Mapping[str, Any]) -> list[Transformation]:
    """The transformations of a run, at its levels, by its manifest."""
    own: dict[str, list[dict[str, Any]]] = {}
    for entry in settings["cells"]:
        own.setdefault(entry["transformation"], []).append(entry)
    return [
        _transformation(name, entries, resampling_of(settings, name))
        for name, entries in own.items()
    ]


def _transformation(
    name: str, entries: Sequence[dict[str, Any]], resampling: Resampling
) -> Transformation:
    levels = tuple(entry["level"] for entry in entries)
    if entries[0]["unit"] == "element":
        group = get_group(name, resampling)
        return Transformation(group.family, group.magnitudes, False, levels, resampling)
    family = FAMILIES.get(name)
    magnitudes = [family.identity] * (max(levels) + 1)
    for entry in entries:
        magnitudes[entry["level"]] = entry["magnitude"]
    signed = any("=±" in entry["cell"] for entry in entries)
    return Transformation(family, tuple(magnitudes), signed, levels, resampling)
