"""The tables of a run beside its rows: Parquet files that carry the identity of their run."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from invariscope.files import read_parquet, undamaged, write_parquet
from invariscope.runs.identity import check_run, run_of, stamped


def write_run_table(
    path: Path, table: pa.Table | pd.DataFrame, schema: pa.Schema, run: str
) -> Path:
    """Writes a table, whole or not at all.

    Args:
        path: The file.
        table: The table.
        schema: Its columns.
        run: The identity of the run; "" for a table of none.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    columns: Any = table
    if isinstance(table, pd.DataFrame):
        columns = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
    # Without the metadata of pandas: it names library versions, and the bytes are to be the same.
    columns = stamped(columns.replace_schema_metadata(None), run)
    write_parquet(path, columns, kept="the rows of the run are kept")
    return path


def read_run_table(
    path: Path, schema: pa.Schema, run: str | None, what: str, remedy: str
) -> pa.Table:
    """Reads a table.

    Args:
        path: The file.
        schema: The columns that it must have.
        run: The identity of the run; None: it may be of any.
        what: What it holds ("channels").
        remedy: What to do where it is damaged, as for `invariscope.files.undamaged`.

    Raises:
        InputError: The file is missing, damaged, lacks columns or is of another run.
    """
    table = read_parquet(path, remedy)
    check_run(path, run_of(table.schema), run, what, "write it anew")
    with undamaged(path, remedy):
        return table.select(schema.names).cast(schema)
