"""Tables of rows: arranged by layer, with contents that are true whatever was done before."""

import numpy as np
import pyarrow as pa
import pytest

from invariscope.errors import InputError
from invariscope.results import ROW_SCHEMA, RowBuilder, RowStore, write_block
from invariscope.results.row_table import arrange, read_contents
from oracles.runs import completed_blocks, tables_of


def names(table, column):
    return table[column].cast(pa.string())


def loose(table):
    """The same rows as plain strings and wider numbers, in another order of columns."""
    columns = {name: table[name] for name in reversed(table.column_names)}
    for name in ("image", "cell", "layer", "metric", "control"):
        columns[name] = names(table, name)
    columns["value"] = columns["value"].cast(pa.float64())
    columns["label"] = columns["label"].cast(pa.int64())
    return pa.table(columns)


def test_rows_of_any_types_are_arranged_the_same():
    table = tables_of()[0][0]
    arranged = arrange(loose(table))
    assert arranged.schema.equals(ROW_SCHEMA)
    assert read_contents(arranged.schema) == read_contents(table.schema)
    assert arranged.to_pylist() == table.to_pylist()
    assert arrange(arranged).to_pylist() == table.to_pylist()


def test_layers_come_together_and_nothing_else_moves():
    rows = RowBuilder(["b", "a"], [1, 0])
    for cell in ("y", "x"):
        for layer in ("late", "early"):
            rows.add(cell=cell, layer=layer, metric="m", values=[1, 2], weights=[3, 4])
    table = rows.table().to_pydict()
    assert table["layer"] == ["late"] * 4 + ["early"] * 4
    assert table["cell"] == ["y", "y", "x", "x"] * 2
    assert table["image"] == ["b", "a"] * 4
    assert table["label"] == [1, 0] * 4
    assert table["value"] == [1, 2] * 4
    assert table["weight"] == [3, 4] * 4
    contents = read_contents(rows.table().schema)
    assert contents == {
        "images": ["b", "a"],
        "labels": [1, 0],
        "layers": [
            {"name": "late", "rows": 4, "series": [["m", ""]]},
            {"name": "early", "rows": 4, "series": [["m", ""]]},
        ],
    }


def part_of(table, how):
    if how == "filter":
        return table.filter(pa.array(names(table, "layer").to_numpy() == "embedding"))
    if how == "slice":
        return table.slice(20, 90)
    return table.take(np.random.default_rng(0).permutation(table.num_rows))


@pytest.mark.parametrize("how", ["filter", "slice", "shuffle"])
def test_contents_follow_the_rows(tmp_path, how):
    """PyArrow carries the old contents along; they are not those of the rows any more."""
    part = part_of(tables_of()[0][0], how)
    write_block(tmp_path, 0, part)
    assert completed_blocks(tmp_path) == [0]
    for store in (RowStore([part]), RowStore(tmp_path)):
        assert set(store.layers()) == set(names(part, "layer").to_pylist())
        found = 0
        for layer in store.layers():
            rows = store.read(layer)
            assert set(names(rows, "layer").to_pylist()) == {layer}
            found += rows.num_rows
        assert found == part.num_rows


def test_tables_put_together_keep_all_images():
    tables, truth = tables_of()
    store = RowStore([pa.concat_tables(tables)])
    assert store.images == tuple(f"image-{k:03}" for k in range(20))
    series = next(s for s in store.dense("a") if s.metric == "relative_invariance")
    for column, cell in enumerate(series.cells):
        values, _ = truth["a", "relative_invariance", "", cell]
        assert np.array_equal(series.values[:, column], values)


def test_one_number_for_each_image():
    rows = RowBuilder(["a", "b"])
    message = r"^weights of m at l: shape \(1,\), but the block has 2 images, so \(2,\) is needed$"
    with pytest.raises(InputError, match=message):
        rows.add(cell="c", layer="l", metric="m", values=[1, 2], weights=[1])
    with pytest.raises(InputError, match=r"values of m at l: shape \(2, 1\)"):
        rows.add(cell="c", layer="l", metric="m", values=np.ones((2, 1)))
    assert rows.table().num_rows == 0
    rows.add(cell="c", layer="l", metric="m", values=[1, 2])
    assert rows.table()["label"].to_pylist() == [-1, -1]
    assert rows.table()["weight"].to_pylist() == [1, 1]


@pytest.mark.parametrize(
    "contents",
    [
        None,
        b"{",
        b"[]",
        b'{"images": [], "layers": []}',
        b'{"images": ["a"], "labels": [], "layers": []}',
        b'{"images": [], "labels": [], "layers": [{"name": "l", "rows": "3", "series": []}]}',
        b'{"images": [], "labels": [], "layers": [{"name": "l", "rows": 3, "series": [["m"]]}]}',
    ],
)
def test_contents_that_are_none(contents):
    metadata = None if contents is None else {b"invariscope.contents": contents}
    with pytest.raises((KeyError, TypeError, ValueError)):
        read_contents(ROW_SCHEMA.with_metadata(metadata))
