"""`invariscope study`: the experiments of the papers, each as one command."""

import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invariscope.errors import InputError

if TYPE_CHECKING:
    from invariscope.studies.lab.cells import CellResult
    from invariscope.studies.lab.folder import StudyRun

app = typer.Typer(
    help="The experiments of the papers: list them, run one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_WIDTH = 80


@app.command("list")
def list_studies(
    name: Annotated[
        str | None, typer.Argument(help="One study: with its presets' settings.")
    ] = None,
) -> None:
    """List the studies: what each asks, which claims it decides, what its presets cost."""
    from invariscope.studies.claims import CLAIMS
    from invariscope.studies.lab.study import as_mapping, get_study, studies

    found = [get_study(name)] if name else list(studies().values())
    for study in found:
        claims = [claim.id for claim in CLAIMS.values() if claim.study == study.name]
        typer.echo(f"{study.name}  (paper {study.paper})")
        lines = [study.question]
        if claims:
            lines.append(f"claims: {', '.join(claims)}")
        if name:
            lines.append(f"the paper: {study.expected}")
        lines += [f"{preset}: {cost}" for preset, cost in study.cost.items()]
        for line in lines:
            typer.echo(textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="    "))
        for preset, settings in study.presets.items() if name else ():
            typer.echo(f"\n  settings of {preset} (--set KEY=VALUE):")
            for key, value in as_mapping(settings).items():
                shown = ",".join(map(str, value)) if isinstance(value, list) else value
                typer.echo(f"    {key}={shown}")
        typer.echo()


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
    cells: Annotated[
        Path, typer.Option(help="Where finished cells are kept and found again.")
    ] = Path("runs/cells"),
    workers: Annotated[int, typer.Option(help="Processes; the cores are shared among them.")] = 1,
) -> None:
    """Run a study and write its tables, figures, claims and report.

    Training and measuring are cells, each done once: the same command goes on where it stopped.
    """
    changes = _changes(set_ or ())
    if workers < 1:
        raise InputError(f"--workers {workers}: give 1 or more")
    from rich.console import Console

    from invariscope.cli.memory import keep_freed_memory
    from invariscope.cli.running import interruptible
    from invariscope.report.study.page import render_study
    from invariscope.studies.lab.running import lab_of, run_study
    from invariscope.studies.lab.study import get_study, settings_of

    study = get_study(name)
    settings_of(study, preset, changes)  # what is wrong is said before anything is loaded
    console = Console(highlight=False, soft_wrap=False)
    keep_freed_memory(processes=workers > 1)
    command = f"invariscope {shlex.join(sys.argv[1:])}"
    console.print(f"{study.name}, {preset} ({study.cost[preset]})", style="bold", soft_wrap=True)
    with interruptible(), CellBar(console) as bar:
        lab = lab_of(cells, workers, bar)
        found = run_study(study, preset, changes=changes, output=output, lab=lab, command=command)
    path = render_study(found)
    _show(found)
    console.print(f"report: {path}", soft_wrap=True)


def _changes(given: list[str] | tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {text}: write KEY=VALUE, such as --set seeds=0,1,2")
        if key.strip() in found:
            raise InputError(f"--set {key.strip()} is given twice: give it once")
        found[key.strip()] = value.strip()
    return found


def _show(run: "StudyRun") -> None:
    """The verdicts, in 80 columns."""
    from invariscope.report.study.page import lead
    from invariscope.studies.claims import get_claim
    from invariscope.studies.lab.words import value_text

    typer.echo()
    for claim in run.findings.claims:
        typer.echo(textwrap.fill(f"{claim.id:9} {claim.verdict}: {get_claim(claim.id).statement}",
                                 _WIDTH, subsequent_indent=" " * 10))  # fmt: skip
        for part in claim.parts:
            value = value_text(part.value, part.low, part.high)
            rule = part.rule.replace("-", "−")
            line = f"{part.name or 'statistic'}: {value} ({rule}, n = {part.n} {part.unit})"
            typer.echo(textwrap.fill(line, _WIDTH, initial_indent=" " * 10,
                                     subsequent_indent=" " * 12))  # fmt: skip
        if not claim.parts:
            typer.echo(textwrap.fill(claim.note, _WIDTH, initial_indent=" " * 10,
                                     subsequent_indent=" " * 10))  # fmt: skip
    typer.echo(lead(run.findings.claims))
    for note in run.findings.notes:
        typer.echo(textwrap.fill(f"note: {note}", _WIDTH))


class CellBar:
    """Shows a study's progress (a `LabProgress`): one bar for each set of cells."""

    def __init__(self, console):
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f} cells"),
            TimeElapsedColumn(),
            console=console,
            expand=True,
        )
        self._console = console

    def __enter__(self) -> "CellBar":
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def start(self, what: str, *, cells: int, done: int) -> None:
        """A set of cells begins."""
        self._task = self._bar.add_task(what, total=cells)
        self._bar.update(self._task, completed=done)  # so that a full bar's clock stands still

    def advance(self, result: "CellResult") -> None:
        """A cell is finished."""
        self._bar.advance(self._task)

    def note(self, text: str) -> None:
        """One line above the bars."""
        self._console.print(text, style="yellow", soft_wrap=True)
