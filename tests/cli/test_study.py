"""`invariscope study`, `claims`, and `report` of a study's folder."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from children import Child
from invariscope.cli import app as cli
from invariscope.studies.claims.ledger import CLAIMS
from invariscope.studies.lab.study import STUDIES, studies
from oracles.studies import known_run, known_study


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs the command line in an empty folder, with the known study; returns code and texts."""
    monkeypatch.chdir(tmp_path)
    studies()  # modules register once, so not while the registry is exchanged
    monkeypatch.setattr(STUDIES, "_entries", {**STUDIES._entries, "toy": known_study()})

    def run(*words):
        monkeypatch.setattr("sys.argv", ["invariscope", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        shown = capsys.readouterr()
        return stopped.value.code, shown.out, shown.err

    return run


def test_a_study_is_run_and_shown(command, tmp_path):
    code, out, _ = command("study", "run", "toy", "--set", "seeds=4,5")
    assert code == 0
    assert "000.c5    supported: training raises invariance" in out
    assert "one: 0.110 [0.085, 0.135] (> 0, n = 3 seeds)" in out
    assert "no ViT here" in out
    assert "note: seeds (4, 5)" in out
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("report:"))
    folder = tmp_path / "runs" / "studies" / "toy-laptop"
    about = json.loads((folder / "study.json").read_text())
    assert about["settings"]["seeds"] == [4, 5]
    assert about["command"] == "invariscope study run toy --set seeds=4,5"
    assert (folder / "report.html").is_file()
    assert (folder / "tables" / "values.csv").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("toi",), "unknown study 'toi': did you mean toy?"),
        (("toy", "--preset", "lap"), "unknown preset of toy 'lap': did you mean laptop"),
        (("toy", "--set", "sed=1"), "unknown setting of toy 'sed': did you mean seeds"),
        (("toy", "--set", "seeds=a"), "--set seeds=a: seeds takes a whole number"),
        (("toy", "--set", "seeds"), "--set seeds: write KEY=VALUE"),
        (("toy", "--set", "epochs=1", "--set", "epochs=2"), "--set epochs is given twice"),
        (("toy", "--workers", "0"), "--workers 0: give 1 or more"),
        (("toy", "--until", "done"), "--until done: the one word that it takes is decided"),
        (("toy", "--budget", "3h"), "--budget 3h without --until decided: give both, or neither"),
        (("toy", "--looks", "3,5"), "--looks 3,5 without --until decided: give both, or neither"),
        (
            ("toy", "--until", "decided", "--budget", "3"),
            "--budget 3: give a number above 0 with a unit",
        ),
        (
            ("toy", "--until", "decided", "--budget", "0h"),
            "--budget 0h: give a number above 0 with a",
        ),
        (
            ("toy", "--until", "decided", "--looks", "2,5"),
            "looks at 2, 5 seeds: give rising numbers",
        ),
        (("toy", "--until", "decided", "--looks", "a"), "--looks a: give numbers with commas"),
        (
            ("toy", "--until", "decided", "--preset", "smoke"),
            "--until with preset smoke, which never",
        ),
    ],
)
def test_wrong_input_is_one_line(command, words, message):
    code, _, errors = command("study", "run", *words)
    assert code == 2
    assert errors.startswith(f"invariscope: {message}")
    assert errors.count("\n") == 1


def test_paper_presets_say_what_they_need(command):
    code, _, errors = command("study", "run", "sources-of-invariance", "--preset", "paper")
    assert code == 2
    assert "needs ImageNet's training images" in errors
    assert "--set train=PATH" in errors


def test_the_list_names_question_claims_and_cost(command):
    code, out, _ = command("study", "list")
    assert code == 0
    assert "sources-of-invariance  (paper 000 §3)" in out
    assert "claims: 000.c5, 000.c6, 000.c7, 000.c8, 000.c9, 000.c10" in out
    assert "laptop: about" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    code, out, _ = command("study", "list", "toy")
    assert "settings of smoke" in out
    assert "    seeds=0,1,2" in out


def test_the_ledger_shows_every_claim(command, tmp_path):
    known_run(tmp_path / "elsewhere")
    code, out, _ = command("claims")
    assert code == 0
    assert sorted(re.findall(r"\d{3}\.c\d+", out)) == sorted(CLAIMS)
    assert "46 claims: 0 supported, 0 contradicted, 0 undecided, 46 not run" in out
    assert "invariscope study run sources-of-invariance" in out
    assert out.startswith("46 claims")
    code, out, _ = command("claims", "elsewhere")
    assert "46 claims: 1 supported, 1 contradicted, 1 undecided, 43 not run" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "(toy laptop, " in out


