"""`invariscope claims`: the papers' claims and their newest verdicts."""

import json
from pathlib import Path
from typing import Annotated

import typer

from invariscope.errors import InputError


def claims(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FOLDER",
            help="Where runs of studies lie, at any depth (default: runs/studies).",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with all parts.")] = False,
) -> None:
    """Show all claims of the papers with their newest verdicts.

    A run of a smoke preset gives no verdict: it shows that the code runs, where there is no other.
    """
    for folder in folders or ():
        if not folder.is_dir():
            raise InputError(f"no folder at {folder}: give a folder below which studies were run")
    from invariscope.studies.claims.overview import as_rows, as_text, overview
    from invariscope.studies.lab.running import STUDIES_FOLDER
    from invariscope.studies.lab.study import study_names

    entries = overview(folders or [STUDIES_FOLDER], study_names())
    if as_json:
        typer.echo(json.dumps(as_rows(entries), indent=2))
    else:
        from invariscope.cli.screen import Screen

        Screen().block(as_text(entries))
