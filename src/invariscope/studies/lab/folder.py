"""Writes and reads the folder of a study, `runs/studies/NAME-PRESET/`.

| file | content |
|---|---|
| study.json | settings, preset, command, versions, machine, cost, the jobs used, figures' titles |
| claims.json | the verdicts, and the looks at them (`claims/record.py`) |
| looks.json | where seeds are added: the plan, and what is decided so far (`planned.py`) |
| tables/NAME.csv | the tables |
| figures/N.svg | the figures |
| report.html | the page |

`study.json` is written last and holds the digests of the others but the page, so a folder that has
one is whole.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.errors import InputError
from invariscope.files import read_csv, remove_leftovers, undamaged, write_csv, write_file
from invariscope.sealed import read_sealed, write_sealed
from invariscope.studies.claims.looks import Looks
from invariscope.studies.claims.record import (
    CLAIMS_FILE,
    STUDY,
    Record,
    read_claims,
    write_claims,
)
from invariscope.studies.lab.findings import Figure, Findings

REPORT = "report.html"
FORMAT = 1
_REMEDY = "run the study again"


@dataclass(frozen=True)
class StudyRun:
    """A study that was run.

    Attributes:
        about: The content of `study.json`.
        findings: The findings.
        folder: Where it lies.
        looks: The looks, where seeds were added; None: their number was fixed.
    """

    about: dict[str, Any]
    findings: Findings
    folder: Path
    looks: Looks | None = None


def write_study(
    folder: Path, about: dict[str, Any], findings: Findings, looks: Looks | None = None
) -> StudyRun:
    """Writes all but the page.

    Args:
        folder: The study's folder; an earlier run's files of other names stay.
        about: study, preset, finished, settings, execution, …: what `study.json` says, without the
            names of tables and figures.
        findings: The findings.
        looks: The looks, where seeds were added.

    Raises:
        RunError: The folder cannot be written.
    """
    remove_leftovers(folder)
    written = [CLAIMS_FILE]
    for name, table in findings.tables.items():
        written.append(f"tables/{name}.csv")
        write_csv(folder / written[-1], table)
    for number, figure in enumerate(findings.figures, 1):
        written.append(f"figures/{number}.svg")
        write_file(folder / written[-1], figure.svg.encode())
    claims = tuple(findings.claims)
    record = Record(about["study"], about["preset"], about["finished"], claims, looks=looks)
    write_claims(folder, record)
    about = {
        "format": FORMAT,
        **about,
        "tables": list(findings.tables),
        "figures": [
            {"title": figure.title, "caption": figure.caption} for figure in findings.figures
        ],
        "notes": list(findings.notes),
    }
    write_sealed(folder / STUDY, about, written)
    return StudyRun(about, findings, folder, looks)


def is_study(folder: Path) -> bool:
    """Says whether a folder is one that a study wrote."""
    return (folder / STUDY).is_file()


def read_study(folder: Path) -> StudyRun:
    """Reads a folder that `write_study` wrote.

    Raises:
        InputError: It is none, a file of it is missing or damaged, or its format is newer.
    """
    path = folder / STUDY
    if not path.is_file():
        raise InputError(
            f"{folder} is not a study's folder (it has no {STUDY}): give one that "
            "`invariscope study run` wrote"
        )
    about = read_sealed(path, _REMEDY)
    with undamaged(path, _REMEDY):
        if about["format"] > FORMAT:
            raise InputError(f"{path} has format {about['format']}: install a newer invariscope")
        names, drawn = list(about["tables"]), [(f["title"], f["caption"]) for f in about["figures"]]
    tables: dict[str, pd.DataFrame] = {}
    for name in names:
        file = folder / "tables" / f"{name}.csv"
        with undamaged(file, _REMEDY):
            tables[name] = read_csv(file)
    figures = []
    for number, (title, caption) in enumerate(drawn, 1):
        file = folder / "figures" / f"{number}.svg"
        with undamaged(file, _REMEDY):
            figures.append(Figure(title, caption, file.read_text(encoding="utf-8")))
    record = read_claims(folder / CLAIMS_FILE)
    findings = Findings(tables, figures, record.claims, about["notes"])
    return StudyRun(about, findings, folder, record.looks)
