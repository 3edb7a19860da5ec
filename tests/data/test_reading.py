"""Reading in order: the same images from no worker, threads and processes; open files; warnings."""

import io
import sqlite3
import threading
import time
import warnings
import zipfile
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset
from torchvision import datasets as torchvision_datasets

import invariscope
from children import FORKED
from invariscope.data import UnreadableImage, open_source
from invariscope.data.opens_anew import opens_anew
from invariscope.data.quiet import NeedsQuiet, enter_pool, quiet
from invariscope.data.reading import in_order
from invariscope.errors import InputError, RunError
from open_records import COUNT, SIDE, Augmented, Deadly, Gone, Records, Reopened, pixels_of

PIXELS = np.random.default_rng(3).integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)


def read(source, workers, items=None):
    items = range(len(source)) if items is None else items
    return list(in_order(source, pixels_of, items, workers=workers, ahead=16, known=range(8)))


@pytest.fixture
def records(tmp_path):
    PIXELS.tofile(tmp_path / "records.bin")
    return tmp_path / "records.bin"


class Zipped(Dataset):
    def __init__(self, path):
        self.zip = zipfile.ZipFile(path)

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return Image.open(io.BytesIO(self.zip.read(f"{index}.png")))

    def __del__(self):
        self.zip.close()


