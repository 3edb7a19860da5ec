"""Tables as files of the user's choice."""

from pathlib import Path
from typing import TYPE_CHECKING

from invariscope.errors import InputError, RunError
from invariscope.files import disk_is_full

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".parquet")


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Writes a table as CSV or parquet, by the ending of its path.

    Raises:
        InputError: It cannot be written there.
        RunError: The disk is full.
    """
    try:
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
    except OSError as problem:
        kind = RunError if disk_is_full(problem) else InputError
        raise kind(f"cannot write {path}: {problem.strerror}; give another path") from problem
