"""`invariscope compare`: two runs on the same images, cell by cell."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="A run folder.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another one.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the full table as CSV or parquet.")
    ] = None,
) -> None:
    """Compare two runs image by image: difference (B - A), 95 % interval, corrected p-value."""
    from invariscope.errors import InputError
    from invariscope.results import Result

    if output is not None and output.suffix not in (".csv", ".parquet"):
        raise InputError(f"--output {output}: give a file that ends in .csv or .parquet")
    comparison = Result.load(first).compare(Result.load(second))
    typer.echo(comparison.to_text())
    if output is None:
        return
    try:
        if output.suffix == ".csv":
            comparison.frame.to_csv(output, index=False)
        else:
            comparison.frame.to_parquet(output, index=False)
    except OSError as problem:
        raise InputError(
            f"cannot write {output}: {problem.strerror}; give another path"
        ) from problem
    typer.echo(f"table: {output}")
