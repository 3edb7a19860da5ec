"""Opens what is to be exported: a run, several runs to compare, a search, trainings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from invariscope.errors import InputError
from invariscope.export.of_others import (
    paper_of_trainings,
    record_of_comparison,
    record_of_factors,
    record_of_training,
)
from invariscope.export.of_run import Choice, record_of_run
from invariscope.export.record import Record
from invariscope.results import Result
from invariscope.runs.manifest import MEASURE, written_by
from invariscope.search import Factors
from invariscope.training.run import DONE, is_done, read_run


def open_record(runs: Sequence[Path], choice: Choice | None = None) -> list[Record]:
    """Collects what goes out of run folders.

    Args:
        runs: A folder of `measure`, `factors` or `train` (of one seed, or of all), or several of
            `measure`, which are compared.
        choice: What of it.

    Returns:
        One record; of the trainings of several seeds, one each.

    Raises:
        InputError: A folder is no finished run of these, or several are not all of `measure`.
    """
    choice = choice or Choice()
    if len(runs) > 1:
        for run in runs:
            if _seeds(run) or written_by(run) != MEASURE:
                raise InputError(
                    f"{run} is no folder of `invariscope measure`: only these are compared; export "
                    "the others one by one"
                )
        return [record_of_comparison([Result.load(run) for run in runs], choice)]
    (run,) = runs
    if seeds := _seeds(run):
        return [record_of_training(read_run(seed), choice) for seed in seeds]
    command = written_by(run)
    if command == "factors":
        return [record_of_factors(Factors.load(run), choice)]
    if command != MEASURE:
        raise InputError(
            f"{run} holds a run of `invariscope {command}`: folders of measure, factors and train "
            "can be exported"
        )
    return [record_of_run(Result.load(run), choice)]


def joined(records: Sequence[Record], runs: Sequence[Path]) -> Record:
    """One record of the trainings of several seeds, for a table; a single record as it is."""
    if records[0].command == "train":
        paper = paper_of_trainings([read_run(path) for path in _seeds(runs[0])])
        table = pd.concat([record.table for record in records], ignore_index=True)
        return replace(records[0], table=table, paper=paper)
    return records[0]


def _seeds(run: Path) -> list[Path]:
    """The folders of the trainings in a folder: itself, or one a seed."""
    return [run] if is_done(run) else [path.parent for path in sorted(run.glob(f"seed-*/{DONE}"))]
