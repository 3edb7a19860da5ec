"""Decides rules by the rows of a run.

A cell **held** if its 95 % interval lies wholly on the right side of the threshold. A rule holds
only if every cell does, so nothing is to be corrected there: where the truth of one cell is beyond
the threshold, the rule is called held only if that very cell is (the intersection-union test;
Berger 1982). A cell **failed** if an interval at the level 5 % / k lies wholly on the wrong side, k
the number of cells of the rule (Bonferroni): one of k good cells may seem bad by chance. So each
rule is wrong with at most 2.5 % in either direction, whatever its cells; rules do not share levels.

Intervals are those of the run's summary: for the number of images, or, where the run looked at them
and could have stopped, at any time (`statistics.sequences`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from invariscope.gate.asking import Asked
from invariscope.gate.rule import EVERY_CLASS, Rule
from invariscope.gate.verdict import CellFinding, Outcome, RuleFinding
from invariscope.registry import unknown_name
from invariscope.results import RowStore, Series
from invariscope.results.estimated import estimated
from invariscope.statistics.beyond import beyond
from invariscope.sweep.scores import HEADLINE_LAYERS

#: A rule errs in each direction with half of this.
LEVEL = 0.05
#: More images than so many times those measured are not named as what would decide.
_FARTHEST = 1000


@dataclass(frozen=True)
class _Group:
    """Images that are judged together: all of them, or those of a class."""

    name: str | None
    images: np.ndarray
    labels: np.ndarray


def judge(
    asked: Sequence[Asked], store: RowStore, manifest: Mapping[str, Any]
) -> list[RuleFinding]:
    """Decides rules by the rows that there are.

    Args:
        asked: The rules, with their levels.
        store: The rows.
        manifest: The run's.

    Raises:
        InputError: The run lacks a layer or a class that a rule names.
    """
    series: dict[tuple[str, str], Series] = {}

    def read(layer: str, metric: str) -> Series:
        if (layer, metric) not in series:
            (series[layer, metric],) = store.dense(layer, only=[(metric, "")])
        return series[layer, metric]

    findings = []
    for one in asked:
        rule = one.rule
        parts = [
            (layer, group, read(layer, rule.metric))
            for layer in layers_of(rule, store)
            for group in _groups(rule, store, manifest)
        ]
        findings.append(_finding(one, parts, manifest))
    return findings


def layers_of(rule: Rule, store: RowStore) -> list[str]:
    """The layers that a rule is about, among those with rows of its metric.

    Raises:
        InputError: There is none; the message names those that there are.
    """
    having = [layer for layer in store.layers() if (rule.metric, "") in store.series(layer)]
    if rule.layer:
        chosen = [layer for layer in having if fnmatchcase(layer, rule.layer)]
        if not chosen:
            raise rule.wrong(str(unknown_name(f"layer of {rule.metric}", rule.layer, having)))
        return chosen
    for headline in HEADLINE_LAYERS:
        if headline in having:
            return [headline]
    raise rule.wrong(
        f"{rule.metric} is measured at {', '.join(having[:8])}: name a layer, such as "
        f"{rule.metric} at {having[-1] if having else 'LAYER'}"
    )


def _groups(rule: Rule, store: RowStore, manifest: Mapping[str, Any]) -> list[_Group]:
    """The images of the rule: all, those of a class, or of each class by itself."""
    if rule.class_name is None:
        return [_Group(None, np.arange(len(store.images)), store.labels)]
    names = class_names(rule, store, manifest)
    wanted = names if rule.class_name == EVERY_CLASS else {rule.class_name: names[rule.class_name]}
    places = {name: np.flatnonzero(store.labels == k) for name, k in wanted.items()}
    return [_Group(name, images, store.labels[images]) for name, images in places.items()]


def class_names(rule: Rule, store: RowStore, manifest: Mapping[str, Any]) -> dict[str, int]:
    """The label of each class by its name.

    Raises:
        InputError: The images have no labels, or no such class.
    """
    known = manifest.get("classes")
    if known is None:
        names = {str(k): int(k) for k in np.unique(store.labels) if k >= 0}
    else:
        names = {str(name): k for k, name in enumerate(known)}
    if not names:
        raise rule.wrong("the images have no labels, so there are no classes: leave 'for …' out")
    if rule.class_name not in (*names, EVERY_CLASS):
        raise rule.wrong(str(unknown_name("class", str(rule.class_name), names)))
    return names


def _finding(
    asked: Asked, parts: Sequence[tuple[str, _Group, Series]], manifest: Mapping[str, Any]
) -> RuleFinding:
    """Decides one rule, over all its cells together."""
    rule = asked.rule
    cells = sum(len(asked.cells_in(series.cells)) for _, _, series in parts)
    found = [
        finding
        for layer, group, series in parts
        for finding in _cells(asked, layer, group, series, manifest, cells)
    ]
    undefined = max((cell.n_undefined for cell in found), default=0)
    notes = [f"up to {undefined} images have no value in a cell"] if undefined else []
    return RuleFinding(rule.title, rule.text, tuple(found), rule.file, rule.line, tuple(notes))


def _cells(
    asked: Asked,
    layer: str,
    group: _Group,
    series: Series,
    manifest: Mapping[str, Any],
    number: int,
) -> Iterator[CellFinding]:
    """Decides the cells of a rule at one layer, over the images of one group."""
    rule, seed = asked.rule, manifest["settings"]["seed"]
    present = series.present[group.images]
    used = present.any(axis=1)  # as in the summary: the others are no part of the sample
    chosen = asked.cells_in(series.cells)
    columns = np.array([series.cells.index(cell) for _, cell in chosen if cell in series.cells])
    columns = columns.astype(np.int64)  # of none as well
    picked = np.ix_(group.images[used], columns)
    made = estimated(
        series.values[picked].astype(np.float64),
        None if series.weights is None else series.weights[picked],
        [series.cells[k] for k in columns],
        manifest,
        rule.metric,
        group.labels[used],
    )
    low, high = made.interval(seed=seed)
    above, below = beyond(made, rule.threshold, seed=seed)
    good, bad = (above, below) if rule.at_least else (below, above)
    rows = present[used][:, columns].sum(axis=0)
    place = {series.cells[column]: k for k, column in enumerate(columns)}
    for entry, cell in chosen:
        blank = CellFinding(
            rule.metric, rule.transformation, entry["level"], entry["shown"], layer, group.name,
            cell, math.nan, math.nan, math.nan, 0, 0, rule.threshold, rule.at_least, "undecided",
        )  # fmt: skip
        k = place.get(cell)
        if k is None:
            yield blank
            continue
        outcome, n, value = _outcome(good[k], bad[k] * number), int(made.n[k]), made.value[k]
        arm = value - low[k] if value >= rule.threshold else high[k] - value
        yield replace(
            blank,
            value=float(value),
            low=float(low[k]),
            high=float(high[k]),
            n=n,
            n_undefined=int(rows[k]) - n,
            outcome=outcome,
            needs=_needs(value - rule.threshold, arm, n) if outcome == "undecided" else None,
        )


def _outcome(good: float, bad: float) -> Outcome:
    """The outcome of a cell by the p-values of the two statements; NaN says nothing."""
    if good <= LEVEL:
        return "held"
    return "failed" if bad <= LEVEL else "undecided"


def _needs(gap: float, arm: float, n: int) -> int | None:
    """About how many images it takes for an interval's arm to be as short as the gap."""
    if n < 2 or not np.isfinite(gap) or not np.isfinite(arm) or gap == 0:
        return None
    times = (arm / gap) ** 2
    return int(np.ceil(n * max(times, 1.0))) if times <= _FARTHEST else None
