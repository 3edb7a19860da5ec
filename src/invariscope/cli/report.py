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
    """Write the report of a run folder, or of a folder of `invariscope factors`."""
    from invariscope.results import Result
    from invariscope.results.manifest import written_by

    path = output or run / "report.html"
    if written_by(run) == "factors":
        from invariscope.factors import Factors

        Factors.load(run).to_html(path)
        typer.echo(f"report: {path}")
        return
    result = Result.load(run)
    for warning in result.warnings:
        typer.echo(f"note: {warning}", err=True)
    result.to_html(path)
    typer.echo(f"report: {path}")
