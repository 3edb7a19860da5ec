"""`invariscope compare`: two runs cell by cell, and any number of runs as a leaderboard."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invariscope.errors import InputError, first_of
from invariscope.files import TABLES, write_table

if TYPE_CHECKING:
    from invariscope.cli.screen import Screen

_PAGE = ".html"


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN…", help="Two run folders or more.")
    ],
    accuracy: Annotated[
        Path | None,
        typer.Option("--accuracy", "-a", help="CSV file with the columns model,accuracy (0 to 1)."),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="A leaderboard page (.html) or the table (.csv, .parquet).",
        ),
    ] = None,
) -> None:
    """Compare runs on the images that all of them have.

    Two runs: difference (B - A) of every cell, 95 % interval, corrected p-value. Any number:
    standings, means by transformation and part, rank correlation of every measure with accuracy.
    """
    for path in output or ():
        if path.suffix not in (*TABLES, _PAGE):
            raise InputError(f"--output {path}: give a file that ends in .html, .csv or .parquet")
    if len(runs) < 2:
        raise InputError(f"{len(runs)} run folder: give two or more to compare")
    from invariscope.cli.screen import Screen
    from invariscope.results import Leaderboard, Result, read_accuracies

    known = None if accuracy is None else read_accuracies(accuracy)
    screen = Screen()
    results = [Result.load(run) for run in _measured(runs, screen)]
    board = Leaderboard(results, accuracy=known, source=str(accuracy or ""))
    screen.block(board.to_text())
    for path in output or ():
        if path.suffix == _PAGE:
            screen.unbroken(f"leaderboard: {board.to_html(path)}")
            continue
        table = board.averages if board.comparison is None else board.comparison.frame
        write_table(path, table)
        screen.unbroken(f"table: {path}")
        if not board.correlations.empty:
            beside = path.with_stem(f"{path.stem}-correlations")
            write_table(beside, board.correlations)
            screen.unbroken(f"correlations: {beside}")


def _measured(runs: list[Path], screen: "Screen") -> list[Path]:
    """The runs of `measure` among some folders: ``runs/*`` holds searches and trainings as well."""
    from invariscope.runs.manifest import MANIFEST, MEASURE, written_by

    others = [
        run for run in runs
        if run.is_dir() and not ((run / MANIFEST).is_file() and written_by(run) == MEASURE)
    ]  # fmt: skip
    if not others or len(runs) - len(others) < 2:
        return runs  # reading them says what is wrong
    screen.say(f"left out, as measure did not write them: {first_of([str(run) for run in others])}")
    return [run for run in runs if run not in others]
