"""Whatever is called, the caller's generators, settings and folder are afterwards as they were."""

import ast
import inspect
import json
from importlib import import_module
from pathlib import Path

import pytest

from callers_world import MODES

#: The packages whose public functions are called.
PACKAGES = (
    "", ".data", ".effects", ".export", ".foregrounds", ".gate", ".improving", ".metrics",
    ".models", ".results", ".runs", ".search", ".sweep", ".testing", ".training",
    ".transformations",
)  # fmt: skip
#: Functions that only put a name into our own registry, or write what others here write.
LEFT_OUT = {"register", "write_block"}


@pytest.fixture(scope="module")
def changed(tmp_path_factory, alone):
    """What each call has changed, by `callers_world`."""
    return json.loads(alone(tmp_path_factory.mktemp("world"), "callers_world.py"))


@pytest.mark.parametrize(("call", "mode"), [(call, mode.__name__) for call, mode in MODES])
def test_the_callers_world_stays_as_it_was(call, mode, changed):
    assert changed[f"{call}, {mode}"] == []


def test_every_public_function_is_called():
    text = (Path(__file__).parents[1] / "public_calls.py").read_text()
    called = {
        getattr(node, "attr", getattr(node, "id", ""))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name | ast.Attribute)
    }
    for package in PACKAGES:
        module = import_module(f"invariscope{package}")
        public = getattr(module, "__all__", None) or [
            name for name in vars(module)
            if name[0] != "_" and getattr(vars(module)[name], "__module__", "") == module.__name__
        ]  # fmt: skip
        functions = {name for name in public if inspect.isfunction(getattr(module, name))}
        assert functions - called - LEFT_OUT == set(), module.__name__
