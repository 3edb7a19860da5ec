"""A plain `import invariscope` is quick, and every call of the docs works after it."""

import inspect
import json
import re
import subprocess
import sys
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path

import pytest

import invariscope

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOTTED = re.compile(r"\binvariscope(?:\.[a-z_]\w*)+(?=\()")
CALLS = sorted({call for path in DOCS for call in DOTTED.findall(path.read_text())})


def run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# Each code in a process that has not imported invariscope, but what it imports of others.
FRESH = """
import json, os, sys
import matplotlib.pyplot, pandas, pyarrow, scipy.stats, timm, torch, torchvision

def answer(code):
    read, write = os.pipe()
    if os.fork() == 0:
        os.dup2(write, 1)
        exec(code, {})
        sys.stdout.flush()
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    os.wait()
    return text

assert "invariscope" not in sys.modules
print(json.dumps([answer(code) for code in json.loads(sys.argv[1])]))
"""
HELP = "import invariscope, pydoc; print(pydoc.plain(pydoc.render_doc(invariscope)))"


@pytest.fixture(scope="module")
def fresh():
    """What each code prints: of `HELP`, and whether each of `CALLS` can be called."""
    codes = {
        call: f"import invariscope; print(callable(invariscope.{call.partition('.')[2]}))"
        for call in CALLS
    }
    codes["help"] = HELP
    return dict(zip(codes, json.loads(run(FRESH, json.dumps([*codes.values()]))), strict=True))


def test_importing_does_not_import_torch():
    assert run("import sys, invariscope; print('torch' in sys.modules)").strip() == "False"


def test_the_names_are_shown_before_they_are_used():
    shown = run("import invariscope; print(*dir(invariscope))").split()
    assert {"measure", "find_factors", "load_model", "Result", "Leaderboard"} <= set(shown)
    assert "TYPE_CHECKING" not in shown


def test_help_describes_the_functions(fresh):
    for name in ("measure(", "find_factors(", "load_model(", "class Result", "class Leaderboard"):
        assert name in fresh["help"]


@pytest.mark.parametrize("call", CALLS)
def test_every_call_of_the_docs_works_after_a_plain_import(call, fresh):
    assert fresh[call].strip() == "True"


def test_the_docs_have_calls():
    assert {"invariscope.measure", "invariscope.training.transfer"} <= set(CALLS)


@pytest.mark.parametrize("name", invariscope.__all__)
def test_every_name_is_there(name):
    assert getattr(invariscope, name) is not None


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'mesure'"):
        invariscope.mesure  # noqa: B018


@pytest.mark.parametrize(
    ("function", "request_of"),
    [
        ("measure", "invariscope.sweep.request.SweepRequest"),
        ("find_factors", "invariscope.search.request.SearchRequest"),
    ],
)
def test_what_is_left_out_of_a_call_is_left_out_of_its_request(function, request_of):
    module, name = request_of.rsplit(".", 1)
    said = inspect.signature(getattr(invariscope, function)).parameters
    for field in fields(getattr(import_module(module), name)):
        given = said[field.name].default
        assert field.default is (MISSING if given is inspect.Parameter.empty else given), field.name
