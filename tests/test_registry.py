"""What a script registers goes to other processes, entry by entry."""

import importlib
import sys
import threading

import pytest

from invariscope.errors import InputError
from invariscope.registry import Registry, adopt, foreign, unknown_name


@pytest.fixture
def kinds(monkeypatch):
    registries = []
    monkeypatch.setattr("invariscope.registry._REGISTRIES", registries)
    return Registry("kind", "invariscope.kinds_of_this_test")


def test_an_entry_that_cannot_be_had_there_is_lost_alone(kinds, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def far():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    lock = threading.Lock()
    kinds.add("far", importlib.import_module("only_here").far)
    kinds.add("near", lambda: 2)
    kinds.add("locked", lambda: lock)
    packed = foreign()
    kinds._entries.clear()
    del sys.modules["only_here"]
    monkeypatch.undo()
    monkeypatch.setattr("invariscope.registry._REGISTRIES", [kinds])
    adopt(packed)
    assert kinds.get("near")() == 2
    with pytest.raises(InputError, match=r"kind 'far' cannot be had in .*No module named 'only_"):
        kinds.get("far")
    with pytest.raises(InputError, match=r"kind 'locked' cannot be had .*pickle.*lock"):
        kinds.get("locked")


def test_what_is_known_there_stays(kinds):
    kinds.add("near", lambda: 2)
    packed = foreign()
    kinds._entries["near"] = "own"
    adopt(packed)
    assert kinds.get("near") == "own"


def test_without_a_near_name_all_are_listed_in_one_sentence():
    assert str(unknown_name("colour", "xyz", ["red"])) == "unknown colour 'xyz' (known: red)"
