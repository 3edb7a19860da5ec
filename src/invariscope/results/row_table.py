"""Builds rows: one number for each image × cell × layer × metric × control of a block.

| column | meaning |
|---|---|
| image | id of the image |
| label | its class index, -1 where it has none |
| cell | key of the cell; the manifest says which (transformation, level) it stands for |
| layer | name of the layer |
| metric | name of the metric |
| control | "" the measurement itself, else "untrained", "floor", "shuffled", … |
|  | "answer": what a classifier answered (`answers.py`), a record that no summary averages |
| value | float32; NaN: undefined for this image |
| weight | float32; 1, or the image's share in the denominator of a ratio of sums |

Rows of one layer lie together, and a table carries its own contents (images and layers), so that
the run's order of images is known without reading a row. `rows.py` keeps such tables on the disk.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from invariscope.errors import InputError
from invariscope.runs.block_files import digests_of, with_digests

_NAMES = ("image", "cell", "layer", "metric", "control")
_NAME_TYPE = pa.dictionary(pa.int32(), pa.string())
_CONTENTS = b"invariscope.contents"
#: The control of rows that record what a classifier answered.
ANSWER = "answer"

ROW_SCHEMA = pa.schema(
    [
        pa.field("image", _NAME_TYPE),
        pa.field("label", pa.int32()),
        pa.field("cell", _NAME_TYPE),
        pa.field("layer", _NAME_TYPE),
        pa.field("metric", _NAME_TYPE),
        pa.field("control", _NAME_TYPE),
        pa.field("value", pa.float32()),
        pa.field("weight", pa.float32()),
    ]
)


class RowBuilder:
    """Collects the rows of one block, a vector over its images at a time.

    Args:
        images: The ids of the block's images, in the run's order.
        labels: Their class indices; None where the source has none.

    Example:
        >>> builder = RowBuilder(["a", "b"], [0, 1])
        >>> builder.add(cell="rotate:20", layer="embedding", metric="m", values=[0.5, 0.25])
        >>> builder.table().num_rows
        2
    """

    def __init__(self, images: Sequence[str], labels: Sequence[int] | None = None):
        self._images = list(images)
        self._labels = np.full(len(images), -1) if labels is None else np.asarray(labels)
        if len(self._labels) != len(self._images):
            raise InputError(f"{len(self._images)} images, but {len(self._labels)} labels")
        self._keys: list[tuple[str, str, str, str]] = []
        self._values: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []

    def add(
        self,
        *,
        cell: str,
        layer: str,
        metric: str,
        values: Any,
        weights: Any = None,
        control: str = "",
    ) -> None:
        """Adds one value per image of the block (array-like `[image]`), with weight 1 by default.

        Raises:
            InputError: `values` or `weights` do not have one number per image.
        """
        count = len(self._images)
        values = np.asarray(values, dtype=np.float32)
        weights = np.ones(count, np.float32) if weights is None else np.asarray(weights, np.float32)
        for name, array in (("values", values), ("weights", weights)):
            if array.shape != (count,):
                raise InputError(
                    f"{name} of {metric} at {layer}: shape {array.shape}, but the block has "
                    f"{count} images, so ({count},) is needed"
                )
        self._keys.append((cell, layer, metric, control))
        self._values.append(values)
        self._weights.append(weights)

    def table(self) -> pa.Table:
        """Makes a table of the rows so far, as `write_block` and `RowStore` take it."""
        count, groups = len(self._images), len(self._keys)
        columns: dict[str, Any] = {
            "image": _coded(np.tile(np.arange(count), groups), self._images),
            "label": np.tile(self._labels, groups).astype(np.int32),
        }
        for k, name in enumerate(("cell", "layer", "metric", "control")):
            codes, names = pd.factorize(np.array([key[k] for key in self._keys], dtype=object))
            columns[name] = _coded(np.repeat(codes, count), names)
        empty = [np.empty(0, np.float32)]
        columns["value"] = np.concatenate(self._values or empty)
        columns["weight"] = np.concatenate(self._weights or empty)
        return arrange(pa.table(columns, schema=ROW_SCHEMA))


def _coded(codes: np.ndarray, names: Any) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32)), pa.array(list(names), pa.string())
    )


def arrange(table: pa.Table) -> pa.Table:
    """Sorts rows by layer and attaches their table of contents.

    Layers, images, and the rows of a layer keep the order of their first appearance. Contents that
    a table carries are not trusted: filters, slices and concatenation of tables keep old ones.
    Digests of images are kept.

    Raises:
        InputError: A column is missing or cannot be read as its type in `ROW_SCHEMA`.
    """
    missing = [name for name in ROW_SCHEMA.names if name not in table.column_names]
    if missing:
        needed = ", ".join(ROW_SCHEMA.names)
        raise InputError(f"a table of rows lacks the column {missing[0]!r}: it needs {needed}")
    digests = digests_of(table.schema)
    table = table.select(ROW_SCHEMA.names)
    columns = [
        _as_names(table[field.name]) if field.name in _NAMES else table[field.name].cast(field.type)
        for field in ROW_SCHEMA
    ]
    table = pa.table(columns, schema=ROW_SCHEMA)
    layer, layers = _first_appearance(table["layer"])
    if (np.diff(layer) < 0).any():
        table = table.take(pa.array(np.argsort(layer, kind="stable"))).combine_chunks()
    contents = {_CONTENTS: json.dumps(_contents(table, layers)).encode()}
    return with_digests(table.replace_schema_metadata(contents), digests)


def _as_names(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    return column.cast(_NAME_TYPE).unify_dictionaries()


def _first_appearance(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Returns codes and names of a column, both in the order in which the names appear."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    names = np.array(array.dictionary.to_pylist(), dtype=object)
    codes, order = pd.factorize(array.indices.to_numpy(zero_copy_only=False))
    return codes, [str(name) for name in names[order]]


def _contents(table: pa.Table, layers: list[str]) -> dict[str, Any]:
    image, images = _first_appearance(table["image"])
    layer, _ = _first_appearance(table["layer"])
    metric, metrics = _first_appearance(table["metric"])
    control, controls = _first_appearance(table["control"])
    labels = np.full(len(images), -1)
    labels[image] = table["label"].to_numpy()
    # One integer for each (layer, metric, control): sorting triples would take most of the time.
    codes = np.unique((layer * len(metrics) + metric) * len(controls) + control)
    triples = [np.unravel_index(c, (len(layers), len(metrics), len(controls))) for c in codes]
    counts = np.bincount(layer, minlength=len(layers))
    entries = [
        {
            "name": name,
            "rows": int(counts[number]),
            "series": [[metrics[m], controls[c]] for k, m, c in triples if k == number],
        }
        for number, name in enumerate(layers)
    ]
    return {"images": images, "labels": labels.tolist(), "layers": entries}


def read_contents(schema: pa.Schema) -> dict[str, Any]:
    """Reads the contents that `arrange` attached: `images`, `labels`, `layers` (name, rows, pairs).

    Raises:
        KeyError, TypeError, ValueError: There are none, or they are damaged.
    """
    contents = json.loads((schema.metadata or {})[_CONTENTS])
    entries = [(entry["name"], entry["rows"], entry["series"]) for entry in contents["layers"]]
    well_formed = all(
        isinstance(name, str)
        and isinstance(rows, int)
        and all(len(pair) == 2 and all(isinstance(x, str) for x in pair) for pair in series)
        for name, rows, series in entries
    )
    if not well_formed or len(contents["images"]) != len(contents["labels"]):
        raise ValueError("the table of contents does not fit together")
    return contents
