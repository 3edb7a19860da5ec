"""Writes and reads `Foregrounds`: the manifest as JSON, boxes as Parquet, statistics as CSV."""

from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.errors import InputError
from invariscope.files import read_csv, read_parquet, undamaged, write_table
from invariscope.sealed import read_sealed, write_sealed

MANIFEST = "foregrounds.json"
_REMEDY = "measure again"
TABLES = {
    "images": "foregrounds.parquet",
    "summary": "foregrounds-summary.csv",
    "spread": "foregrounds-spread.csv",
}


def write_foregrounds(
    folder: Path, manifest: dict[str, Any], tables: dict[str, pd.DataFrame]
) -> Path:
    """Writes the tables, then the manifest; returns the folder.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    for name, file in TABLES.items():
        write_table(folder / file, tables[name])
    write_sealed(folder / MANIFEST, manifest, TABLES.values())
    return folder


def read_foregrounds(folder: Path) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Reads what `write_foregrounds` wrote.

    Raises:
        InputError: A file is missing or is not what was written.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: no {MANIFEST} there; give a folder of invariscope foregrounds")
    tables: dict[str, pd.DataFrame] = {}
    manifest = read_sealed(folder / MANIFEST, _REMEDY)
    for name, file in TABLES.items():
        if file.endswith(".parquet"):
            tables[name] = read_parquet(folder / file, _REMEDY).to_pandas()
            continue
        with undamaged(folder / file, _REMEDY):
            # the class "" (all images) and classes such as "None" are words, not gaps
            words = read_csv(folder / file, dtype=str, keep_default_na=False)
            tables[name] = words.apply(_numbers)
    return manifest, tables


def _numbers(column: pd.Series) -> pd.Series:
    """A column of text as numbers, to the last bit, unless it is one of words."""
    if column.name in ("class", "measure"):
        return column
    if column.name == "n":
        return column.map(int)
    return column.map(_float)


def _float(text: Any) -> float:
    return float(text) if text else float("nan")
