"""Keeps the rows of a search: one for each pair, one file for each block of 32 pairs.

| column | meaning |
|---|---|
| class | number of the class in the manifest's list |
| first | id of the anchor x₁ |
| second | id of the other image x₂, which is transformed |
| before | s₀ = cos(f(x₁), f(x₂)) |
| change | float32, one for each computed operation, in the manifest's order: s_T − s₀ |

Blocks follow the order of the classes, so a class lies in neighbouring files and is read alone: no
reader ever holds more than one class. Pairs of which an image cannot be read have no row.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from invariscope.files import undamaged
from invariscope.runs.block_files import (
    ROWS_OF_BLOCK,
    RowFormat,
    block_files,
    block_path,
    read_block_file,
)
from invariscope.runs.identity import check_run, run_of

PAIRS_PER_BLOCK = 32


def pair_schema(operations: int) -> pa.Schema:
    """Makes the schema of a file with the changes of that many computed operations."""
    return pa.schema(
        [
            pa.field("class", pa.int32()),
            pa.field("first", pa.string()),
            pa.field("second", pa.string()),
            pa.field("before", pa.float64()),
            pa.field("change", pa.list_(pa.float32(), operations)),
        ]
    )


def pair_table(
    classes: Sequence[int] | np.ndarray,
    first: Sequence[str],
    second: Sequence[str],
    before: np.ndarray,
    change: np.ndarray,
) -> pa.Table:
    """Makes the rows of a block.

    Args:
        classes: Number of the class of each pair.
        first: Id of each anchor.
        second: Id of each other image.
        before: float64 [pair].
        change: [pair, operation].
    """
    schema = pair_schema(change.shape[1])
    values = pa.array(np.ascontiguousarray(change, dtype=np.float32).ravel())
    columns = [
        pa.array(np.asarray(classes, dtype=np.int32)),
        pa.array(list(first), pa.string()),
        pa.array(list(second), pa.string()),
        pa.array(np.asarray(before, dtype=np.float64)),
        pa.FixedSizeListArray.from_arrays(values, type=schema.field("change").type),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _check(file: pq.ParquetFile, table: pa.Table) -> None:
    width = table.schema.field("change").type.list_size
    if not table.schema.equals(pair_schema(width)):
        raise ValueError("other columns")


#: The rows of a search, in one row group.
PAIR_ROWS = RowFormat(check=_check)


@dataclass(frozen=True)
class ClassRows:
    """The pairs of one class.

    Attributes:
        first: Ids [pair] of the anchors.
        second: Ids [pair] of the others.
        before: float64 [pair].
        change: float64 [pair, computed operation].
    """

    first: list[str]
    second: list[str]
    before: np.ndarray
    change: np.ndarray


class PairRows:
    """The rows of a search, one class at a time.

    Args:
        source: The ``rows`` folder of a search, or its tables, one per block.
        pairs: How many pairs each class has, in the order of the classes.
        operations: How many operations were computed.
        run: The identity that all files must carry; None: they are not asked.

    Raises:
        InputError: A file is of another run.
    """

    def __init__(
        self, source: str | os.PathLike[str] | Sequence[pa.Table], pairs: Sequence[int],
        operations: int, run: str | None = None,
    ):  # fmt: skip
        self._source = Path(source) if isinstance(source, str | os.PathLike) else source
        self._ends = np.cumsum([0, *pairs])
        self._operations = operations
        self._run = run
        if isinstance(self._source, Path) and run is not None:
            self._check_files(self._source, run)
        self._kept: tuple[int, pa.Table] | None = None  # neighbouring classes share a block

    def _check_files(self, folder: Path, run: str) -> None:
        """Checks the run of every file; a damaged file raises when it is read."""
        for _, path in block_files(folder):
            try:
                written = run_of(pq.read_schema(path))
            except (OSError, pa.ArrowException):
                continue
            check_run(path, written, run, *ROWS_OF_BLOCK)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self._ends) - 1

    def of_class(self, number: int) -> ClassRows:
        """The pairs of a class.

        Raises:
            InputError: A file is missing or damaged.
        """
        start, stop = int(self._ends[number]), int(self._ends[number + 1])
        blocks = range(start // PAIRS_PER_BLOCK, -(-stop // PAIRS_PER_BLOCK))
        table = pa.concat_tables(
            [pair_schema(self._operations).empty_table(), *(self._block(k) for k in blocks)]
        )
        table = table.filter(pa.array(table["class"].to_numpy() == number)).combine_chunks()
        change = table["change"].combine_chunks().flatten().to_numpy()
        return ClassRows(
            table["first"].to_pylist(),
            table["second"].to_pylist(),
            table["before"].to_numpy(),
            change.reshape(len(table), self._operations).astype(np.float64),
        )

    def blocks(self) -> Iterator[pa.Table]:
        """Yields the tables of all blocks, in order."""
        for number in range(-(-int(self._ends[-1]) // PAIRS_PER_BLOCK)):
            yield self._block(number)

    def _block(self, number: int) -> pa.Table:
        if not isinstance(self._source, Path):
            return self._source[number]
        if self._kept is not None and self._kept[0] == number:
            return self._kept[1]
        path = block_path(self._source, number)
        with undamaged(path, "run the same command again to measure that block"):
            table = read_block_file(path, PAIR_ROWS)
        check_run(path, run_of(table.schema), self._run, *ROWS_OF_BLOCK)
        self._kept = (number, table)
        return table
