"""Shards of WebDataset, against the package itself where it is installed."""

import json
import pickle

import pytest

from invariscope.data import open_source
from invariscope.data.shards import shard_files
from invariscope.errors import InputError

from .conftest import encoded, greys
from .test_archive import pack


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def shards(count=3, **more) -> None:
    for shard in range(count):
        files = {}
        for k in range(4):
            number = 4 * shard + k
            files[f"img{number:02}.png"] = encoded(10 * number)
            for field, make in more.items():
                files[f"img{number:02}.{field}"] = make(number).encode()
        pack(f"shard-{shard:03}.tar", files)


def test_braces_and_labels():
    shards(cls=lambda n: str(n % 3))
    source = open_source("webdataset:shard-{000..002}.tar?image=png&label=cls")
    assert greys(source) == [10 * n for n in range(12)]
    assert source.labels == [n % 3 for n in range(12)]
    assert source.ids[5] == "img05"
    assert source.decisions["fields"] == "image 'png', label 'cls'"
    for spec in ("shard-{000..002}.tar", "webdataset:shard-*.tar", "shard-*.tar"):
        assert open_source(spec).labels == source.labels
    assert open_source("shard-001.tar").labels == [1, 2, 0, 1]  # a tar with labels beside
    assert greys(pickle.loads(pickle.dumps(source))) == greys(source)


@pytest.mark.filterwarnings("ignore")  # it leaves files to the garbage collector
def test_the_package_reads_the_same():
    webdataset = pytest.importorskip("webdataset")
    shards(cls=lambda n: str(n % 3), json=lambda n: json.dumps({"caption": str(n)}))
    reader = webdataset.WebDataset("shard-{000..002}.tar", shardshuffle=False).decode()
    theirs = [(sample["__key__"], sample["cls"]) for sample in reader]
    ours = open_source("webdataset:shard-{000..002}.tar")
    assert list(zip(ours.ids, ours.labels or (), strict=True)) == theirs


def test_labels_in_json_and_text():
    shards(json=lambda n: json.dumps({"label": f"c{n % 2}", "width": 5}))
    source = open_source("shard-{000..002}.tar")
    assert source.class_names == ["c0", "c1"]
    assert source.decisions["fields"] == "image 'png', label 'json.label'"
    assert open_source("shard-{000..002}.tar?label=json.width").labels == [5] * 12
    shards(txt=lambda n: f"a picture of {n}")
    source = open_source("webdataset:shard-000.tar")
    assert source.labels is None
    assert any("captions" in note for note in source.notes)
    shards(txt=lambda n: str(n % 2))
    assert open_source("shard-000.tar").labels == [0, 1, 0, 1]
    shards(json=lambda n: json.dumps({"label": 1, "class_name": "a"}))
    with pytest.raises(InputError, match="label, class_name of its json may all be labels"):
        open_source("shard-000.tar")


def test_keys_end_at_the_first_dot_and_may_come_twice():
    files = {"a/x.v1.png": encoded(7), "a/x.cls": b"3", "b/x.v1.png": encoded(8), "b/x.cls": b"4"}
    pack("s0.tar", files)
    pack("s1.tar", files)
    source = open_source("s{0,1}.tar")
    assert list(source.ids) == ["s0/a/x", "s0/b/x", "s1/a/x", "s1/b/x"]
    assert source.labels == [3, 4, 3, 4]
    assert greys(source) == [7, 8, 7, 8]


def test_names_of_shards():
    assert shard_files("a-{9..11}-{x,y}.tar")[:3] == ["a-9-x.tar", "a-9-y.tar", "a-10-x.tar"]
    with pytest.raises(InputError, match="is no file; download the shards first"):
        shard_files("pipe:curl https://example.org/a.tar")
    with pytest.raises(InputError, match=r"no such file: 'gone-0.tar'"):
        open_source("webdataset:gone-{0..3}.tar")


def test_fields_that_are_not_there():
    shards(cls=str)
    with pytest.raises(InputError, match=r"unknown field of webdataset:shard-000.tar 'jpg'"):
        open_source("webdataset:shard-000.tar?image=jpg")
    with pytest.raises(InputError, match=r"unknown field of .* 'clss': did you mean cls"):
        open_source("webdataset:shard-000.tar?label=clss")
    pack("two.tar", {"1.left.png": encoded(1), "1.right.png": encoded(2), "1.cls": b"1"})
    with pytest.raises(InputError, match=r"fields left.png, right.png are images; name one with"):
        open_source("two.tar")
    pack("gap.tar", {"1.png": encoded(1), "1.cls": b"1", "2.png": encoded(2)})
    with pytest.raises(InputError, match=r"2 has no 'cls'|2 has no cls, other samples have"):
        open_source("webdataset:gap.tar")
