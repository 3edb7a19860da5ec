"""Iterable data sets, generators and streams: a stated number, taken once; what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import invariscope
from invariscope.data import open_source, streams
from invariscope.errors import InputError, RunError

from .conftest import encoded, greys


class Squares(IterableDataset):
    def __init__(self, count=100):
        self.count, self.made = count, 0

    def __iter__(self):
        for k in range(self.count):
            self.made += 1
            yield Image.new("RGB", (6, 5), (k, k, k)), k % 3


class WithLength(Squares):
    def __len__(self):
        return self.count


@pytest.mark.parametrize("make", [Squares, WithLength, lambda: iter(Squares()), lambda: gen()])
def test_the_first_are_taken(make):
    source = open_source(make(), num_images=7)
    assert greys(source) == list(range(7))
    assert source.labels == [k % 3 for k in range(7)]
    assert any("the first 7 items of" in note for note in source.notes)


def gen():
    yield from Squares()


def test_no_more_is_read_than_asked():
    data = Squares()
    open_source(data, num_images=7)
    assert data.made == 7


def test_a_number_must_be_stated():
    with pytest.raises(InputError, match=r"Squares have no length.*num_images=500.*islice"):
        open_source(Squares())
    with pytest.raises(InputError, match="gave no item; a generator can be read once"):
        open_source(iter(()), num_images=4)
    source = open_source(Squares(3), num_images=10)
    assert len(source) == 3
    assert any("it has no more; 10 were asked for" in note for note in source.notes)


def test_measure_takes_them():
    result = invariscope.measure(
        lambda x: x.flatten(1), Squares(), num_images=6, transformations="rotate=90",
        metrics="relative_invariance",
    )  # fmt: skip
    assert result.manifest["images"]["used"] == 6
    assert any("first 6 items" in note for note in result.manifest["images"]["notes"])


def test_a_stream_that_fails_ends_in_one_line():
    def failing():
        yield from Squares(5)
        raise ConnectionError("gone\naway")

    with pytest.raises(RunError, match=r"^generator failed after 5 items .ConnectionError: gone"):
        open_source(failing(), num_images=10)
    assert len(open_source(failing(), num_images=5)) == 5


def test_batches_and_what_is_too_large(monkeypatch):
    batches = ((torch.rand(4, 3, 5, 6), torch.zeros(4)) for _ in range(3))
    with pytest.raises(InputError, match="makes batches of 4 images; give single images"):
        open_source(batches, num_images=3)
    with pytest.raises(InputError, match="str is no image"):
        open_source(iter(["a", "b"]), num_images=2)
    monkeypatch.setattr(streams, "MOST_BYTES", 200)
    with pytest.raises(InputError, match=r"the first 2 images of Squares take .* `num_images=2`"):
        open_source(Squares(), num_images=10)


def test_loaders_are_refused():
    tensors = TensorDataset(torch.rand(4, 3, 5, 6))
    for data in (DataLoader(tensors), DataLoader(Squares())):
        with pytest.raises(InputError, match=r"a DataLoader makes batches.*loader\.dataset"):
            open_source(data, num_images=4)


def test_hugging_face_streams_are_decoded_here():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = {
        "picture": [{"bytes": encoded(k), "path": None} for k in (5, 6, 7)], "kind": [1, 0, 1],
    }  # fmt: skip
    data = datasets.Dataset.from_dict(rows, features=features).to_iterable_dataset()
    source = open_source(data, num_images=2)
    assert greys(source) == [5, 6]
    assert source.labels == [1, 0]
    assert source.class_names == ["cat", "dog"]
    both = datasets.IterableDatasetDict({"train": data, "test": data})
    with pytest.raises(InputError, match=r"splits train, test; give one of them, such as data"):
        open_source(both)


@pytest.mark.filterwarnings("ignore")  # it leaves files to the garbage collector
def test_webdataset_objects(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    from .test_archive import pack

    name = pack(str(tmp_path / "a.tar"), {"1.png": encoded(4), "1.cls": b"1", "2.png": encoded(9),
                                          "2.cls": b"0"})  # fmt: skip
    data = webdataset.WebDataset(name, shardshuffle=False).decode("pil").to_tuple("png", "cls")
    source = open_source(data, num_images=2)
    assert greys(source) == [4, 9]
    assert source.labels == [1, 0]


def test_an_array_of_a_stream_is_kept_as_it_was():
    buffer = np.zeros((5, 6, 3), dtype=np.uint8)

    def reused():
        for k in range(3):
            buffer[:] = k
            yield buffer

    assert greys(open_source(reused(), num_images=3)) == [0, 1, 2]
