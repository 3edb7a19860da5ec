"""Entries in segments: taken as they were put, or not at all."""

import numpy as np
import pyarrow as pa
import pytest

from invariscope.cache import CacheFolder, segments, shelf
from invariscope.cache.segments import pack, unpack
from invariscope.cache.shelf import Shelf

NAME, OTHER = "ab" + "0" * 30, "ab" + "1" * 30


@pytest.fixture
def folder(tmp_path):
    return CacheFolder(tmp_path, "10MB", print)


def vectors(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def filled(folder, entries, name=NAME):
    made = Shelf(folder, name)
    made.put(entries)
    made.flush()
    (segment,) = folder.segments(name)
    return segment


def test_entries_come_back_bit_by_bit(folder):
    odd = np.array([[np.nan, -0.0, np.inf], [1e-42, 1, 2]], np.float32)
    odd.view(np.uint32)[0, 0] |= 0x12345  # one NaN of many
    entries = {"a": vectors(3, 5), "b": vectors(3, 2), "odd": odd, "none": vectors(0, 4)}
    filled(folder, entries)
    taken = Shelf(folder, NAME).take(["odd", "a", "none"])
    assert taken is not None
    assert list(taken) == ["odd", "a", "none"]
    for key, values in taken.items():
        assert values.tobytes() == entries[key].tobytes()
        assert values.shape == entries[key].shape


def test_one_missing_entry_is_a_miss(folder):
    filled(folder, {"a": vectors(3, 5)})
    assert Shelf(folder, NAME).take(["a", "b"]) is None
    assert Shelf(folder, OTHER).take(["a"]) is None
    assert Shelf(folder, NAME).take([]) == {}


def test_large_entries_do_not_wait_for_the_end_of_the_block(folder, monkeypatch):
    monkeypatch.setattr(shelf, "SEGMENT_BYTES", 100)
    made = Shelf(folder, NAME)
    for number in range(7):
        made.put({str(number): vectors(2, 5, seed=number)})
    assert len(folder.segments(NAME)) == 2
    made.flush()
    assert len(folder.segments(NAME)) == 3
    again = Shelf(folder, NAME)
    for number in (0, 6, 3, 0):
        taken = again.take([str(number)])
        assert taken is not None
        assert np.array_equal(taken[str(number)], vectors(2, 5, seed=number))
        assert len(again._held) <= 2


def test_a_segment_is_an_arrow_stream(folder):
    segment = filled(folder, {"a": vectors(2, 3)})
    table = pa.ipc.open_stream(segment.read_bytes()).read_all()
    assert table["values"].to_numpy().tolist() == vectors(2, 3).reshape(-1).tolist()


def damaged(content):
    yield "empty", b""
    for end in (1, 7, 40, len(content) // 2, len(content) - 1):
        yield f"until {end}", content[:end]
    yield "longer", content + b"x"
    yield "noise", np.random.default_rng(0).bytes(len(content))
    yield "other", pack(OTHER, {"a": vectors(4, 6, seed=1)})
    for at in range(0, len(content), 5):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (at % 8)
        yield f"flip at {at}", bytes(flipped)


def test_damage_is_a_miss_and_is_replaced(folder):
    values = vectors(4, 6)
    segment = filled(folder, {"a": values})
    whole = segment.read_bytes()
    count = 0
    for word, content in damaged(whole):
        segment.write_bytes(content)
        again = Shelf(folder, NAME)
        assert again.take(["a"]) is None, word
        assert again.take(["a"]) is None, word
        if not word.startswith("flip"):  # with another key in its header nobody asks for it
            assert not segment.exists(), word
        again.put({"a": values})
        again.flush()
        assert segment.read_bytes() == whole, word
        count += 1
    assert count > 100


def test_a_damaged_segment_takes_only_its_own_along(folder, monkeypatch):
    monkeypatch.setattr(shelf, "SEGMENT_BYTES", 1)
    made = Shelf(folder, NAME)
    made.put({"a": vectors(2, 2)})
    made.put({"b": vectors(2, 2)})
    first, _ = folder.segments(NAME)
    first.write_bytes(first.read_bytes()[:-1])
    again = Shelf(folder, NAME)
    assert sorted(key for key in "ab" if again.take([key]) is None) in (["a"], ["b"])


def test_a_segment_that_another_process_removes_is_a_miss(folder):
    segment = filled(folder, {"a": vectors(2, 2)})
    again = Shelf(folder, NAME)
    segment.unlink()
    assert again.take(["a"]) is None


def test_only_headers_are_read_before_an_entry_is_wanted(folder, monkeypatch):
    filled(folder, {"a": vectors(2, 2)})
    monkeypatch.setattr(CacheFolder, "read", lambda *_: pytest.fail("read"))
    assert Shelf(folder, NAME).take(["b"]) is None


def test_the_digest_is_checked_before_anything_is_parsed(monkeypatch):
    content = bytearray(pack(NAME, {"a": vectors(2, 2)}))
    content[-40] ^= 1
    monkeypatch.setattr(segments.pa.ipc, "open_stream", lambda *_: pytest.fail("parsed"))
    with pytest.raises(ValueError, match="the digest is another"):
        unpack(NAME, bytes(content))
