"""Tables of paths and labels: columns by name, splits, labels as text, what must be said."""

from pathlib import Path

import pandas as pd
import pytest

from invariscope.data import TableSource, open_source
from invariscope.errors import InputError

from .conftest import greys

FILES = [f"photos/{k}.png" for k in (3, 1, 2)]


def write(text: str, name: str = "labels.csv") -> str:
    Path(name).write_text(text)
    return name


@pytest.mark.parametrize("path", ["path", "File", "file name", "Image", "filepath", "img_path"])
@pytest.mark.parametrize("label", ["label", "Class", "target", "category", "y"])
def test_columns_by_name(pictures, path, label):
    rows = "\n".join(f"{file},{k}" for k, file in enumerate(FILES))
    source = open_source(write(f"{path},{label}\n{rows}\n"))
    assert greys(source) == [30, 10, 20]
    assert source.labels == [0, 1, 2]
    assert source.class_names is None
    assert source.decisions["columns"] == f"path {path!r}, label {label!r}"
    assert not source.notes


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet", "semicolon", "frame", "bom"])
def test_forms(pictures, form):
    frame = pd.DataFrame({"n": [1, 2, 3], "label": ["b", "a", "b"], "path": FILES})
    name = f"t.{form}" if form in ("csv", "tsv", "parquet") else "t.csv"
    if form == "parquet":
        frame.to_parquet(name)
    else:
        separator = {"tsv": "\t", "semicolon": ";"}.get(form, ",")
        encoding = "utf-8-sig" if form == "bom" else "utf-8"
        frame.to_csv(name, index=False, sep=separator, encoding=encoding)
    source = open_source(frame if form == "frame" else name)
    assert greys(source) == [30, 10, 20]
    assert source.labels == [1, 0, 1]
    assert source.class_names == ["a", "b"]


def test_labels_stay_what_they_are_in_the_file(pictures):
    source = open_source(write("path,label\nphotos/0.png,NA\nphotos/1.png,None\nphotos/2.png,\n"))
    assert source.class_names == ["NA", "None"]
    assert source.labels == [0, 1, -1]
    source = open_source(write("path,label\nphotos/0.png,007\nphotos/1.png,\nphotos/2.png,10\n"))
    assert source.labels == [7, -1, 10]
    # as pandas writes a column of whole numbers with a gap
    source = open_source(write("path,label\nphotos/0.png,2.0\nphotos/1.png,\nphotos/2.png,10.0\n"))
    assert (source.labels, source.class_names) == ([2, -1, 10], None)
    frame = pd.DataFrame({"path": FILES, "label": pd.Categorical(["x", "w", "x"])})
    assert open_source(frame).class_names == ["w", "x"]


def test_numbers_and_names_of_classes_go_together(pictures):
    rows = "path,label,class_name\nphotos/0.png,4,dog\nphotos/1.png,2,cat\nphotos/2.png,4,dog\n"
    source = open_source(write(rows))
    assert source.labels == [4, 2, 4]
    assert source.class_names == ["0", "1", "cat", "3", "dog"]
    assert source.label_meaning == "numbers"
    other = rows.replace("2,cat", "2,dog")  # no longer one to one
    with pytest.raises(InputError, match="'label', 'class_name' may all be labels; name one with"):
        open_source(write(other))
    assert open_source("labels.csv?label=class_name").class_names == ["dog"]
    assert open_source("labels.csv?label=none").labels is None


def test_root_suffix_and_chosen_columns(pictures):
    Path("tables").mkdir()
    name = write("id,path,breed\n1,elsewhere/1.png,a\n2,elsewhere/2.png,b\n", "tables/t.csv")
    with pytest.raises(InputError, match=r"such as 'tables/elsewhere/1.png'.*root=FOLDER"):
        open_source(name)
    beside = write("id\n1\n2\n")
    with pytest.raises(InputError, match=r"'photos/1.png' does: add \?root=photos&suffix=.png"):
        open_source(beside)
    with pytest.raises(InputError, match=r"'photos/1.png' does: add \?suffix=.png"):
        open_source(f"{name}?root=photos&path=id")
    source = open_source(f"{name}?root=photos&suffix=.png")  # the column whose files exist
    assert greys(source) == [10, 20]
    assert source.decisions["columns"] == "path 'id', label 'breed'"
    with pytest.raises(InputError, match=r"unknown column of tables/t.csv 'bred': did you mean"):
        open_source(f"{name}?label=bred")
    frame = pd.DataFrame({"a": ["1", "2"], "b": [1, 0]})
    with pytest.raises(InputError, match=r"none of its columns \('a', 'b'\) is called path"):
        open_source(frame)
    chosen = TableSource(frame, path="a", label="b", root="photos", suffix=".png")
    assert chosen.labels == [1, 0]


def test_no_label_is_said(pictures):
    source = open_source(write("file,melanoma\nphotos/0.png,1\nphotos/1.png,0\n"))
    assert source.labels is None
    assert "unlabelled" in source.notes[0]
    assert "label=COLUMN names one of 'melanoma'" in source.notes[0]


def test_a_label_of_its_own_for_every_image_is_said(pictures):
    rows = "".join(f"photos/{k}.png,a,{k}\n" for k in range(30))  # most of the files are missing
    source = open_source(write(f"path,name,y\n{rows}"))
    assert source.labels == list(range(30))
    assert any("every image has a label of its own in column 'y'" in note for note in source.notes)


def test_no_header(pictures):
    source = open_source(write("photos/2.png,dog\nphotos/0.png,cat\n"))
    assert greys(source) == [20, 0]
    assert source.class_names == ["cat", "dog"]


def test_splits(pictures):
    text = "path,label,split\nphotos/0.png,0,train\nphotos/1.png,1,test\nphotos/2.png,0,test\n"
    source = open_source(write(text))
    assert greys(source) == [10, 20]
    assert any("split=test was chosen of train, test" in note for note in source.notes)
    assert greys(open_source("labels.csv?split=train")) == [0]
    assert not open_source("labels.csv?split=train").notes
    assert len(open_source("labels.csv?split=all")) == 3
    with pytest.raises(InputError, match=r"unknown split of labels.csv 'best'"):
        open_source("labels.csv?split=best")
    write(text.replace("test", "dev").replace("dev,", "eval,").replace(",dev", ",eval"))
    with pytest.raises(InputError, match=r"has the parts train, eval; add .split="):
        open_source("labels.csv")
    write("path,label\nphotos/0.png,0\n")
    with pytest.raises(InputError, match="no column is called split"):
        open_source("labels.csv?split=test")


def test_tables_that_cannot_be_read(pictures):
    with pytest.raises(InputError, match="it has no row"):
        open_source(write("path,label\n"))
    with pytest.raises(InputError, match=r"cannot be read as a table"):
        open_source(write("no parquet", "t.parquet"))
    with pytest.raises(InputError, match="column 'path' has an empty path"):
        open_source(write("path,label\nphotos/0.png,0\n,1\n"))
    frame = pd.DataFrame({"image": [{"bytes": b"", "path": "1.png"}], "label": [0]})
    with pytest.raises(InputError, match="holds the pictures themselves; give the data set"):
        open_source(frame)
    with pytest.raises(InputError, match=r"column 'label' holds fractions.*label=none"):
        open_source(write("path,label\nphotos/0.png,0.5\nphotos/1.png,2\n"))
    with pytest.raises(InputError, match="has two labels"):
        open_source(write("path,label\nphotos/0.png,0\nphotos/0.png,1\n"))
