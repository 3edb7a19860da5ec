"""Identifies the run of a file: 16 hex digits in the manifest and in every file with numbers.

The digits are those of a SHA-256 over the settings of the run and the versions of invariscope and
torch. Parquet files carry them in the metadata of their schema (key `invariscope.run`), NumPy
archives as the array `run`. A file of another run is refused by its name and never averaged in.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from invariscope.errors import InputError

#: The array that holds the identity in a NumPy archive.
RUN = "run"
_KEY = b"invariscope.run"
_DIGITS = 16


def identity(settings: Mapping[str, Any], version: str, torch: str) -> str:
    """Computes the identity of a run.

    Args:
        settings: The manifest's settings, in any order of their keys.
        version: The version of invariscope.
        torch: The version of torch.

    Example:
        >>> identity({"seed": 0}, "0.1.0", "2.8.0")
        '88ec7912c2aeef6d'
    """
    content = {"settings": settings, "version": version, "torch": torch}
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def stamped(table: pa.Table, run: str) -> pa.Table:
    """Adds the run's identity to the table's metadata; "" leaves it without one."""
    if not run:
        return table
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: run.encode()})


def run_of(schema: pa.Schema) -> str:
    """Reads the identity that a table carries; "" where it has none."""
    return (schema.metadata or {}).get(_KEY, b"").decode(errors="replace")


def check_run(path: Path, written: str, run: str | None, what: str, purpose: str) -> None:
    """Refuses a file of another run.

    Args:
        path: The file.
        written: The identity that it carries.
        run: The identity of the run; None: it may be of any.
        what: What the file holds ("rows").
        purpose: What running the command again is for ("measure that block").

    Raises:
        InputError: The file is of another run, or of none.
    """
    if run is not None and written != run:
        raise InputError(
            f"{path} holds {what} of another run than manifest.json: delete it and run the same "
            f"command again to {purpose}"
        )