class Database(Dataset):
    """A connection of sqlite3, which only the thread that opened it may use."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path)
        self.connection.execute("create table if not exists images (pixels blob)")
        self.connection.executemany(
            "insert into images values (?)", [(image.tobytes(),) for image in PIXELS]
        )

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        row = self.connection.execute("select pixels from images where rowid = ?", (index + 1,))
        return np.frombuffer(row.fetchone()[0], np.uint8).reshape(SIDE, SIDE, 3)

    def __del__(self):
        self.connection.close()


@pytest.mark.parametrize("workers", [None, 0])
@pytest.mark.parametrize("kind", ["records", "zip", "hdf5", "sqlite"])
def test_a_data_set_that_holds_something_open_gives_its_own_images(tmp_path, kind, workers):
    if kind == "records":
        PIXELS.tofile(tmp_path / "r")
        data = Records(tmp_path / "r")
    elif kind == "zip":
        with zipfile.ZipFile(tmp_path / "z", "w") as archive:
            for index, image in enumerate(PIXELS):
                buffer = io.BytesIO()
                Image.fromarray(image).save(buffer, "PNG")
                archive.writestr(f"{index}.png", buffer.getvalue())
        data = Zipped(tmp_path / "z")
    elif kind == "sqlite":
        data = Database(tmp_path / "s")
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "h", "w") as file:
            file["images"] = PIXELS
        data = h5py.File(tmp_path / "h")["images"]
    found = read(open_source(data if kind != "hdf5" else list_like(data)), workers)
    assert np.array_equal(np.stack(found), PIXELS)


def list_like(data):
    class Items(Dataset):
        def __len__(self):
            return len(data)

        def __getitem__(self, index):
            return data[index]

    return Items()


def test_the_sweep_sees_each_image_whatever_the_workers(records):
    for workers in (None, 0):
        seen = []

        def model(x, seen=seen):
            seen.append(x.mean((1, 2, 3)))
            return x[:, :, ::4, ::4].flatten(1)

        invariscope.measure(
            model, Records(records), transformations="invert", workers=workers,
            metrics="relative_invariance",
        )  # fmt: skip
        means = torch.cat(seen).numpy()
        wanted = PIXELS.reshape(COUNT, -1).mean(1) / 255
        assert (np.abs(means[:, None] - wanted).min(0) < 1e-5).all()


def test_a_users_data_set_is_read_by_the_thread_that_iterates(records):
    threads = set()

    class Watched(Records):
        def __getitem__(self, index):
            threads.add(threading.current_thread())
            return super().__getitem__(index)

    read(open_source(Watched(records)), None)
    assert threads == {threading.current_thread()}


def test_files_are_read_in_threads_and_in_order(tmp_path):
    for index, image in enumerate(PIXELS[:20]):
        Image.fromarray(image).save(tmp_path / f"{index:02}.png")
    source = open_source(tmp_path)
    threads = set()

    def watched(source, index):
        threads.add(threading.current_thread().name)
        time.sleep(0.002 * (index % 3))
        return pixels_of(source, index)

    for workers in (0, 1, 3):
        found = list(in_order(source, watched, range(20), workers=workers, ahead=7))
        assert np.array_equal(np.stack(found), PIXELS[:20])
    assert len(threads) == 1 + 1 + 3 - 1  # the name reading_0 comes twice


def test_no_more_than_asked_is_read_ahead():
    source = open_source(PIXELS)
    begun = []

    def make(source, index):
        begun.append(index)
        return index

    reading = in_order(source, make, range(COUNT), workers=2, ahead=5)
    for index in range(10):
        assert next(reading) == index
        time.sleep(0.002)
        assert len(begun) <= index + 1 + 5
    reading.close()
    time.sleep(0.01)
    assert len(begun) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]


def test_an_error_in_a_thread_comes_out_with_its_image():
    source = open_source(PIXELS)

    def make(source, index):
        if index == 3:
            raise ZeroDivisionError("three")
        return index

    reading = in_order(source, make, range(COUNT), workers=2, ahead=8)
    assert [next(reading) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError, match="three"):
        next(reading)


def test_an_interrupt_ends_the_threads():
    source = open_source(PIXELS)

    def interrupted():
        for index in in_order(source, lambda s, i: i, range(COUNT), workers=2, ahead=8):
            if index == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]


def test_processes_open_a_copy_anew_and_read_the_same(records):
    source = open_source(Reopened(records))
    assert np.array_equal(np.stack(read(source, 2)), PIXELS)


@pytest.fixture
def forked(monkeypatch):
    """Processes that need not import torch anew, as the processes of a caller do."""
    monkeypatch.setattr("invariscope.data.reading.get_context", lambda _: FORKED)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Records, r"workers=2: the data set cannot be copied .*TypeError: cannot pickle"),
        (Augmented, r"workers=2: image [1-3] of a copy .* differs from the one read here"),
        (Gone, r"a copy of the data set cannot be opened .*OSError: no such device"),
    ],
)
def test_data_sets_that_processes_cannot_read(records, kind, message):
    with pytest.raises(InputError, match=message) as info:
        read(open_source(kind(records)), 2)
    assert "\n" not in str(info.value)


@pytest.mark.usefixtures("forked")
def test_a_killed_process_is_one_line_that_says_how_to_go_on(records):
    with pytest.raises(RunError, match=r"workers=1: a process that reads .* killed .*kept: run th"):
        read(open_source(Deadly(records)), 1)


def test_random_images_are_a_warning(records):
    torch.manual_seed(0)
    how: dict[str, Any] = {"transformations": "invert", "metrics": "relative_invariance"}
    steady = invariscope.measure(lambda x: x.flatten(1), Reopened(records), **how)
    assert not any("random" in line for line in steady.warnings)
    drawn = invariscope.measure(lambda x: x.flatten(1), Augmented(records), **how)
    assert any(line.startswith("images are random") for line in drawn.warnings)


def test_warnings_of_pictures_are_silent_in_threads(tmp_path, recwarn):
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff"  # says that it has 65,535 entries
    for index in range(8):
        Image.fromarray(PIXELS[index]).save(tmp_path / f"{index}.jpg", exif=exif)
    source = open_source(tmp_path)
    before = list(warnings.filters)
    for workers in (0, 3):
        assert len(read(source, workers)) == 8
    assert warnings.filters == before
    assert not recwarn.list


def test_a_warning_that_is_an_error_in_a_pool_is_no_failure_of_the_image():
    def in_a_pool():
        enter_pool()
        with pytest.raises(NeedsQuiet), quiet():
            warnings.warn("corrupt", stacklevel=1)
        done.append(True)

    done = []
    thread = threading.Thread(target=in_a_pool)
    thread.start()
    thread.join()
    assert done

    calls = []

    def make(source, index):
        calls.append(index)
        if index == 2 and calls.count(2) == 1:
            raise NeedsQuiet
        return index

    assert list(in_order(open_source(PIXELS), make, range(4), workers=2, ahead=4)) == [0, 1, 2, 3]
    assert calls.count(2) == 2


def test_unreadable_images_are_the_same_here_and_in_threads(tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")

    def make(source, index):
        try:
            return source.load(index).size
        except UnreadableImage as problem:
            return problem.reason

    source = open_source(tmp_path)
    found = [list(in_order(source, make, range(2), workers=n, ahead=2)) for n in (0, 2)]
    assert found[0] == found[1] == [(SIDE, SIDE), "not an image, whatever its name says"]


def test_which_data_sets_of_torchvision_open_anew(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(PIXELS[0]).save(tmp_path / "a" / "1.png")
    folder = torchvision_datasets.ImageFolder(str(tmp_path))
    assert opens_anew(folder)
    assert opens_anew(Subset(folder, [0]))
    assert open_source(folder).concurrent
    assert not opens_anew(torchvision_datasets.FakeData(2))
    assert not opens_anew(torchvision_datasets.ImageFolder(str(tmp_path), transform=lambda x: x))
    own = torchvision_datasets.ImageFolder(str(tmp_path), loader=lambda path: Image.open(path))
    assert not opens_anew(own)

    class Mine(torchvision_datasets.ImageFolder):
        pass

    assert not opens_anew(Mine(str(tmp_path)))
