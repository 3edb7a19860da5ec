"""The examples of docs/check.md: the rules are read, the workflow's command exists, tests run."""

import re
import shlex
from pathlib import Path

import pytest

from invariscope.gate.rules_file import read_rules_file

PAGE = (Path(__file__).parents[2] / "docs" / "check.md").read_text()


def block(language):
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return text


def test_the_file_of_rules(tmp_path):
    path = tmp_path / "invariscope.toml"
    path.write_text(block("toml"))
    file = read_rules_file(path)
    assert [rule.name for rule in file.rules] == ["small turns", "half the light"]
    assert file.baseline is not None


def test_the_workflow():
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load(block("yaml"))
    runs = [step.get("run", "") for step in workflow["jobs"]["check"]["steps"]]
    (command,) = [shlex.split(run) for run in runs if run.startswith("invariscope ")]
    from typer.main import get_command

    from invariscope.cli.app import app

    own = getattr(get_command(app), "commands")[command[1]]  # noqa: B009
    known = {flag for option in own.params for flag in option.opts}
    assert {word for word in command if word.startswith("--")} <= known


@pytest.mark.slow
def test_the_tests():
    names: dict = {}
    exec(block("python"), names)
    for name in ("test_small_turns", "test_a_little_darker"):
        names[name]("builtin:efficientnet-lite0")
