"""The README's Python example runs as it stands, and its commands exist."""

import os
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 1
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(blocks[0], names)
    assert "relative_invariance at the embedding" in capsys.readouterr().out
    assert (tmp_path / "report.html").stat().st_size > 50_000
    values = names["result"].overview()["mean"]
    assert values["brightness_down"] > values["rotate"] > 0.3


def test_the_two_commands_are_those_of_the_package():
    lines = [line.strip() for line in README.splitlines() if line.startswith("    python3 -m venv")]
    assert [shlex.split(line)[-1] for line in lines] == ["measure", "pytest"]
    assert (
        "pip install -q --disable-pip-version-check -e '.[test]'" in (ROOT / ".ci/run").read_text()
    )
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_picture_is_there():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
