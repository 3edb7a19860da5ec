"""`invariscope study`: the experiments of the papers, each as one command."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invariscope.cli.options import Address, Engine
from invariscope.cli.options import numbers as option_numbers
from invariscope.errors import InputError

if TYPE_CHECKING:
    from invariscope.cli.screen import Screen
    from invariscope.studies.lab.folder import StudyRun

app = typer.Typer(
    help="The experiments of the papers: list them, run one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_studies(
    name: Annotated[
        str | None, typer.Argument(help="One study: with its presets' settings.")
    ] = None,
) -> None:
    """List the studies: what each asks, which claims it decides, what its presets cost and tell.

    What seeds tell is the smallest effect that they decide in 80 of 100 cases, in spreads (standard
    deviations) of the compared number over seeds. --until decided adds seeds where they do not.
    """
    from invariscope.cli.screen import Screen
    from invariscope.studies.claims import CLAIMS
    from invariscope.studies.lab.preset_power import power_of_preset
    from invariscope.studies.lab.study import as_mapping, get_study, studies
    from invariscope.terminal import paragraphs

    screen = Screen()
    for study in [get_study(name)] if name else studies().values():
        claims = [claim.id for claim in CLAIMS.values() if claim.study == study.name]
        screen.say(f"{study.name}  (paper {study.paper})")
        lines = [study.question]
        if claims:
            lines.append(f"claims: {', '.join(claims)}")
        if name:
            lines.append(f"the paper: {study.expected}")
        lines += [
            f"{preset}: {cost}; {power_of_preset(study, preset)}"
            for preset, cost in study.cost.items()
        ]
        screen.print(paragraphs([("", line) for line in lines], 2))
        for preset, settings in study.presets.items() if name else ():
            screen.print()
            screen.say(f"  settings of {preset} (--set KEY=VALUE):")
            for key, value in as_mapping(settings).items():
                shown = ",".join(map(str, value)) if isinstance(value, list) else value
                screen.unbroken(f"    {key}={shown}")
        screen.print()


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="The study; `invariscope study list` names all.")],
    preset: Annotated[
        str, typer.Option(help="smoke (seconds), laptop (minutes) or paper (as published).")
    ] = "laptop",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another setting; may be repeated."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder (default: runs/studies/NAME-PRESET)."),
    ] = None,
    jobs_folder: Annotated[
        Path, typer.Option(help="Folder in which finished jobs are kept and found again.")
    ] = Path("runs/jobs"),
    workers: Annotated[
        int | None,
        typer.Option(help="Jobs at once, which share the cores (default: 1; of Ray: all)."),
    ] = None,
    engine: Engine = "local",
    address: Address = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="decided", help="Add seeds while a claim is open, at planned looks."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time for --until decided: 3h, 90min; default: no end.")
    ] = None,
    looks: Annotated[
        str | None, typer.Option(help="Seeds at each look of --until decided: 3,5,8,12.")
    ] = None,
) -> None:
    """Run a study and write its tables, figures, claims and report.

    Training and measuring are jobs, each done once: the same command goes on where it stopped.
    """
    changes = _changes(set_ or ())
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: give 1 or more")
    _check_until(until, {"--budget": budget, "--looks": looks})
    from invariscope.cli.progress import JobBar
    from invariscope.cli.running import interruptible
    from invariscope.cli.screen import Screen
    from invariscope.memory import keep_freed_memory
    from invariscope.report.study.page import render_study
    from invariscope.studies.lab.running import lab_of, run_study
    from invariscope.studies.lab.study import get_study, settings_of
    from invariscope.studies.lab.until_decided import run_until_decided

    study = get_study(name)
    settings_of(study, preset, changes)  # what is wrong is said before anything is loaded
    screen = Screen()
    keep_freed_memory()
    command = f"invariscope {shlex.join(sys.argv[1:])}"
    screen.unbroken(f"{study.name}, {preset} ({study.cost[preset]})", style="bold")
    with interruptible(), JobBar(screen) as bar:
        lab = lab_of(jobs_folder, workers, bar, engine=engine, address=address)
        how: dict[str, Any] = {
            "changes": changes, "output": output, "lab": lab, "command": command
        }  # fmt: skip
        if until:
            numbers = option_numbers("--looks", looks, int, "3,5,8,12") if looks else None
            result = run_until_decided(study, preset, budget=budget, looks=numbers, **how)
        else:
            result = run_study(study, preset, **how)
    path = render_study(result)
    _show(screen, result)
    screen.unbroken(f"report: {path}")


def _check_until(until: str | None, of_it: Mapping[str, str | None]) -> None:
    if until not in (None, "decided"):
        raise InputError(f"--until {until}: the one word that it takes is decided")
    for option, value in of_it.items():
        if value is not None and until is None:
            raise InputError(f"{option} {value} without --until decided: give both, or neither")


def _changes(given: list[str] | tuple[str, ...]) -> dict[str, str]:
    changes = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {text}: write KEY=VALUE, such as --set seeds=0,1,2")
        if key.strip() in changes:
            raise InputError(f"--set {key.strip()} is given twice: give it once")
        changes[key.strip()] = value.strip()
    return changes


def _show(screen: "Screen", run: "StudyRun") -> None:
    """Shows the verdicts in 80 columns."""
    from invariscope.report.kit.words import value_text
    from invariscope.report.study.page import lead
    from invariscope.studies.claims import get_claim
    from invariscope.studies.claims.record import SMOKE
    from invariscope.terminal import paragraphs

    lines, trial = [], run.about["preset"] == SMOKE
    for claim in run.findings.claims:
        at = f" with {claim.seeds} seeds (look {claim.look})" if claim.look else ""
        verdict = "no verdict" if trial else f"{claim.verdict}{at}"
        lines.append((claim.id, f"{verdict}: {get_claim(claim.id).statement}"))
        for part in claim.parts:
            value, rule = value_text(part.value, part.low, part.high), part.rule.replace("-", "−")
            name = part.name or "statistic"
            lines.append(("", f"{name}: {value} ({rule}, n = {part.n} {part.unit})"))
        if not claim.parts:
            lines.append(("", claim.note))
        if claim.needed:
            lines.append(("", f"needed: {claim.needed}"))
    screen.print()
    screen.print(paragraphs(lines, 10))
    if trial and run.findings.claims:
        screen.say("The preset smoke shows that the code runs, and decides no claim.")
    else:
        screen.say(lead(run.findings.claims))
    if run.looks is not None:
        screen.say(run.looks.in_words())
    for note in run.findings.notes:
        screen.say(f"note: {note}")
