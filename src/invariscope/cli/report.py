"""`invariscope report`: write the report of a run again."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, or a study's.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to (default: RUN/report.html).")
    ] = None,
) -> None:
    """Write the report of a folder that `measure`, `factors` or `study run` wrote."""
    from invariscope.cli.screen import Screen
    from invariscope.studies.lab.folder import is_study

    screen = Screen()
    if is_study(run):
        from invariscope.report.study.page import render_study
        from invariscope.studies.lab.folder import read_study

        screen.unbroken(f"report: {render_study(read_study(run), output)}")
        return
    from invariscope.results import Result
    from invariscope.runs.manifest import written_by

    path = output or run / "report.html"
    if written_by(run) == "factors":
        from invariscope.search import Factors

        Factors.load(run).to_html(path)
        screen.unbroken(f"report: {path}")
        return
    result = Result.load(run)
    for warning in result.warnings:
        Screen(stderr=True).unbroken(f"note: {warning}")
    result.to_html(path)
    screen.unbroken(f"report: {path}")
