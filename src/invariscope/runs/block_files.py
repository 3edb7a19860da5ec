"""Writes and reads row files: one Parquet file for each block, written whole or not at all.

A file carries the identity of its run (`runs/identity.py`) and, by the images' ids, what their
content is known by (`invariscope.data.digests`), both in the metadata of its schema. What its rows
are, says the instrument: a `RowFormat`.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from invariscope.files import write_file
from invariscope.runs.identity import check_run, run_of, stamped

#: The folder of the row files in a run folder.
ROWS = "rows"
#: What a row file holds, and why its run goes on without it.
ROWS_OF_BLOCK = ("rows", "measure that block")
#: Whatever a damaged file makes its reader raise.
DAMAGE = (OSError, ValueError, KeyError, TypeError, pa.ArrowException)
_FILE = re.compile(r"block-(\d{5,})\.parquet")
_DIGESTS = b"invariscope.digests"


def _whole(table: pa.Table) -> Sequence[int]:
    return [len(table)]


def _anything(file: pq.ParquetFile, table: pa.Table) -> None:
    return None


@dataclass(frozen=True)
class RowFormat:
    """The format of an instrument's rows.

    Attributes:
        groups: How many rows of a table belong to each row group of its file, in order.
        check: Raises one of `DAMAGE` where a readable file, and its table, are no such rows.
    """

    groups: Callable[[pa.Table], Sequence[int]] = _whole
    check: Callable[[pq.ParquetFile, pa.Table], None] = _anything


def block_path(folder: str | os.PathLike[str], index: int) -> Path:
    """The file of a block: `block-00000.parquet` and so on."""
    return Path(folder) / f"block-{index:05d}.parquet"


def block_files(folder: Path) -> list[tuple[int, Path]]:
    """The row files of a folder by number, whole or not."""
    if not folder.is_dir():
        return []
    matches = ((_FILE.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in matches if match)


def remove_blocks(folder: Path, first: int) -> None:
    """Removes the row files of a folder from a block on, whole or not."""
    for number, path in block_files(folder):
        if number >= first:
            path.unlink()


def write_block_file(
    folder: str | os.PathLike[str], index: int, table: pa.Table, run: str, rows: RowFormat
) -> Path:
    """Writes the rows of one block: afterwards the whole file is on the disk, or none is.

    Args:
        folder: The `rows` folder of the run; made where it is missing.
        index: Number of the block, from 0.
        table: Its rows.
        run: The identity of the run; "" for rows of none.
        rows: What they look like.

    Raises:
        RunError: The disk is full or the folder cannot be written; earlier blocks are untouched.
    """
    table = stamped(table, run)
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema, write_page_checksum=True) as writer:
        start = 0
        for count in rows.groups(table):
            writer.write_table(table.slice(start, count), row_group_size=max(1, count))
            start += count
    path = block_path(folder, index)
    write_file(path, buffer.getvalue(), kept="every block written so far is kept")
    return path


def completed_blocks(
    folder: str | os.PathLike[str], run: str | None = None, rows: RowFormat | None = None
) -> list[int]:
    """The numbers of the blocks that are whole, ascending; all is read and checked.

    Truncated and corrupt files do not count, so a resumed run measures those blocks again.

    Args:
        folder: The `rows` folder of a run.
        run: The identity of the run; None: files may be of any.
        rows: What rows look like; None: anything.

    Raises:
        InputError: A whole file is not of the run whose identity is given; the message names it.
    """
    whole = []
    for index, path in block_files(Path(folder)):
        schema = _schema_of_whole(path, rows or RowFormat())
        if schema is not None:
            check_run(path, run_of(schema), run, *ROWS_OF_BLOCK)
            whole.append(index)
    return whole


def _schema_of_whole(path: Path, rows: RowFormat) -> pa.Schema | None:
    """The schema of a file, with its metadata; None where the file is not whole."""
    try:
        return read_block_file(path, rows).schema
    except DAMAGE:
        return None


def read_block_file(path: Path, rows: RowFormat) -> pa.Table:
    """Reads all rows of a block and checks them; raises one of `DAMAGE` where it is not whole."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        groups = [
            file.read_row_groups([group], use_threads=False) for group in range(file.num_row_groups)
        ]
        # Dictionaries may be damaged too: headers of pages are under no checksum.
        table = pa.concat_tables([file.schema_arrow.empty_table(), *groups])
        table.validate(full=True)
        digests_of(file.schema_arrow)
        rows.check(file, table)
        return table


def with_digests(table: pa.Table, digests: Mapping[str, str]) -> pa.Table:
    """The table with the digests of images beside its other metadata."""
    if not digests:
        return table
    text = json.dumps(digests).encode()
    metadata = {**(table.schema.metadata or {}), _DIGESTS: _sum(text) + text}
    return table.replace_schema_metadata(metadata)


def digests_of(schema: pa.Schema) -> dict[str, str]:
    """The digests that a table carries, by the id of the image.

    Raises:
        ValueError: They are damaged.
    """
    content = (schema.metadata or {}).get(_DIGESTS)
    if content is None:
        return {}
    text = content[_SUM:]
    if _sum(text) != content[:_SUM]:
        raise ValueError("the digests of the images are damaged")
    return json.loads(text)


_SUM = 16


def _sum(text: bytes) -> bytes:
    """Computes a checksum of metadata, which Parquet's own checksums do not cover."""
    return hashlib.blake2b(text, digest_size=_SUM // 2).hexdigest().encode()
