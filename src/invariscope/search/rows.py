"""Keeps the rows of a search: one for each ordered pair of images, one file for each block.

| column | meaning |
|---|---|
| class | number of the class in the manifest's list |
| role | 0, drawn: a pair of eq. 2; 1, own: both of the class; 2, elsewhere: x₁ of another class; \
3, step: see below |
| number | of a drawn pair in the order of the draw; else 0 |
| first | id of the anchor x₁ |
| second | id of the other image x₂, which is transformed |
| before | s₀ = cos(f(x₁), f(x₂)) |
| change | float32, one for each computed operation, in the manifest's order: s_T − s₀ |

Of a step, first and second are one image x, and ``change`` holds cos(f(S(x)), f(T(x))) for every
level T of a family and its neighbour S towards the identity (`search.families`). Policies have a
change in drawn pairs only; elsewhere theirs is NaN.

A block moves up to 64 images of one class, and a class lies in neighbouring files: no reader ever
holds more than one class. Pairs of which an image cannot be read have no row.
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
    digests_of,
    read_block_file,
)
from invariscope.runs.identity import check_run, run_of

MOVED_PER_BLOCK = 64
DRAWN, OWN, ELSEWHERE, STEP = range(4)


def pair_schema(operations: int) -> pa.Schema:
    """Makes the schema of a file with the changes of that many computed operations."""
    return pa.schema(
        [
            pa.field("class", pa.int32()),
            pa.field("role", pa.int8()),
            pa.field("number", pa.int32()),
            pa.field("first", pa.string()),
            pa.field("second", pa.string()),
            pa.field("before", pa.float64()),
            pa.field("change", pa.list_(pa.float32(), operations)),
        ]
    )


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of one class and one role.

    Attributes:
        role: `DRAWN`, `OWN`, `ELSEWHERE` or `STEP`.
        first: Ids [pair] of the anchors.
        second: Ids [pair] of the others.
        before: float64 [pair].
        change: [pair, computed operation].
        number: int [pair], of drawn pairs: their places in the draw.
    """

    role: int
    first: Sequence[str]
    second: Sequence[str]
    before: np.ndarray
    change: np.ndarray
    number: np.ndarray | None = None


def pair_table(class_number: int, parts: Sequence[Pairs], operations: int) -> pa.Table:
    """Makes the rows of a block, which is of one class."""
    schema = pair_schema(operations)
    tables = [schema.empty_table()]
    for part in parts:
        count = len(part.before)
        values = pa.array(np.ascontiguousarray(part.change, dtype=np.float32).ravel())
        number = np.zeros(count) if part.number is None else part.number
        columns = [
            pa.array(np.full(count, class_number, dtype=np.int32)),
            pa.array(np.full(count, part.role, dtype=np.int8)),
            pa.array(number.astype(np.int32)),
            pa.array(list(part.first), pa.string()),
            pa.array(list(part.second), pa.string()),
            pa.array(np.asarray(part.before, dtype=np.float64)),
            pa.FixedSizeListArray.from_arrays(values, type=schema.field("change").type),
        ]
        tables.append(pa.Table.from_arrays(columns, schema=schema))
    return pa.concat_tables(tables).combine_chunks()


def _check(file: pq.ParquetFile, table: pa.Table) -> None:
    width = table.schema.field("change").type.list_size
    if not table.schema.equals(pair_schema(width)):
        raise ValueError("other columns")


#: The rows of a search, in one row group.
PAIR_ROWS = RowFormat(check=_check)


class PairRows:
    """The rows of a search, one class at a time.

    Args:
        source: The ``rows`` folder of a search, or its tables, one per block.
        blocks: How many blocks each class has, in the order of the classes.
        operations: How many operations were computed.
        run: The identity that all files must carry; None: they are not asked.

    Raises:
        InputError: A file is of another run.
    """

    def __init__(
        self, source: str | os.PathLike[str] | Sequence[pa.Table], blocks: Sequence[int],
        operations: int, run: str | None = None,
    ):  # fmt: skip
        self._source = Path(source) if isinstance(source, str | os.PathLike) else source
        self._ends = np.cumsum([0, *blocks])
        self._operations = operations
        self._run = run
        if isinstance(self._source, Path) and run is not None:
            self._check_files(self._source, run)

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

    def of_class(self, number: int) -> "ClassRows":
        """The pairs of a class.

        Raises:
            InputError: A file is missing or damaged.
        """
        blocks = range(int(self._ends[number]), int(self._ends[number + 1]))
        empty = pair_schema(self._operations).empty_table()
        return ClassRows(pa.concat_tables([empty, *(self._block(k) for k in blocks)]))

    @property
    def digests(self) -> dict[str, str]:
        """What the contents of the images are known by."""
        if isinstance(self._source, Path):
            schemas = [pq.read_schema(path) for _, path in block_files(self._source)]
        else:
            schemas = [table.schema for table in self._source]
        digests: dict[str, str] = {}
        for schema in schemas:
            digests |= digests_of(schema)
        return digests

    def blocks(self) -> Iterator[pa.Table]:
        """Yields the tables of all blocks, in order."""
        for number in range(int(self._ends[-1])):
            yield self._block(number)

    def _block(self, number: int) -> pa.Table:
        if not isinstance(self._source, Path):
            return self._source[number]
        path = block_path(self._source, number)
        with undamaged(path, "run the same command again to measure that block"):
            table = read_block_file(path, PAIR_ROWS)
        check_run(path, run_of(table.schema), self._run, *ROWS_OF_BLOCK)
        return table


class ClassRows:
    """The pairs of one class."""

    def __init__(self, table: pa.Table):
        self._table = table

    def of_role(self, role: int) -> Pairs:
        """The pairs of a role; drawn ones in the order of the draw."""
        mask = self._table["role"].to_numpy() == role
        table = self._table.filter(pa.array(mask)).combine_chunks()
        if role == DRAWN:
            table = table.take(np.argsort(table["number"].to_numpy(), kind="stable"))
            table = table.combine_chunks()
        change = table["change"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        width = table.schema.field("change").type.list_size
        return Pairs(
            role,
            table["first"].to_pylist(),
            table["second"].to_pylist(),
            table["before"].to_numpy(),
            change.reshape(len(table), width).astype(np.float64),
            table["number"].to_numpy(),
        )
