"""Measures what rules need of a model, and no more.

Only the families, levels, metrics and layers of the rules are measured. Rules that share forward
passes are measured in one sweep: those of vectors; those of orbits, whose levels may not be mixed
with others; those of feature maps; those of derivatives. Each sweep stops as soon as its rules are
decided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.gate.asking import Asked, asked_of, check_metric, element_of, whole_orbit
from invariscope.gate.deciding import Deciding
from invariscope.gate.magnitudes import Ladder, on_the_way
from invariscope.gate.rule import Rule
from invariscope.metrics import METRICS, MapMetric, Metric
from invariscope.models.layers import EMBEDDING
from invariscope.results import Result
from invariscope.runs import carry_out
from invariscope.sweep import SweepRequest, prepare
from invariscope.transformations import Transformation, get_transformation


@dataclass(frozen=True)
class Need:
    """What one rule needs.

    Attributes:
        rule: The rule.
        metric: Its metric.
        base: Its transformation, as the table or the caller has it.
        magnitudes: Those at which it is measured.
    """

    rule: Rule
    metric: Metric
    base: Transformation
    magnitudes: tuple[float, ...]


def need_of(rule: Rule, table: str, given: Mapping[str, Transformation]) -> Need:
    """Finds out what a rule needs.

    Args:
        rule: The rule.
        table: The table of magnitudes.
        given: Transformations of the caller's own, by name.

    Raises:
        InputError: There is no such transformation, metric or level, or the rule asks for what the
            metric cannot say.
    """
    try:
        metric = METRICS.get(rule.metric)
        base = given.get(rule.transformation) or get_transformation(rule.transformation, table)
    except InputError as problem:
        raise rule.wrong(str(problem)) from None
    about = metric.as_dict()
    check_metric(rule, about)
    if isinstance(metric, MapMetric) and not rule.layer:
        raise rule.wrong(
            f"{rule.metric} is of feature maps: name the layer, {rule.metric} at LAYER; "
            "`invariscope list layers` lists those of a model"
        )
    levels = [level for level in base.levels if not base.is_identity(level)]
    steps = tuple(base.magnitudes[level] for level in levels)
    if metric.kind == "derivative" or not rule.side:
        return Need(rule, metric, base, steps)
    if base.family.members:
        shown = {base.describe(level): base.magnitudes[level] for level in levels}
        chosen = shown[element_of(rule, list(shown))]
        return Need(rule, metric, base, steps if metric.kind == "orbit" else (chosen,))
    if metric.kind == "orbit":
        raise rule.wrong(whole_orbit(rule))
    ladder = Ladder(base.family.identity, base.unit, steps, f"the table {table!r}")
    return Need(rule, metric, base, on_the_way(rule, ladder))


def measure_rules(
    model: Any,
    images: Any,
    rules: Sequence[Rule],
    *,
    table: str,
    given: Mapping[str, Transformation],
    num_images: int | None,
    folder: Path | None,
    how: Mapping[str, Any],
    **settings: Any,
) -> list[tuple[list[Asked], Result]]:
    """Measures a model until the rules are decided, or there are no more images.

    Args:
        model: As for `measure`.
        images: As for `measure`.
        rules: What to decide.
        table: The table of magnitudes.
        given: Transformations of the caller's own, by name.
        num_images: The most images.
        folder: Where the run folders go, one by the name of each kind of metric; None: nowhere.
        how: How it is carried out: batch size, workers, progress, cache.
        settings: Other arguments of `measure` that its numbers depend on.

    Returns:
        For each sweep its rules, held against its levels, and its result.
    """
    ready = []  # all of them first: nobody waits for one sweep to learn that another cannot be
    for part in sweeps_of(rules, table, given):
        sweep = prepare(
            SweepRequest(
                model=model, images=images, num_images=num_images, table=table,
                **part.settings, **settings,
            )
        )  # fmt: skip
        labelled = sweep.source.labels is not None
        asked = part.asked(sweep.manifest, labelled)
        sweep.until = partial(_deciding, asked)
        ready.append((asked, sweep, None if folder is None else folder / part.kind))
    return [(asked, carry_out(sweep, output=output, **how)) for asked, sweep, output in ready]


@dataclass(frozen=True)
class SweepNeed:
    """What one sweep is to measure, for rules of one kind.

    Attributes:
        kind: The kind of their metrics.
        needs: What each of them needs.
    """

    kind: str
    needs: tuple[Need, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of `measure` that it takes."""
        layers = list(dict.fromkeys(need.rule.layer for need in self.needs if need.rule.layer))
        return {
            "transformations": _transformations(self.needs),
            "metrics": list(dict.fromkeys(need.rule.metric for need in self.needs)),
            "layers": layers or EMBEDDING,
        }

    def asked(self, manifest: Mapping[str, Any], labelled: bool) -> list[Asked]:
        """Holds the rules against the levels of a measurement.

        Raises:
            InputError: A rule needs labels, or class scores, which are not there.
        """
        for need in self.needs:
            _check_labels(need, set(manifest["metrics"]), labelled, manifest)
        return [asked_of(need.rule, manifest, need.magnitudes) for need in self.needs]


def sweeps_of(
    rules: Sequence[Rule], table: str, given: Mapping[str, Transformation]
) -> list[SweepNeed]:
    """Sorts rules into the sweeps that they share; arguments and errors as for `need_of`."""
    parts: dict[str, list[Need]] = {}
    for need in [need_of(rule, table, given) for rule in rules]:
        parts.setdefault(need.metric.kind, []).append(need)
    return [SweepNeed(kind, tuple(needs)) for kind, needs in parts.items()]


def _deciding(asked: Sequence[Asked], setup: Any) -> Deciding:
    return Deciding(setup, asked)


def _check_labels(need: Need, there: set[str], labelled: bool, manifest: Mapping[str, Any]) -> None:
    """Refuses a rule that needs labels, or class scores, which are not there."""
    if need.rule.class_name is not None and not labelled:
        raise need.rule.wrong("the images have no labels, so there are no classes")
    if need.metric.name not in there:
        why = manifest["decisions"].get("class match", "")
        why = why or "; ".join(manifest["warnings"]) or "the images have no labels"
        raise need.rule.wrong(f"{need.metric.name} cannot be measured here: {why}")


def _transformations(part: Sequence[Need]) -> list[Transformation]:
    """The transformations of a sweep, at the levels of all its rules together."""
    wanted: dict[str, tuple[Transformation, set[float]]] = {}
    for need in part:
        _, magnitudes = wanted.setdefault(need.base.name, (need.base, set()))
        magnitudes.update(need.magnitudes)
    return [_at(base, magnitudes) for base, magnitudes in wanted.values()]


def _at(base: Transformation, magnitudes: set[float]) -> Transformation:
    """The transformation at some magnitudes; elements of a group keep their numbers."""
    identity = base.family.identity
    if base.family.members:
        levels = tuple(sorted({0, *map(int, magnitudes)}))
        return Transformation(base.family, base.magnitudes, base.signed, levels, base.resampling)
    ladder = (identity, *sorted(magnitudes, key=lambda m: (abs(m - identity), m)))
    return Transformation(
        base.family, ladder, base.signed, tuple(range(len(ladder))), base.resampling
    )
