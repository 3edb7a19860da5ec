"""Images that code of the user's has, by their name on the command line."""

import sys

import numpy as np
import pytest

from invariscope.data import open_source
from invariscope.errors import InputError

MODULE = """
import math
import numpy as np
from PIL import Image

PIXELS = np.arange(6 * 8 * 8 * 3, dtype=np.uint8).reshape(6, 8, 8, 3)

class Backwards:
    classes = ["even", "odd"]
    def __len__(self):
        return len(PIXELS)
    def __getitem__(self, i):
        return Image.fromarray(PIXELS[5 - i]), (5 - i) % 2

instance = Backwards()
pair = PIXELS, [0, 1, 0, 1, 0, 1]

def function():
    return pair

def broken():
    raise OSError("no disk")

def needs(argument):
    return pair
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of a name that no other test imports, in the working folder."""
    (tmp_path / "data_of_mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield "data_of_mine"
    sys.modules.pop("data_of_mine", None)


@pytest.mark.parametrize("name", ["instance", "Backwards", "pair", "function"])
def test_what_a_name_may_stand_for(module, name):
    source = open_source(f"python:{module}:{name}")
    assert source.name == f"python:{module}:{name}"
    first, label = (5, 1) if name in ("instance", "Backwards") else (0, 0)
    expected = np.arange(6 * 8 * 8 * 3, dtype=np.uint8).reshape(6, 8, 8, 3)[first]
    assert np.array_equal(np.asarray(source.load(0)), expected)
    assert len(source) == 6
    assert source.labels is not None
    assert source.labels[0] == label


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("python:data_of_mine:functoin", "unknown data in data_of_mine 'functoin': did you mean f"),
        ("python:data_of_mine:instanse", "did you mean instance? (known: "),
        ("python:data_of_mine", "names no data; python:package.module:data works"),
        ("python:data_not_there:x", "No module named 'data_not_there'; pip install"),
        ("python:data_of_mine:broken", "calling it raises OSError (no disk); a function that"),
        ("python:data_of_mine:needs", "calling it raises TypeError ("),
        ("python:data_of_mine:math", "images of type module"),
    ],
)
def test_what_is_no_images_is_said_in_one_line(module, spec, message):
    with pytest.raises(InputError) as raised:
        open_source(spec)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
