"""`invariscope check`: rules that a run or a model must keep to, for a gate in CI."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invariscope.cli.options import (
    DEFAULT_CACHE_SIZE,
    Amp,
    BatchSize,
    Cache,
    CacheSize,
    Compile,
    Device,
    Embedding,
    Fold,
    ModelClasses,
    OutputKey,
    Preprocessing,
    Task,
    ValueRange,
    Workers,
    count,
    overrides,
    two_numbers,
)
from invariscope.errors import InputError

if TYPE_CHECKING:
    from invariscope.gate import Baseline, Verdict
    from invariscope.gate.rules_file import RulesFile

_SUMMARY = "GITHUB_STEP_SUMMARY"


def check(
    target: Annotated[
        str | None, typer.Argument(metavar="RUN|MODEL", help="A run folder, or a model spec.")
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            "-r",
            help='"rotate@<=15deg relative_invariance >= 0.8"; repeatable.',
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="A file of rules (default: invariscope.toml or pyproject.toml here)."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="A run folder: no cell may be worse than there.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="How far a cell may fall below the baseline.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", help="For a model: images (default: samples)."),
    ] = None,
    num_images: Annotated[
        str | None,
        typer.Option("--num-images", "-n", help="For a model: the most images (default: 1024)."),
    ] = None,
    table: Annotated[str | None, typer.Option(help="For a model: the table of levels.")] = None,
    seed: Annotated[int | None, typer.Option(help="For a model: the seed (default: 0).")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="For a model: keep what was measured there."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML there.")] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(help=f"Write a summary in Markdown there (default: ${_SUMMARY}, if set)."),
    ] = None,
    github: Annotated[
        bool | None,
        typer.Option(
            "--github/--no-github", help="GitHub annotations (default: on GitHub Actions)."
        ),
    ] = None,
    batch_size: BatchSize = None,
    device: Device = "auto",
    workers: Workers = None,
    preprocessing: Preprocessing = None,
    model_classes: ModelClasses = None,
    task: Task = None,
    embedding: Embedding = None,
    output_key: OutputKey = None,
    value_range: ValueRange = None,
    fold: Fold = True,
    amp: Amp = None,
    compile: Compile = False,
    cache: Cache = None,
    cache_size: CacheSize = DEFAULT_CACHE_SIZE,
) -> None:
    """Check rules on a run, or on a model, which is measured until they are decided.

    Exit code: 0 all rules held, 1 one failed, 2 the input is wrong, 3 undecided.
    """
    on_github = github if github is not None else "GITHUB_ACTIONS" in os.environ
    started = time.monotonic()
    how = {
        "device": device,
        "batch_size": batch_size,
        "workers": workers,
        "cache": cache,
        "cache_size": cache_size,
    }
    asked = {
        "data": data,
        "num_images": num_images,
        "table": table,
        "seed": seed,
        "preprocessing": preprocessing,
        "model_classes": model_classes,
        "task": task,
        "embedding": embedding,
        "output_key": output_key,
        "value_range": value_range,
        "amp": amp,
        "fold": None if fold else False,
        "compile": compile or None,
        "output": output,
    }
    try:
        verdict = _verdict(target, rule or [], rules, (baseline, margin), asked, how)
    except InputError as problem:
        if on_github:
            from invariscope.report.gate.github import problem_annotation

            print(problem_annotation(str(problem)))
        raise
    _show(verdict, junit, markdown, on_github, time.monotonic() - started)
    if output is not None:
        _report_runs(verdict)
    raise typer.Exit(verdict.exit_code)


def _verdict(
    target: str | None,
    texts: list[str],
    path: Path | None,
    below: tuple[Path | None, float | None],
    asked: dict[str, Any],
    how: dict[str, Any],
) -> "Verdict":
    """Checks what the command and the file ask for together; the command goes first."""
    from invariscope.cli.progress import RunBar
    from invariscope.cli.running import interruptible
    from invariscope.cli.screen import Screen
    from invariscope.gate import parse_rule
    from invariscope.gate.checking import BUDGET, check, refuse_for_a_run
    from invariscope.gate.rules_file import find_rules_file, read_rules_file
    from invariscope.memory import keep_freed_memory

    # rules of the command stand alone: a file that happens to lie here must not add to them
    found = path or (find_rules_file(Path()) if not texts and below[0] is None else None)
    file = None if found is None else read_rules_file(found)
    every, own = [parse_rule(text) for text in texts], asked
    if file is not None:
        every = [*every, *file.rules]
        asked = {**file.settings, **{key: v for key, v in asked.items() if v is not None}}
    target = target or asked.get("model")
    if target is None:
        raise InputError(
            "there is nothing to check: give a run folder or a model, such as "
            "builtin:efficientnet-lite0, or a file of rules with model = …"
        )
    if os.path.isdir(target):
        refuse_for_a_run(target, [key for key in own if own[key] is not None])
    known = {key: value for key, value in asked.items() if value is not None and key != "model"}
    limit = known.pop("num_images", None)
    for name, read in (("preprocessing", overrides), ("value_range", two_numbers)):
        if name in known:
            known[name] = read(known[name])
    keep_freed_memory()
    with interruptible(), RunBar(Screen(stderr=True), transient=True) as bar:
        return check(
            target,
            every,
            known.pop("data", "samples"),
            baseline=_baseline(*below, file),
            num_images=BUDGET if limit is None else count(str(limit), 2),
            progress=bar,
            **known,
            **how,
        )


def _baseline(
    run: Path | None, margin: float | None, file: "RulesFile | None"
) -> "Baseline | None":
    """The baseline of the command, or else of the file; --margin goes before the file's."""
    from dataclasses import replace

    from invariscope.gate import Baseline

    own = None if file is None else file.baseline
    if run is None and own is None and margin is not None:
        raise InputError("--margin is how far a cell may fall below a baseline: give --baseline")
    if own is None:
        if run is not None and margin is None:
            raise InputError(
                f"--baseline {run}: say how far a cell may fall below it, such as --margin 0.02"
            )
        return None if run is None or margin is None else Baseline(run, margin)
    own = own if run is None else replace(own, run=run)
    return own if margin is None else replace(own, margin=margin)


