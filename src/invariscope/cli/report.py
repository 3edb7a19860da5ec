"""`invariscope report`: write the report of a run again."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to (default: RUN/report.html).")
    ] = None,
) -> None:
    """Write the report of a run folder."""
    from invariscope.results import Result

    path = output or run / "report.html"
    result = Result.load(run)
    for warning in result.warnings:
        typer.echo(f"note: {warning}", err=True)
    result.to_html(path)
    typer.echo(f"report: {path}")
