"""Gathers what speaks for an augmentation, on the images that a network is tuned on.

Two kinds of evidence, neither from the held-out images:

- how far each class keeps to each rule: `judging` by class, at the cells of the rule. A class is
  weak if its value at some level is on the wrong side; that decides how often its images are moved
  (`policy`);
- what varies in the data: a search for factors over the families of the rules, at their magnitudes,
  with the model's embedding, and `advice` on it. It decides nothing, since the rule is the user's
  wish: it says whether the data ask for it as well. Where an augmentation would hurt by that, it is
  said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invariscope.advice.recommendation import recommend
from invariscope.errors import InputError
from invariscope.gate.asking import asked_of
from invariscope.gate.judging import judge
from invariscope.gate.measuring import Need, SweepNeed
from invariscope.gate.rule import EVERY_CLASS
from invariscope.gate.verdict import CellFinding
from invariscope.improving.parts import Part
from invariscope.models import Probe
from invariscope.results import Result
from invariscope.runs import Progress, carry_out
from invariscope.search import SearchRequest, prepare_search
from invariscope.sweep import measure
from invariscope.transformations import Transformation

#: The most images that are measured for the evidence and for each check, and searched.
MEASURED, SEARCHED = 1024, 1024
_PAIRS = (4, 48)


@dataclass(frozen=True)
class ClassEvidence:
    """How far a class keeps to a rule, before.

    Attributes:
        rule: The text of the rule.
        class_name: The class.
        value: The value at its worst level; NaN where it has none.
        shown: That level.
        n: Images of the class that count.
        weak: Whether that is on the wrong side.
    """

    rule: str
    class_name: str
    value: float
    shown: str
    n: int
    weak: bool


@dataclass(frozen=True)
class DataEvidence:
    """What a search for factors says of a family.

    Attributes:
        family: Its name.
        advice: That of `advice.recommendation`.
        reason: Why, in words.
        varying: Classes that vary along it.
    """

    family: str
    advice: str
    reason: str
    varying: tuple[str, ...]


def measured_for(
    sweep: SweepNeed,
    model: Any,
    part: Part,
    folder: Path | None,
    *,
    table: str,
    seed: int,
    how: Mapping[str, Any],
) -> Result:
    """Measures what the rules of a sweep need on a part of the images, without stopping early."""
    return measure(
        model,
        part,
        num_images=MEASURED,
        table=table,
        seed=seed,
        output=None if folder is None else folder / sweep.kind,
        **sweep.settings,
        **how,
    )


def of_classes(sweep: SweepNeed, result: Result, classes: Sequence[str]) -> list[ClassEvidence]:
    """Says of each class whether it keeps to each rule, by its own images."""
    found: list[ClassEvidence] = []
    for need in sweep.needs:
        if not _has_classes(need):
            continue
        rule = replace(need.rule, class_name=EVERY_CLASS)
        asked = asked_of(rule, result.manifest, need.magnitudes)
        (finding,) = judge([asked], result.store, result.manifest)
        for name in classes:
            cells = [cell for cell in finding.cells if cell.class_name == name]
            found.append(_worst(need.rule.text, name, cells))
    return found


def _has_classes(need: Need) -> bool:
    return not need.metric.as_dict().get("pooled")


def _worst(rule: str, name: str, cells: Sequence[CellFinding]) -> ClassEvidence:
    known = [cell for cell in cells if math.isfinite(cell.slack)]
    if not known:
        return ClassEvidence(rule, name, math.nan, "", 0, True)
    worst = min(known, key=lambda cell: cell.slack)
    return ClassEvidence(rule, name, worst.value, worst.shown, worst.n, worst.slack < 0)


def weak_classes(
    sweeps: Sequence[SweepNeed], found: Sequence[ClassEvidence], classes: Sequence[str]
) -> dict[str, list[bool]]:
    """Says for each rule which classes are weak; all of them where classes have no values."""
    weak = {(one.rule, one.class_name): one.weak for one in found}
    texts = [need.rule.text for sweep in sweeps for need in sweep.needs]
    return {text: [weak.get((text, name), True) for name in classes] for text in texts}


def of_data(
    transformations: Sequence[Transformation],
    probe: Probe,
    part: Part,
    measured: Result | None,
    folder: Path | None,
    *,
    seed: int,
    progress: Progress | None,
    how: Mapping[str, Any],
) -> tuple[list[DataEvidence], str]:
    """Searches for factors along the families of the rules.

    Returns:
        A finding for each family; why there is none, or "".
    """
    families = [own for own in transformations if not own.family.members]
    if not families:
        return [], "groups are no families that a search for factors knows"
    count = len(set(part.labels or ()))
    pairs = max(_PAIRS[0], min(_PAIRS[1], SEARCHED // count))
    asked = {"model": probe, "images": part, "operations": families, "pairs": pairs, "seed": seed}
    request, how = SearchRequest.split({**asked, **how})
    try:
        search = prepare_search(request)
    except InputError as problem:  # too few images of a class
        return [], str(problem)
    output = None if folder is None else folder / "factors"  # what is wrong there is refused
    factors = carry_out(search, output=output, progress=progress, **how)
    rows = recommend(factors, measured).table
    return [
        DataEvidence(
            str(row["family"]), str(row["advice"]), str(row["reason"]), tuple(row["classes"])
        )
        for row in rows.to_dict("records")
    ], ""
