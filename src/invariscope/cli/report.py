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
    from invariscope.studies.lab.folder import is_study

    if is_study(run):
        from invariscope.report.study.page import render_study
        from invariscope.studies.lab.folder import read_study

        typer.echo(f"report: {render_study(read_study(run), output)}")
        return
    from invariscope.results import Result
    from invariscope.runs.manifest import written_by

    path = output or run / "report.html"
    if written_by(run) == "factors":
        from invariscope.search import Factors

        Factors.load(run).to_html(path)
        typer.echo(f"report: {path}")
        return
    result = Result.load(run)
    for warning in result.warnings:
        typer.echo(f"note: {warning}", err=True)
    result.to_html(path)
    typer.echo(f"report: {path}")
