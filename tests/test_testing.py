"""`assert_invariant`, alone and as the fixture of the pytest plugin."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from invariscope.errors import InputError
from invariscope.testing import NotInvariant, Undecided, assert_invariant
from invariscope.transformations import from_function

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[1]
PICTURES = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)


def model(x):
    """Sees where things are."""
    return x.flatten(1)


def value_of(angle):
    """The value at an angle, over all pictures."""
    verdict = assert_invariant(
        model, PICTURES, "rotate", up_to=angle, at_least=-9.0, workers=0, num_images=200
    )
    return min(cell.value for cell in verdict.rules[0].cells)


def test_it_passes_and_returns_what_was_found():
    verdict = assert_invariant(
        model, PICTURES, "brightness_down", up_to=0.5, at_least=0.99, workers=0
    )
    assert verdict.rules[0].text == "brightness_down up to 0.5 relative_invariance >= 0.99"
    assert verdict.frame["shown"].tolist()[-1] == "0.5×"


def test_it_blocks_with_the_table():
    with pytest.raises(NotInvariant) as raised:
        assert_invariant(model, PICTURES, "rotate", up_to=90, at_least=0.8, workers=0)
    assert isinstance(raised.value, AssertionError)
    assert raised.value.verdict.outcome == "failed"
    assert str(raised.value).splitlines()[0].endswith(" images: 1 failed")  # pytest's summary
    assert "✗ failed: rotate up to 90 relative_invariance >= 0.8" in str(raised.value)
    assert re.search(r"rotate ±\d+° +-?\d\.\d{3} \[", str(raised.value))


def test_undecided_raises_as_well_and_says_what_would_decide():
    near = round(value_of(10), 4)
    with pytest.raises(Undecided) as raised:
        assert_invariant(model, PICTURES, "rotate", up_to=10, at_least=near, workers=0)
    assert "would decide it" in str(raised.value) or "no number of images" in str(raised.value)


def test_other_metrics_layers_classes_and_transformations_of_one_s_own():
    labels = (np.arange(200) % 2).tolist()
    darken = from_function("darken", lambda x, f: x * f, (1.0, 0.5), unit="×")
    assert_invariant(model, PICTURES, darken, up_to=0.5, at_least=0.9, workers=0)
    assert_invariant(model, PICTURES, "C4", at_most=9.0, metric="latent_eed", workers=0)
    with pytest.raises(NotInvariant):
        assert_invariant(model, PICTURES, "C4", at_most=1e-6, metric="latent_eed", workers=0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    with pytest.raises(NotInvariant, match="for 1"):
        assert_invariant(
            network, (PICTURES, labels), "rotate", up_to=90, at_least=0.999, metric="accuracy",
            class_name="1", model_classes="order", workers=0,
        )  # fmt: skip


@pytest.mark.parametrize("bounds", [{}, {"at_least": 0.1, "at_most": 0.2}])
def test_one_bound_is_needed(bounds):
    with pytest.raises(InputError, match=r"give one of at_least=… and at_most=…"):
        assert_invariant(model, PICTURES, "rotate", **bounds)


def test_what_is_beyond_the_table():
    with pytest.raises(InputError, match="the nearest that works is rotate@<=180deg"):
        assert_invariant(model, PICTURES, "rotate", up_to=200, at_least=0.1)


SUITE = """
import numpy as np
import pytest
from invariscope.testing import assert_invariant as plain

PICTURES = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)

def model(x):
    return x.flatten(1)

def test_holds(assert_invariant):
    assert_invariant(model, PICTURES, "brightness_down", up_to=0.5, at_least=0.9, workers=0)

def test_fails(assert_invariant):
    assert_invariant(model, PICTURES, "rotate", up_to=90, at_least=0.8, workers=0)

def test_without_the_fixture():
    plain(model, PICTURES, "rotate", up_to=90, at_least=0.8, workers=0)
"""


def test_the_plugin_shows_what_was_measured(pytester):
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--junitxml=junit.xml")
    result.assert_outcomes(passed=1, failed=2)
    text = result.stdout.str()
    summary = text.split(" invariscope ", 1)[1]
    assert "::test_holds: ✓ brightness_down up to 0.5 relative_invariance >= 0.9: br" in summary
    assert "::test_fails: ✗ rotate up to 90 relative_invariance >= 0.8: rotate ±" in summary
    assert text.count("✗ failed: rotate up to 90 relative_invariance >= 0.8") >= 2
    # the traceback ends in the test, not inside of this package
    assert "invariscope/testing.py" not in text.split("short test summary")[0]
    assert '<property name="invariscope" value="✓ brightness_down' in Path("junit.xml").read_text()


def test_the_plugin_is_an_entry_point_and_starts_without_torch():
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert points["pytest11"] == {"invariscope": "invariscope.pytest_plugin"}
    code = (
        "import sys, invariscope.pytest_plugin, invariscope.testing\n"
        "print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_session_without_assertions_shows_nothing_and_loads_no_torch(pytester):
    pytester.makepyfile("import sys\ndef test_plain():\n    assert 'torch' not in sys.modules\n")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert " invariscope " not in result.stdout.str()
