"""Running a study's smoke preset and checking what every study owes."""

import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
import torch

from children import FORKED
from invariscope.studies.claims import CLAIMS, NOT_RUN, VERDICTS, ClaimResult
from invariscope.studies.lab.folder import StudyRun, read_study
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.running import run_study


def _twice(name: str, folder: Path, changes: dict[str, str]) -> None:
    """Runs the study in a folder, and then once more from its cells."""
    torch.set_num_threads(1)
    for out, reused in (("out", False), ("again", True)):
        lab = Lab(folder / "cells")
        run_study(name, "smoke", changes=changes, output=folder / out, lab=lab)
        assert all(found.reused == reused for found in lab.used.values()), "cells are not kept"


def run_smoke(name: str, folder: Path, **changes: str) -> StudyRun:
    """The study's smoke preset, done in a folder, and then once more from its cells."""
    # A process of its own: the type checker of the tests makes small networks five times slower.
    with ProcessPoolExecutor(1, mp_context=FORKED) as pool:
        pool.submit(_twice, name, folder, changes).result()
    run, again = read_study(folder / "out"), read_study(folder / "again")
    assert repr(again.findings.claims) == repr(run.findings.claims)
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
    for table in run.findings.tables.values():
        assert isinstance(table, pd.DataFrame)
        assert len(table)
    return run


def verdict(claims: list[ClaimResult], name: str) -> str:
    """The verdict of a claim among several."""
    return next(claim.verdict for claim in claims if claim.id == name)
