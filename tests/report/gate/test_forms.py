"""A verdict in its four forms; names are text in each of them."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from invariscope.gate import CellFinding, RuleFinding, Verdict
from invariscope.report.gate.github import gate_annotations, problem_annotation
from invariscope.report.gate.junit import gate_junit
from invariscope.report.gate.markdown import gate_markdown

NASTY = "a|b`c` <script>\n::error::x\x1b[31m @octocat, 100 %"


def cell(outcome, value=0.7, level=1, **more):
    made = CellFinding(
        "relative_invariance", "rotate", level, f"±{5 * level}°", "embedding", None, f"r={level}",
        value, value - 0.05, value + 0.05, 64, 0, 0.8, True, outcome,
    )  # fmt: skip
    return replace(made, **more)


def rule(title, *cells, text="", **more):
    return RuleFinding(title, text or title, cells, **more)


@pytest.fixture
def verdict():
    """A rule of each outcome."""
    failed = rule(
        "small turns", cell("failed", 0.6), cell("failed", 0.5, 2), cell("undecided", 0.79, 3),
        text="rotate@<=15deg relative_invariance >= 0.8", file="ci/rules.toml", line=7,
    )  # fmt: skip
    undecided = rule("near", cell("undecided", 0.82, needs=431), cell("held", 0.9, 2))
    held = rule("easy", *(cell("held", 0.86 + level / 100, level) for level in range(1, 4)))
    return Verdict([held, undecided, failed], "a model on data", 256, ["a note of the run"])


def test_the_text_in_80_columns(verdict):
    text = verdict.to_text()
    assert text.splitlines() == [
        "a model on data, 256 images: 1 held, 1 failed, 1 undecided",
        "",
        "✗ failed: small turns (rotate@<=15deg relative_invariance >= 0.8)",
        "cell         value, 95 % interval   n      by",
        "rotate ±10°  0.500 [0.450, 0.550]  64  -0.300",
        "rotate ±5°   0.600 [0.550, 0.650]  64  -0.200",
        "and 1 undecided",
        "",
        "? undecided: near",
        "cell        value, 95 % interval   n      by",
        "rotate ±5°  0.820 [0.770, 0.870]  64  +0.020",
        "and 1 held",
        "about 430 images would decide it, if the value stays",
        "",
        "✓ held: easy",
        "cell        value, 95 % interval   n      by",
        "rotate ±5°  0.870 [0.820, 0.920]  64  +0.070",
        "and 2 more held, with more room",
        "",
        "note: a note of the run",
    ]


def test_long_tables_are_cut_and_counted():
    many = rule("r", *(cell("failed", level / 100, level) for level in range(1, 41)))
    text = Verdict([many], "m", 64).to_text()
    assert text.count("rotate ±") == 12
    assert "and 28 more failed" in text
    assert max(map(len, text.splitlines())) <= 80


def test_cells_of_several_layers_metrics_and_classes_are_told_apart():
    cells = (
        cell("failed"), cell("failed", layer="blocks.1"), cell("failed", class_name="cat"),
        cell("failed", metric="accuracy"),
    )  # fmt: skip
    text = Verdict([rule("r", *cells)], "m", 64).to_text()
    for name in ("embedding", "at blocks.1", "for cat", ", accuracy"):
        assert name in text


def test_junit_is_read_back_as_it_was_meant(verdict, tmp_path):
    root = ElementTree.fromstring(gate_junit(verdict, 6.0))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "0",
    }  # fmt: skip
    held, undecided, failed = root.iter("testcase")
    assert [child.tag for child in held] == ["system-out"]
    assert [child.tag for child in undecided] == ["error"]
    (failure,) = failed
    assert failure.tag == "failure"
    assert failure.get("message") == (
        "failed: rotate ±10°: 0.500 [0.450, 0.550], 0.300 below 0.8 (n = 64)"
    )
    assert (failed.get("file"), failed.get("line")) == ("ci/rules.toml", "7")
    assert failed.get("time") == "2.000"
    assert failure.text is not None
    assert failure.text.splitlines()[0] == "rotate@<=15deg relative_invariance >= 0.8"


def test_junit_is_what_a_reader_of_others_expects(verdict, tmp_path):
    junitparser = pytest.importorskip("junitparser")
    path = tmp_path / "junit.xml"
    path.write_bytes(gate_junit(verdict))
    (suite,) = junitparser.JUnitXml.fromfile(str(path))
    results = {case.name: [type(r).__name__ for r in case.result] for case in suite}
    assert results == {"easy": [], "near": ["Error"], "small turns": ["Failure"]}
    assert (suite.tests, suite.failures, suite.errors) == (3, 1, 1)


def test_annotations_stand_at_the_rule_s_line(verdict):
    warning, error = gate_annotations(verdict)
    assert error == (
        "::error file=ci/rules.toml,line=7,title=invariscope check failed::small turns"
        "%0Arotate ±10°: 0.500 [0.450, 0.550], 0.300 below 0.8 (n = 64)"
        "%0Arotate ±5°: 0.600 [0.550, 0.650], 0.200 below 0.8 (n = 64)%0Aand 1 undecided"
    )
    assert warning.startswith("::warning title=invariscope check undecided::near%0Arotate ±5°")


def test_the_summary_in_markdown(verdict):
    lines = gate_markdown(verdict).splitlines()
    assert lines[0] == "## invariscope check: ❌ failed"
    assert (
        "| `small turns` | ❌ failed | `rotate ±10°` | 0.500 [0.450, 0.550] | 64 | -0.300 |"
        in lines
    )
    assert "**`small turns`** failed: `rotate@<=15deg relative_invariance >= 0.8`" in lines
    assert "- note: a note of the run" in lines
    assert "and 1 held; about 430 images would decide it, if the value stays" in lines


def test_names_are_text_in_every_form():
    nasty = rule(NASTY, cell("failed", class_name=NASTY), file="a:b,c", line=1, notes=(NASTY,))
    verdict = Verdict([nasty], NASTY, 64, [NASTY])
    text = verdict.to_text()
    assert "\x1b" not in text
    assert "\n::error" not in text
    (line,) = gate_annotations(verdict)
    assert line.count("\n") == 0
    assert line.startswith("::error file=a%3Ab%2Cc,line=1,title=invariscope check failed::a|b`c`")
    assert "100 %25" in line
    assert "\x1b" not in line
    root = ElementTree.fromstring(gate_junit(verdict))
    assert "\x1b" not in "".join(root.itertext())
    (case,) = root.iter("testcase")
    assert case.get("name") == NASTY.replace("\n", "\\n").replace("\x1b", "\\x1b")
    markdown = gate_markdown(verdict)
    rows = [row for row in markdown.splitlines() if row.startswith("| `")]
    assert rows
    assert all("a\\|b" in row for row in rows)
    assert "\n::error" not in markdown
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", markdown)  # what is in no code span
    assert len(outside) < len(markdown)
    assert "<script>" not in markdown.splitlines()[2]
    assert "@octocat" not in outside


def test_a_problem_is_an_annotation_of_one_line():
    assert problem_annotation("no\n::x 5 %") == ("::error title=invariscope check::no\\n::x 5 %25")
