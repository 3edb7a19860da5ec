"""Keeps rows in one parquet file for each block, written whole or not at all, read by layer.

Each layer is a row group of its own, so a run of any number of layers is summarised in the memory
of one. `row_table.py` says what a row is.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from invariscope.errors import InputError
from invariscope.results.row_table import ROW_SCHEMA, arrange, read_contents
from invariscope.runs.block_files import (
    DAMAGE,
    ROWS_OF_BLOCK,
    RowFormat,
    block_files,
    digests_of,
    with_digests,
    write_block_file,
)
from invariscope.runs.identity import check_run, run_of


def _groups(table: pa.Table) -> list[int]:
    return [entry["rows"] for entry in read_contents(table.schema)["layers"]]


def _check(file: pq.ParquetFile, table: pa.Table) -> None:
    """Checks the footer against the pages: they have checksums, it has none."""
    if _footer(file) != read_contents(arrange(table).schema):
        raise ValueError("the table of contents is not that of the rows")


#: The rows of a sweep: those of a layer are a row group.
LAYERED = RowFormat(_groups, _check)


def write_block(folder: str | os.PathLike[str], index: int, table: pa.Table, run: str = "") -> Path:
    """Writes the rows of one block, in any order, as `write_block_file` does.

    Raises:
        InputError: A column is missing.
        RunError: The disk is full or the folder cannot be written; earlier blocks are untouched.
    """
    return write_block_file(folder, index, arrange(table), run, LAYERED)


def _footer(file: pq.ParquetFile) -> dict[str, Any]:
    """Reads the contents of a block's file; raises one of `DAMAGE` if they are inconsistent."""
    contents = read_contents(file.schema_arrow)
    groups = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
    if not file.schema_arrow.equals(ROW_SCHEMA) or groups != [
        entry["rows"] for entry in contents["layers"]
    ]:
        raise ValueError("columns or rows are not those of the table of contents")
    return contents


@dataclass(frozen=True)
class Series:
    """All values of one (metric, control) at one layer.

    Attributes:
        metric: Name of the metric.
        control: "" for the measurement, else the control's name.
        cells: The cell of each column, in the order of their first appearance.
        values: float32 `[image, cell]`; images in the run's order; NaN: undefined, or no row.
        weights: float32 `[image, cell]`, or None where every weight is 1.
        present: bool `[image, cell]`: whether there is a row.
    """

    metric: str
    control: str
    cells: tuple[str, ...]
    values: np.ndarray
    weights: np.ndarray | None
    present: np.ndarray


class RowStore:
    """The rows of a run, on the disk or in memory, one layer at a time.

    Args:
        source: The `rows` folder of a run, or one table per block in the run's order.
        blocks: The numbers of the blocks to read; others are not even opened. All by default.
        run: The identity that all files must carry; by default that of the first one.

    Raises:
        InputError: A file is damaged or of another run, or two blocks hold the same image; the
            message names it.

    Attributes:
        images: Ids in the run's order: by block, then by first appearance.
        labels: int32 `[image]`, -1 where an image has none.
        blocks: The numbers of the blocks.
        digests: What the content of an image is known by, by its id; unknown ones are not there.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Sequence[pa.Table],
        blocks: Collection[int] | None = None,
        run: str | None = None,
    ):
        self._run = run
        if isinstance(source, str | os.PathLike):
            files = block_files(Path(source))
            files = [file for file in files if blocks is None or file[0] in blocks]
            self._blocks: list[Path | pa.Table] = [path for _, path in files]
            self.blocks = [index for index, _ in files]
        else:
            self.blocks = [k for k in range(len(source)) if blocks is None or k in blocks]
            self._blocks = [arrange(source[k]) for k in self.blocks]
        self.digests: dict[str, str] = {}
        self._contents = [self._open(block) for block in self._blocks]
        self.images: tuple[str, ...] = tuple(
            image for contents in self._contents for image in contents["images"]
        )
        labels = [label for contents in self._contents for label in contents["labels"]]
        self.labels = np.array(labels, dtype=np.int32)
        if len(set(self.images)) < len(self.images):
            self._raise_duplicate()

    def layers(self) -> tuple[str, ...]:
        """Lists the layers that have rows, in the order of their first appearance."""
        names = (entry["name"] for contents in self._contents for entry in contents["layers"])
        return tuple(dict.fromkeys(names))

    def series(self, layer: str) -> tuple[tuple[str, str], ...]:
        """Lists the (metric, control) pairs that a layer has rows of."""
        pairs = (
            (metric, control)
            for contents in self._contents
            for entry in contents["layers"]
            if entry["name"] == layer
            for metric, control in entry["series"]
        )
        return tuple(dict.fromkeys(pairs))

    def iter_tables(self) -> Iterator[pa.Table]:
        """Yields the rows of each block, columns as in `ROW_SCHEMA`."""
        for position in range(len(self._blocks)):
            names = [entry["name"] for entry in self._contents[position]["layers"]]
            images = self._contents[position]["images"]
            known = {image: self.digests[image] for image in images if image in self.digests}
            yield with_digests(self._read_block(position, names), known)

    def read(self, layer: str) -> pa.Table:
        """Reads the rows of one layer, images in the run's order; none for an unknown layer."""
        parts = [self._read_block(position, [layer]) for position in range(len(self._blocks))]
        return pa.concat_tables([ROW_SCHEMA.empty_table(), *parts]).unify_dictionaries()

    def dense(self, layer: str, only: Collection[tuple[str, str]] | None = None) -> list[Series]:
        """Reads the rows of one layer as arrays `[image, cell]`, one per (metric, control).

        Args:
            layer: Name of the layer.
            only: The (metric, control) pairs wanted; all by default.
        """
        wanted = [pair for pair in self.series(layer) if only is None or pair in only]
        filling = {pair: _Filling(pair, len(self.images)) for pair in wanted}
        start = 0
        for position, contents in enumerate(self._contents):
            table = self._read_block(position, [layer])
            if table.num_rows:
                _fill(
                    filling, table, {name: start + i for i, name in enumerate(contents["images"])}
                )
            start += len(contents["images"])
        return [filling[pair].series() for pair in wanted]

    def _open(self, block: Path | pa.Table) -> dict[str, Any]:
        if not isinstance(block, Path):
            self.digests |= digests_of(block.schema)
            return read_contents(block.schema)
        try:
            with pq.ParquetFile(block) as file:
                contents, run = _footer(file), run_of(file.schema_arrow)
                self.digests |= digests_of(file.schema_arrow)
        except DAMAGE as error:
            raise _damaged(block) from error
        self._run = run if self._run is None else self._run
        check_run(block, run, self._run, *ROWS_OF_BLOCK)
        return contents

    def _read_block(self, position: int, layers: Collection[str]) -> pa.Table:
        block, entries = self._blocks[position], self._contents[position]["layers"]
        groups = [group for group, entry in enumerate(entries) if entry["name"] in layers]
        if not groups:
            return ROW_SCHEMA.empty_table()
        if not isinstance(block, Path):
            starts = np.cumsum([0] + [entry["rows"] for entry in entries])
            parts = [block.slice(starts[group], entries[group]["rows"]) for group in groups]
            return pa.concat_tables(parts).replace_schema_metadata(None)
        try:
            with pq.ParquetFile(block, page_checksum_verification=True) as file:
                table = file.read_row_groups(groups, use_threads=False)
                table.validate(full=True)
        except DAMAGE as error:
            raise _damaged(block) from error
        names = {entries[group]["name"] for group in groups}
        known = set(self._contents[position]["images"]).issuperset(_distinct(table["image"]))
        if _distinct(table["layer"]) != names or not known:
            raise _damaged(block)
        return table.replace_schema_metadata(None)

    def _raise_duplicate(self) -> None:
        blocks: dict[str, int] = {}
        for index, contents in zip(self.blocks, self._contents, strict=True):
            for image in contents["images"]:
                if image in blocks:
                    raise InputError(
                        f"image {image!r} is in block {blocks[image]} and in block {index}: the "
                        "rows of two runs are mixed; measure again into a new folder"
                    )
                blocks[image] = index


