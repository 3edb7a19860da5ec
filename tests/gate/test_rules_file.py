"""Files of rules: what they say, and the line of what is wrong."""

from pathlib import Path

import pytest

from invariscope.errors import InputError
from invariscope.gate.rules_file import find_rules_file, read_rules_file

WHOLE = """
model = "timm:resnet50"
data = "photos"
num_images = 512
seed = 3
table = "paper"
preprocessing = ["size=64", "imagenet"]
value_range = "0,4095"
task = "multilabel"

[rules]
"small turns" = "rotate@<=15deg relative_invariance >= 0.8"  # comment
darkness = 'brightness_down@>=0.5 accuracy for "a b" >= 90%'

[baseline]
run = "runs/main"
margin = 0.02
margins = { accuracy = 0.01 }
"""


def test_all_that_a_file_may_say(tmp_path):
    path = tmp_path / "invariscope.toml"
    path.write_text(WHOLE)
    file = read_rules_file(path)
    assert [(rule.name, rule.line) for rule in file.rules] == [
        ("small turns", 12),
        ("darkness", 13),
    ]
    assert file.rules[1].class_name == "a b"
    assert file.rules[0].file == str(path)
    assert file.baseline is not None
    assert (file.baseline.run, file.baseline.margin) == (Path("runs/main"), 0.02)
    assert dict(file.baseline.margins) == {"accuracy": 0.01}
    assert file.baseline.line == 15
    assert file.settings == {
        "model": "timm:resnet50", "data": "photos", "num_images": 512, "seed": 3, "table": "paper",
        "preprocessing": ["size=64", "imagenet"], "value_range": "0,4095", "task": "multilabel",
    }  # fmt: skip


def test_one_word_of_preprocessing_is_a_list_of_one(tmp_path):
    path = tmp_path / "invariscope.toml"
    path.write_text('preprocessing = "imagenet"\n[rules]\na = "C4 latent_eed <= 0.5"\n')
    assert read_rules_file(path).settings == {"preprocessing": ["imagenet"]}


def test_a_table_of_pyproject(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\nname = 'x'\n")
    assert find_rules_file(tmp_path) is None
    path.write_text(
        "[project]\nname = 'x'\n[tool.invariscope]\nmodel = 'm'\n"
        "[tool.invariscope.rules]\nturns = 'C4 relative_invariance >= 0.5'\n"
    )
    assert find_rules_file(tmp_path) == path
    file = read_rules_file(path)
    assert (file.rules[0].name, file.rules[0].line, file.settings) == ("turns", 6, {"model": "m"})
    (tmp_path / "invariscope.toml").write_text(WHOLE)
    assert find_rules_file(tmp_path) == tmp_path / "invariscope.toml"


RULE = '"rotate relative_invariance >= 0.8"'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (f"[rules]\nturns = {RULE}\nmore = 'a\n", 3, "this is no TOML ("),
        (f"[rules]\nturns {RULE}\n", 2, "this is no TOML (expected '=' after a key"),
        (f"[rules\nturns = {RULE}\n", 1, "this is no TOML"),
        (f"# rules\n[rulse]\nturns = {RULE}\n", 2, "'rulse' is unknown: did you mean rules?"),
        (f"x = 3\n[rules]\nturns = {RULE}\n", 1, "'x' is unknown: model, data, table"),
        (f'num_images = 1.5\n[rules]\nt = {RULE}\n', 1, "num_images is 1.5: give a whole number"),
        (f'preprocessing = [0.5]\n[rules]\nt = {RULE}\n', 1, "give a text or a list of texts"),
        (f'seed = true\n[rules]\nt = {RULE}\n', 1, "seed is True: give a whole number"),
        (f"\nrules = [{RULE}]\n", 2, "give a table"),
        ("[rules]\n\nturns = 0.8\n", 3, "a rule is a text, such as \"turns\" = "),
        ("[rules]\n\nturns = 'rotate > 0.8'\n", 3, "the rule 'rotate > 0.8': it compares by"),
        ("model = 'm'\n[baseline]\nmargin = 0.1\n", 2, "the baseline has no run: add run = "),
        ("[baseline]\nrun = 'r'\nmargen = 0.1\n", 3, "'margen' in [baseline] is unknown: did you"),
        ("\n[baseline]\nrun = 'r'\n", 2, "the baseline has no margin: add margin = 0.02"),
        ("[baseline]\nrun = 'r'\nmargin = 0\nmargins = {accuracy = 'x'}\n", 4, "are numbers"),
    ],
)  # fmt: skip
def test_what_is_wrong_and_in_which_line(tmp_path, text, line, message):
    path = tmp_path / "invariscope.toml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_rules_file(path)
    assert str(raised.value).startswith(f"{path}, line {line}: "), raised.value
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "model = 'm'\n", "[rules]\n"])
def test_a_file_without_rules_is_no_gate(tmp_path, text):
    path = tmp_path / "invariscope.toml"
    path.write_text(text)
    with pytest.raises(InputError, match="has no rules, so there is nothing to check: add"):
        read_rules_file(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*nowhere.toml \(No such file"):
        read_rules_file(tmp_path / "nowhere.toml")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(InputError, match=r"has no table \[tool.invariscope\]: add it"):
        read_rules_file(tmp_path / "pyproject.toml")


def test_a_margin_below_0(tmp_path):
    path = tmp_path / "invariscope.toml"
    path.write_text("[baseline]\nrun = 'r'\nmargin = -0.1\n")
    with pytest.raises(InputError, match=r"the margin of the baseline is -0\.1"):
        read_rules_file(path)
