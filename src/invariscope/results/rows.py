"""Row files: one parquet file for each block, written whole or not at all, and read layer by layer.

Each layer is a row group of its own, so a run of any number of layers is summarised in the memory
of one. `row_table.py` says what a row is.
"""

import io
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from invariscope.errors import InputError
from invariscope.files import remove_leftovers, write_file
from invariscope.results.identity import check_run, run_of, stamped
from invariscope.results.row_table import ROW_SCHEMA, arrange, read_contents

_FILE = re.compile(r"block-(\d{5,})\.parquet")
#: What a row file holds, and why its run goes on without it.
ROWS_OF_BLOCK = ("rows", "measure that block")
_DAMAGE = (OSError, ValueError, KeyError, TypeError, pa.ArrowException)


def block_path(folder: str | os.PathLike[str], index: int) -> Path:
    """The file of a block: `block-00000.parquet` and so on."""
    return Path(folder) / f"block-{index:05d}.parquet"


def write_block(folder: str | os.PathLike[str], index: int, table: pa.Table, run: str = "") -> Path:
    """Writes the rows of one block: afterwards the whole file is on the disk, or none is.

    Args:
        folder: The `rows` folder of the run; made where it is missing.
        index: Number of the block, from 0.
        table: Columns as in `ROW_SCHEMA` (names as strings or dictionaries), in any order.
        run: The identity of the run (`results/identity.py`); "" for rows of none.

    Raises:
        InputError: A column is missing.
        RunError: The disk is full or the folder cannot be written; earlier blocks are untouched.
    """
    table = stamped(arrange(table), run)
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema, write_page_checksum=True) as writer:
        start = 0
        for entry in read_contents(table.schema)["layers"]:
            part = table.slice(start, entry["rows"])
            writer.write_table(part, row_group_size=max(1, entry["rows"]))
            start += entry["rows"]
    path = block_path(folder, index)
    write_file(path, buffer.getvalue(), kept="every block written so far is kept")
    return path


def completed_blocks(folder: str | os.PathLike[str], run: str | None = None) -> list[int]:
    """The numbers of the blocks that are whole, ascending; all is read and checked.

    Truncated and corrupt files do not count, so a resumed run measures those blocks again. What
    killed writes have left is deleted, so call this before the run writes its first block.

    Raises:
        InputError: A whole file is not of the run whose identity is given; the message names it.
    """
    remove_leftovers(Path(folder))
    whole = []
    for index, path in block_files(Path(folder)):
        found = _run_of_whole(path)
        if found is not None:
            check_run(path, found, run, *ROWS_OF_BLOCK)
            whole.append(index)
    return whole


def block_files(folder: Path) -> list[tuple[int, Path]]:
    """The row files of a folder by number, whole or not."""
    if not folder.is_dir():
        return []
    found = ((_FILE.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match)


def _run_of_whole(path: Path) -> str | None:
    """The identity that a file carries ("": none); None where the file is not whole."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            contents, run = _footer(file), run_of(file.schema_arrow)
            groups = [
                file.read_row_groups([group], use_threads=False)
                for group in range(file.num_row_groups)
            ]
            # Dictionaries may be damaged too: headers of pages are under no checksum.
            table = pa.concat_tables([ROW_SCHEMA.empty_table(), *groups])
            table.validate(full=True)
    except _DAMAGE:
        return None
    # Pages have checksums, the footer has none: what it says must follow from the pages.
    return run if contents == read_contents(arrange(table).schema) else None


def _footer(file: pq.ParquetFile) -> dict[str, Any]:
    """The contents of a block's file; raises one of `_DAMAGE` where its footer is inconsistent."""
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
        self._contents = [self._open(block) for block in self._blocks]
        self.images: tuple[str, ...] = tuple(
            image for contents in self._contents for image in contents["images"]
        )
        labels = [label for contents in self._contents for label in contents["labels"]]
        self.labels = np.array(labels, dtype=np.int32)
        if len(set(self.images)) < len(self.images):
            self._raise_duplicate()

    def layers(self) -> tuple[str, ...]:
        """The layers that have rows, in the order of their first appearance."""
        names = (entry["name"] for contents in self._contents for entry in contents["layers"])
        return tuple(dict.fromkeys(names))

    def series(self, layer: str) -> tuple[tuple[str, str], ...]:
        """The (metric, control) pairs that a layer has rows of."""
        pairs = (
            (metric, control)
            for contents in self._contents
            for entry in contents["layers"]
            if entry["name"] == layer
            for metric, control in entry["series"]
        )
        return tuple(dict.fromkeys(pairs))

    def iter_tables(self) -> Iterator[pa.Table]:
        """The rows of each block, columns as in `ROW_SCHEMA`."""
        for place in range(len(self._blocks)):
            names = [entry["name"] for entry in self._contents[place]["layers"]]
            yield self._read_block(place, names)

    def read(self, layer: str) -> pa.Table:
        """The rows of one layer, images in the run's order; no row where the layer is unknown."""
        parts = [self._read_block(place, [layer]) for place in range(len(self._blocks))]
        return pa.concat_tables([ROW_SCHEMA.empty_table(), *parts]).unify_dictionaries()

    def dense(self, layer: str, only: Collection[tuple[str, str]] | None = None) -> list[Series]:
        """The rows of one layer as arrays `[image, cell]`, one per (metric, control).

        Args:
            layer: Name of the layer.
            only: The (metric, control) pairs wanted; all by default.
        """
        wanted = [pair for pair in self.series(layer) if only is None or pair in only]
        filling = {pair: _Filling(pair, len(self.images)) for pair in wanted}
        start = 0
        for place, contents in enumerate(self._contents):
            table = self._read_block(place, [layer])
            if table.num_rows:
                _fill(
                    filling, table, {name: start + i for i, name in enumerate(contents["images"])}
                )
            start += len(contents["images"])
        return [filling[pair].series() for pair in wanted]

    def _open(self, block: Path | pa.Table) -> dict[str, Any]:
        if not isinstance(block, Path):
            return read_contents(block.schema)
        try:
            with pq.ParquetFile(block) as file:
                contents, found = _footer(file), run_of(file.schema_arrow)
        except _DAMAGE as error:
            raise _damaged(block) from error
        self._run = found if self._run is None else self._run
        check_run(block, found, self._run, *ROWS_OF_BLOCK)
        return contents

    def _read_block(self, place: int, layers: Collection[str]) -> pa.Table:
        block, entries = self._blocks[place], self._contents[place]["layers"]
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
        except _DAMAGE as error:
            raise _damaged(block) from error
        names = {entries[group]["name"] for group in groups}
        known = set(self._contents[place]["images"]).issuperset(_distinct(table["image"]))
        if _distinct(table["layer"]) != names or not known:
            raise _damaged(block)
        return table.replace_schema_metadata(None)

    def _raise_duplicate(self) -> None:
        seen: dict[str, int] = {}
        for index, contents in zip(self.blocks, self._contents, strict=True):
            for image in contents["images"]:
                if image in seen:
                    raise InputError(
                        f"image {image!r} is in block {seen[image]} and in block {index}: the rows "
                        "of two runs are mixed; measure again into a new folder"
                    )
                seen[image] = index


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
    # The dictionary of names may hold more than the rows use, so not all of them need be here.
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