class _Filling:
    """The arrays of one series while the blocks come in; columns grow as cells turn up."""

    def __init__(self, pair: tuple[str, str], images: int):
        self._pair = pair
        self._column: dict[str, int] = {}
        self._values = np.empty((images, 0), np.float32)
        self._weights: np.ndarray | None = None
        self._present = np.empty((images, 0), bool)

    def columns(self, cells: Sequence[str]) -> np.ndarray:
        for cell in cells:
            self._column.setdefault(cell, len(self._column))
        missing = len(self._column) - self._values.shape[1]
        if missing:
            self._values = _widen(self._values, missing, np.nan)
            self._present = _widen(self._present, missing, False)
            if self._weights is not None:
                self._weights = _widen(self._weights, missing, 1.0)
        return np.array([self._column[cell] for cell in cells])

    def put(self, row: np.ndarray, column: np.ndarray, value: np.ndarray, weight: np.ndarray):
        self._values[row, column] = value
        self._present[row, column] = True
        if self._weights is None and (weight != 1).any():
            self._weights = np.ones_like(self._values)
        if self._weights is not None:
            self._weights[row, column] = weight

    def series(self) -> Series:
        cells = tuple(self._column)
        return Series(*self._pair, cells, self._values, self._weights, self._present)


def _widen(array: np.ndarray, columns: int, fill: float | bool) -> np.ndarray:
    extra = np.full((array.shape[0], columns), fill, dtype=array.dtype)
    return np.concatenate([array, extra], axis=1)


def _fill(filling: dict[tuple[str, str], _Filling], table: pa.Table, row_of: dict[str, int]):
    """Puts the rows of one block in their places, vectorised over rows."""
    table = table.combine_chunks()
    codes = {}
    names = {}
    for name in ("image", "cell", "metric", "control"):
        column = table[name].chunk(0)
        codes[name] = column.indices.to_numpy()
        names[name] = column.dictionary.to_pylist()
    # The dictionary may hold names that no row uses, so not all of them need be known.
    rows = np.array([row_of.get(image, -1) for image in names["image"]])[codes["image"]]
    value, weight = table["value"].to_numpy(), table["weight"].to_numpy()
    pair = codes["metric"].astype(np.int64) * len(names["control"]) + codes["control"]
    for code in np.unique(pair):
        metric, control = divmod(int(code), len(names["control"]))
        target = filling.get((names["metric"][metric], names["control"][control]))
        if target is None:
            continue
        picked = np.flatnonzero(pair == code)
        cell, inverse = np.unique(codes["cell"][picked], return_inverse=True)
        columns = target.columns([names["cell"][k] for k in cell])
        target.put(rows[picked], columns[inverse], value[picked], weight[picked])


def _distinct(names: pa.ChunkedArray) -> set[str]:
    return set(names.unique().to_pylist())


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path} is damaged: run the same `invariscope measure` again to measure "
        "that block anew, or delete the file to go without it"
    )
