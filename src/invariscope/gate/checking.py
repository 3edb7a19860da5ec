"""`check`: decides rules about a run, or about a model that it measures for them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invariscope.cache import DEFAULT_SIZE
from invariscope.errors import InputError
from invariscope.gate.asking import asked_of
from invariscope.gate.baseline import Baseline, against_baseline, measured_like
from invariscope.gate.judging import judge
from invariscope.gate.measuring import measure_rules
from invariscope.gate.rule import EXAMPLE, Rule, parse_rule
from invariscope.gate.verdict import RuleFinding, Verdict
from invariscope.results import Result
from invariscope.runs import Progress
from invariscope.transformations import Transformation

#: The most images that a model is measured on where nothing is said.
BUDGET = 1024


def check(
    target: Any,
    rules: str | Rule | Sequence[str | Rule] = (),
    images: Any = None,
    *,
    baseline: Baseline | None = None,
    num_images: int | None = BUDGET,
    seed: int = 0,
    table: str = "standard",
    transformations: Sequence[Transformation] = (),
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    cache: str | Path | None = None,
    cache_size: str | int = DEFAULT_SIZE,
    output: str | Path | None = None,
    **settings: Any,
) -> Verdict:
    """Decides rules about a run that was measured, or about a model.

    A model is measured for the rules: only at their levels, layers and metrics, and only until each
    rule is decided. `gate.rule` says how rules are written, `gate.judging` when one holds.

    Args:
        target: A `Result`, a run folder, or a model as for `measure`.
        rules: One or several.
        images: For a model, as for `measure`.
        baseline: A run below which no cell may fall by more than a margin.
        num_images: The most images that a model is measured on; None: all.
        seed: As for `measure`.
        table: The table of magnitudes, for a model.
        transformations: Of your own, which rules name.
        batch_size: As for `measure`.
        workers: As for `measure`.
        progress: Told what goes on.
        cache: As for `measure`.
        cache_size: As for `measure`.
        output: A folder for the runs that are measured, one by the name of each kind of metric
            ("vectors", "maps" …) and "baseline" for what is held against a baseline; they open
            like those of `measure`. Given again, it goes on with them.
        settings: Other arguments of `measure`: ``device``, ``preprocessing``, ``task``, ….

    Returns:
        The `Verdict`: its outcome, a finding for each rule and cell, `frame`, `to_text`.

    Raises:
        InputError: A rule cannot be read, or asks for what is not there.

    Example:
        >>> import torch, invariscope
        >>> pictures = torch.rand(64, 3, 8, 8)
        >>> rule = "brightness_down@>=0.5 relative_invariance >= 0.9"
        >>> invariscope.check(lambda x: x.flatten(1), rule, pictures)
        <Verdict: held: 1 held on 64 images>
    """
    asked = [rules] if isinstance(rules, str | Rule) else list(rules)
    every = [rule if isinstance(rule, Rule) else parse_rule(rule) for rule in asked]
    if not every and baseline is None:
        raise InputError(
            f"there is nothing to check: give a rule, such as {EXAMPLE!r}, or a `baseline`"
        )
    run = _run_of(target)
    if run is not None:
        refuse_for_a_run(target, [] if output is None else ["output"])
        findings = judge([asked_of(rule, run.manifest) for rule in every], run.store, run.manifest)
        if baseline is not None:
            findings.append(against_baseline(run, baseline))
        return verdict_of(findings, [run])
    if images is None and every:
        raise InputError("a model is measured for its rules: give `images`, or a run folder")
    how = {
        "batch_size": batch_size, "workers": workers, "progress": progress, "cache": cache,
        "cache_size": cache_size,
    }  # fmt: skip
    folder = None if output is None else Path(output)
    results, found = [], {}
    if every:
        given = {transformation.name: transformation for transformation in transformations}
        parts = measure_rules(
            target, images, every, table=table, given=given, num_images=num_images,
            folder=folder, how=how, seed=seed, **settings,
        )  # fmt: skip
        for part, result in parts:
            findings = judge(part, result.store, result.manifest)
            found |= {id(one.rule): finding for one, finding in zip(part, findings, strict=True)}
            results.append(result)
    findings = [found[id(rule)] for rule in every]
    if baseline is not None:
        own = how if folder is None else {**how, "output": folder / "baseline"}
        result = measured_like(target, images, baseline, how=own, settings=settings)
        findings.append(against_baseline(result, baseline))
        results.append(result)
    return verdict_of(findings, results)


def refuse_for_a_run(target: Any, given: Sequence[str]) -> None:
    """Raises an `InputError` for arguments that only a model needs, which is to be measured."""
    if given:
        raise InputError(
            f"`{given[0]}` is for a model that is to be measured, and {target} is a run: leave it "
            "out, or give the model"
        )


def _run_of(target: Any) -> Result | None:
    """The run that the target is, or None for a model."""
    if isinstance(target, Result):
        return target
    if isinstance(target, Path) or (isinstance(target, str) and os.path.isdir(target)):
        return Result.load(target)
    return None


def verdict_of(findings: Sequence[RuleFinding], results: Sequence[Result]) -> Verdict:
    """Makes the verdict of findings that were measured by these runs."""
    settings: Mapping[str, Any] = results[0].manifest["settings"]
    notes = dict.fromkeys(
        note
        for result in results
        for note in (*result.manifest["images"]["notes"], *result.warnings)
    )
    skipped = max(len(result.manifest["images"]["skipped"]) for result in results)
    if skipped:
        notes[f"{skipped} images could not be read and were left out"] = None
    images = max(len(result.store.images) for result in results)
    folders = [result.folder for result in results if result.folder is not None]
    subject = f"{settings['model']} on {settings['data']}"
    return Verdict(findings, subject, images, list(notes), folders)
