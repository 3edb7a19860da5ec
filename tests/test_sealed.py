"""Sealed files: what was changed is named, whatever was changed."""

import json
import math

import pytest

from invariscope.errors import InputError
from invariscope.sealed import read_sealed, with_digest, without_digest, write_sealed

CONTENT = {"b": [1, 2.5, None], "a": {"n": math.inf, "text": "é"}}


@pytest.fixture
def mark(tmp_path):
    (tmp_path / "inner").mkdir()
    for name in ("one.csv", "inner/two.csv"):
        (tmp_path / name).write_text(name)
    write_sealed(tmp_path / "mark.json", CONTENT, ["one.csv", "inner/two.csv"])
    return tmp_path / "mark.json"


def test_it_is_read_as_it_was_written(mark):
    assert read_sealed(mark, "make it anew") == CONTENT
    plain = json.loads(mark.read_text())
    mark.write_text(json.dumps(plain, sort_keys=True))  # another order, other white space
    assert read_sealed(mark, "make it anew") == CONTENT


@pytest.mark.parametrize("name", ["one.csv", "inner/two.csv"])
def test_a_file_beside_it_that_was_changed_is_named(mark, name):
    path = mark.parent / name
    path.write_text("other")
    message = rf"{name} is not as it was written, or mark.json beside it is of .*: make it anew"
    with pytest.raises(InputError, match=message):
        read_sealed(mark, "make it anew")
    path.unlink()
    with pytest.raises(InputError, match=rf"cannot read .*{name} .No such file.*: make it anew"):
        read_sealed(mark, "make it anew")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["a"].update(n=1),
        lambda content: content.pop("b"),
        lambda content: content.update(c=None),
        lambda content: content["files"].pop("one.csv"),
        lambda content: content.update(sha256="0"),
    ],
)
def test_a_change_of_its_own_content_is_seen(mark, change):
    content = json.loads(mark.read_text())
    change(content)
    mark.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"mark.json is not as it was written: make it anew"):
        read_sealed(mark, "make it anew")


@pytest.mark.parametrize("content", ["", "null", "[]", "{}", '"text"', "[" * 100_000])
def test_what_is_no_sealed_file_is_one_line(mark, content):
    mark.write_text(content)
    with pytest.raises(InputError, match=r"cannot read .*mark.json .*: make it anew") as caught:
        read_sealed(mark, "make it anew")
    assert "\n" not in str(caught.value)


def test_bytes_with_their_digest():
    assert without_digest(with_digest(b"")) == b""
    whole = with_digest(b"content")
    for content in (b"", whole[:-1], whole[1:], b"x" + whole[1:]):
        with pytest.raises(ValueError, match="another"):
            without_digest(content)