def test_verdicts_of_another_run_of_the_study_are_not_shown(command, tmp_path):
    for name, preset in (("one", "smoke"), ("other", "laptop")):
        code, out, _ = command("study", "run", "toy", "--preset", preset, "-o", name)
        assert code == 0
        assert ("no verdict: " in out, "decides no claim" in out) == (preset == "smoke",) * 2, out
    shutil.copy(tmp_path / "other" / "claims.json", tmp_path / "one")
    code, _, errors = command("claims", "one")
    assert code == 2
    assert "one/claims.json is not as it was written, or study.json beside it is of an" in errors


def test_the_ledger_as_json(command, tmp_path):
    known_run(tmp_path / "elsewhere")
    code, out, _ = command("claims", "--json", "elsewhere")
    rows = {row["id"]: row for row in json.loads(out)}
    assert code == 0
    assert len(rows) == 46
    assert rows["000.c5"]["verdict"] == "supported"
    assert rows["000.c5"]["parts"][0]["value"] == pytest.approx(0.11)
    assert rows["000.c5"]["preset"] == "laptop"
    assert rows["000.c8"]["note"] == "no ViT here"
    assert rows["004.c1"]["statistic"] is None


def test_a_folder_that_is_not_there(command):
    code, _, errors = command("claims", "nowhere")
    assert code == 2
    assert "no folder at nowhere: give a folder below which studies were run" in errors


def test_the_report_of_a_study_is_written_again(command, tmp_path):
    known_run(tmp_path)
    code, out, _ = command("report", "run")
    assert code == 0
    assert "report: run/report.html" in out
    assert "Is it so?" in (tmp_path / "run" / "report.html").read_text()


def test_the_ledger_does_not_wait_for_torch(tmp_path, environment):
    script = (
        "import sys; sys.argv = ['invariscope', 'claims']\n"
        "from invariscope.cli import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n"
        "    print(sorted({'torch', 'matplotlib'} & set(sys.modules)), e.code)"
    )
    known_run(tmp_path / "runs" / "studies")
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[] 0"
    assert "000.c5    supported" in done.stdout


def test_the_results_page_is_written_by_one_command(command, tmp_path):
    assert command("study", "run", "toy", "--until", "decided", "--looks", "3,5")[0] == 0
    script = Path(__file__).parents[2] / "benchmarks" / "results.py"
    folder, said = tmp_path / "runs" / "studies", tmp_path / "said"
    with Child(script.read_text(), folder, said=said, environment={"COLUMNS": "80"}) as child:
        code, out, err = child.ended()
    assert code == 0, err
    assert out.startswith("# What the studies found, preset laptop\n\n1 studies, 4 claims")
    assert "Seeds: looks at 3 (level 1.80%), 5 (level 3.6" in out
    assert "**000.c7, undecided at look 2, with 5 seeds**: training lowers" in out
    assert "Needed to decide it: about" in out


def test_seeds_are_added_until_claims_are_decided(command, tmp_path):
    words = ("study", "run", "toy", "--until", "decided", "--budget", "3h", "--looks", "3,5")
    code, out, _ = command(*words)
    assert code == 0
    assert "000.c5    supported with 3 seeds (look 1): training raises" in out
    assert "000.c7    undecided with 5 seeds (look 2): training lowers" in out
    assert "needed: about" in out
    assert "Looks at 3, 5 of at most 5 seeds, 2 of 2 planned: this was the last" in out
    page = (tmp_path / "runs" / "studies" / "toy-laptop" / "report.html").read_text()
    assert "Looks at 3, 5 of at most 5 seeds" in page
    assert "look 1, 3 seeds" in page
    assert "Needed to decide it" in page
    assert "up to 5 seeds at 2 looks tell an effect of" in page
    assert "Value [98.2\u00a0%]" in page
    code, out, _ = command("claims")
    assert "look 1 with 3 seeds" in out.replace("\n         ", "")


def test_studies_without_seeds_cannot_add_any(command):
    code, _, errors = command("study", "run", "designed-symmetry", "--until", "decided")
    assert code == 2
    assert "designed-symmetry, laptop: nothing is trained, so that there are no seeds" in errors
    assert "leave out --until" in errors


def test_the_list_says_what_presets_tell(command):
    _, out, _ = command("study", "list", "toy")
    assert "smoke: nothing; gives no verdict" in out
    assert "laptop: nothing; 3 seeds tell an effect of 3.3 spreads" in out
    _, out, _ = command("study", "list", "designed-symmetry")
    assert "no training seeds, intervals are over images" in out