def _show(
    verdict: "Verdict", junit: Path | None, markdown: Path | None, github: bool, seconds: float
) -> None:
    """Shows a verdict, and writes it wherever it is wanted."""
    from invariscope.cli.screen import Screen
    from invariscope.files import write_file
    from invariscope.report.gate.github import gate_annotations
    from invariscope.report.gate.junit import gate_junit
    from invariscope.report.gate.markdown import gate_markdown
    from invariscope.report.gate.text import blocks

    screen, token = Screen(), os.urandom(16).hex()
    if github:  # names are text, also where a line of the table begins like a command
        screen.unbroken(f"::stop-commands::{token}")
    for block in blocks(verdict):
        screen.print(block)
    if github:
        for line in (f"::{token}::", *gate_annotations(verdict)):
            print(line)
    if junit is not None:
        write_file(junit, gate_junit(verdict, seconds))
    summary = os.environ.get(_SUMMARY) if github else None
    if summary:  # other commands of the step may have written there
        before = Path(summary).read_text() if Path(summary).exists() else ""
        write_file(Path(summary), (before + gate_markdown(verdict)).encode())
    if markdown is not None and str(markdown) != summary:
        write_file(markdown, gate_markdown(verdict).encode())


def _report_runs(verdict: "Verdict") -> None:
    """Writes the report of each run that was measured."""
    from invariscope.cli.screen import Screen
    from invariscope.results import Result

    for folder in verdict.folders:
        path = folder / "report.html"
        Result.load(folder).to_html(path)
        Screen().unbroken(f"report: {path}")
