"""Running a study's smoke preset and checking what every study owes."""

import math
from pathlib import Path

import pandas as pd

from invariscope.studies.claims import CLAIMS, NOT_RUN, VERDICTS
from invariscope.studies.folder import StudyRun, read_study
from invariscope.studies.lab import Lab
from invariscope.studies.running import run_study


def run_smoke(name: str, folder: Path, **changes: str) -> StudyRun:
    """The study's smoke preset, done in a folder, and then once more from its cells."""
    lab = Lab(folder / "cells")
    run = run_study(name, "smoke", changes=changes, output=folder / "out", lab=lab)
    owed = {claim.id for claim in CLAIMS.values() if claim.study == name}
    assert {claim.id for claim in run.findings.claims} == owed
    for claim in run.findings.claims:
        assert claim.verdict in VERDICTS
        if claim.verdict == NOT_RUN:
            assert claim.note, claim.id
            continue
        assert claim.ran_on, claim.id
        assert all(math.isfinite(part.value) for part in claim.parts), claim
    for figure in run.findings.figures:
        assert figure.svg.startswith("<svg ")
        assert figure.svg.count("</svg>") == 2
    for table in run.findings.tables:
        assert len(pd.read_csv(folder / "out" / "tables" / f"{table}.csv"))
    again = Lab(folder / "cells")
    second = run_study(name, "smoke", changes=changes, output=folder / "again", lab=again)
    assert all(found.reused for found in again.used.values())
    assert second.findings.claims == run.findings.claims or _nan_equal(run, second)
    assert read_study(folder / "out").about["study"] == name
    return run


def _nan_equal(one: StudyRun, other: StudyRun) -> bool:
    return repr(one.findings.claims) == repr(other.findings.claims)


def verdict(claims, name: str) -> str:
    """The verdict of a claim among several."""
    return next(claim.verdict for claim in claims if claim.id == name)
