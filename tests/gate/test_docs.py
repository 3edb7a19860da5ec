"""The examples of the pages about the gate: the rules are read, the workflow runs, tests pass."""

import pytest

from invariscope.gate.rules_file import read_rules_file
from pages import DOCS, blocks, own_commands, parsed

RULES, GATE = DOCS / "check.md", DOCS / "howto" / "gate.md"


def test_the_file_of_rules(tmp_path):
    path = tmp_path / "invariscope.toml"
    path.write_text(blocks(RULES, "toml")[0])
    file = read_rules_file(path)
    assert [rule.name for rule in file.rules] == ["small turns", "half the light"]
    assert file.baseline is not None


def test_the_workflow():
    yaml = pytest.importorskip("yaml")
    (text,) = blocks(GATE, "yaml")
    steps = yaml.safe_load(text)["jobs"]["check"]["steps"]
    ((command,),) = [
        own_commands(step["run"]) for step in steps if "invariscope check" in step.get("run", "")
    ]
    parsed(command)


@pytest.mark.slow
def test_the_tests():
    names: dict = {}
    exec(blocks(GATE, "python")[-1], names)
    for name in ("test_small_turns", "test_a_little_darker"):
        names[name]("builtin:efficientnet-lite0")
