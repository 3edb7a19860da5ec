"""Pictures in zips and tars: classes by folder, what is ignored, what cannot be read."""

import io
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from invariscope.data import containers, open_source
from invariscope.data.reading import in_order
from invariscope.errors import InputError

from .conftest import encoded, greys

KINDS = ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def pack(name: str, files: dict[str, bytes]) -> str:
    if name.endswith("zip"):
        with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, data in files.items():
                archive.writestr(path, data)
        return name
    kind: Any = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(
        name.split(".")[-1], "w"
    )
    with tarfile.open(name, kind) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return name


CLASSES = {
    "cat/2.png": encoded(20), "cat/1.png": encoded(10), "dog/deep/3.JPG": encoded(30, "JPEG"),
    "readme.txt": b"hello", "__MACOSX/cat/._1.png": b"resource", "dog/.hidden.png": b"hidden",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_class_folders(kind):
    source = open_source(pack(f"photos.{kind}", CLASSES))
    assert list(source.ids) == ["cat/1.png", "cat/2.png", "dog/deep/3.JPG"]
    assert source.labels == [0, 0, 1]
    assert source.class_names == ["cat", "dog"]
    assert greys(source) == [10, 20, 30]
    assert greys(pickle.loads(pickle.dumps(source))) == [10, 20, 30]
    assert source.notes == ["left out 1 files that are no images by their suffix"]
    assert source.name == f"photos.{kind}"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_flat_and_wrapped(kind):
    source = open_source(pack(f"flat.{kind}", {"b.png": encoded(2), "a.png": encoded(1)}))
    assert (list(source.ids), source.labels) == (["a.png", "b.png"], None)
    source = open_source(Path(pack(f"w.{kind}", {"w/b.png": encoded(2), "w/a.png": encoded(1)})))
    assert (greys(source), source.labels) == ([1, 2], None)
    files = {f"photos/{name}": data for name, data in CLASSES.items() if data[:4] != b"hell"}
    source = open_source(pack(f"wrapped.{kind}", files))
    assert source.class_names == ["cat", "dog"]
    with pytest.raises(InputError, match="holds splits"):
        open_source(pack(f"s.{kind}", {"train/a/1.png": encoded(1), "val/a/2.png": encoded(2)}))


def test_the_later_of_two_files_of_one_name_counts_and_links_are_said():
    pack("twice.tar", {"a.png": encoded(1), "b.png": encoded(2)})
    with tarfile.open("twice.tar", "a") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(encoded(9))
        archive.addfile(info, io.BytesIO(encoded(9)))
        link = tarfile.TarInfo("c.png")
        link.type, link.linkname = tarfile.SYMTYPE, "b.png"
        archive.addfile(link)
    source = open_source("twice.tar")
    assert greys(source) == [9, 2]
    assert any("left out 1 links" in note for note in source.notes)


def test_threads_read_their_own_files():
    files = {f"{k:03}.png": encoded(k) for k in range(60)}
    for kind in ("zip", "tar", "tar.gz"):
        source = open_source(pack(f"many.{kind}", files))

        def grey(source, index):
            return source.load(index).getpixel((0, 0))[0]

        for workers in (0, 4):
            found = in_order(source, grey, range(60), workers=workers, ahead=20)
            assert list(found) == list(range(60))


def test_archives_that_cannot_be_read(monkeypatch):
    Path("bad.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"'bad.zip' cannot be read: .*; fetch or pack it again"):
        open_source("bad.zip")
    Path("bad.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(InputError, match=r"'bad.tar' cannot be read"):
        open_source("bad.tar")
    with pytest.raises(InputError, match=r"no image among the 1 files of 'none.zip'"):
        open_source(pack("none.zip", {"a.txt": b""}))
    pack("locked.zip", {"a.png": encoded(1)})
    data = bytearray(Path("locked.zip").read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the bit that says encrypted
        data[data.index(mark) + place] |= 1
    Path("locked.zip").write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"'locked.zip' is encrypted; unpack it"):
        open_source("locked.zip")
    monkeypatch.setattr(containers, "MOST_BYTES", 100)
    pack("large.tar.gz", {"a.png": encoded(1), "b.png": encoded(2)})
    with pytest.raises(InputError, match="is compressed and holds more than"):
        open_source("large.tar.gz")
    with pytest.raises(InputError, match="unknown option of archive 'clases'"):
        open_source("locked.zip?clases=top")
