"""The files of `Foregrounds`: what was measured as JSON, boxes as Parquet, statistics as CSV."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.errors import InputError
from invariscope.results.atomic import write_file

MANIFEST = "foregrounds.json"
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
        buffer = io.BytesIO()
        if file.endswith(".csv"):
            tables[name].to_csv(buffer, index=False)
        else:
            tables[name].to_parquet(buffer, index=False)
        write_file(folder / file, buffer.getvalue())
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_file(folder / MANIFEST, text.encode())
    return folder


def read_foregrounds(folder: Path) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Reads what `write_foregrounds` wrote.

    Raises:
        InputError: A file is missing or broken.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: no {MANIFEST} there; give a folder of invariscope foregrounds")
    tables: dict[str, pd.DataFrame] = {}
    file = MANIFEST
    try:
        manifest = json.loads((folder / file).read_text(encoding="utf-8"))
        for name, file in TABLES.items():
            if file.endswith(".csv"):
                # the class "" (all images) and classes such as "None" are words, not gaps
                words = pd.read_csv(folder / file, dtype=str, keep_default_na=False)
                tables[name] = words.apply(_numbers)
            else:
                tables[name] = pd.read_parquet(folder / file)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder / file} cannot be read ({reason}); measure again") from error
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
