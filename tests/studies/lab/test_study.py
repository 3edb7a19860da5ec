from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import pytest

from invariscope.errors import InputError
from invariscope.studies.claims import above, decide
from invariscope.studies.lab import study as registering
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.folder import read_study
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.running import run_study
from invariscope.studies.lab.study import STUDIES, needed, settings_of, studies, study


@dataclass(frozen=True)
class Settings:
    data: str = "samples"
    seeds: tuple[int, ...] = (0, 1)
    epochs: float = 2.0
    size: int | None = 28
    twin: bool = False
    mode: Literal["fast", "slow"] = "fast"
    names: tuple[str, ...] = ("a",)


@pytest.fixture
def toy(monkeypatch):
    """A study that is registered for one test."""
    studies()  # modules register once, so not while the registry is exchanged
    monkeypatch.setattr(STUDIES, "_entries", dict(STUDIES._entries))

    @study(
        "toy", paper="000 §0", question="Is it?", expected="It is.",
        cost={"smoke": "nothing"}, presets={"smoke": Settings()},
    )  # fmt: skip
    def toy(lab, settings):
        claim = decide("000.c1", above([0.1 * seed + 0.5 for seed in settings.seeds]))
        figure = Figure("A line", "It rises.", "<svg viewBox='0 0 1 1'></svg>")
        table = pd.DataFrame({"seed": settings.seeds, "epochs": settings.epochs})
        return Findings({"seeds": table}, [figure], [claim], ["a note"])

    return STUDIES.get("toy")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("data", "stamps,2", "stamps,2"),
        ("seeds", "3", (3,)),
        ("seeds", "0, 1,2", (0, 1, 2)),
        ("epochs", "3", 3.0),
        ("size", "none", None),
        ("size", "32", 32),
        ("twin", "yes", True),
        ("mode", "slow", "slow"),
        ("names", "a,b", ("a", "b")),
    ],
)
def test_settings_are_replaced_by_their_type(toy, name, text, value):
    found = getattr(settings_of(toy, "smoke", {name: text}), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("epoch", "1", "unknown setting of toy 'epoch': did you mean epochs"),
        ("seeds", "0,x", "'seeds': 'x'}`: seeds takes a whole number"),
        ("epochs", "many", "'epochs': 'many'}`: epochs takes a number"),
        ("size", "2.5", "'size': '2.5'}`: size takes a whole number"),
        ("twin", "maybe", "'twin': 'maybe'}`: twin takes true or false"),
        ("mode", "sloe", "unknown value of mode 'sloe': did you mean slow"),
    ],
)
def test_wrong_settings_are_one_line(toy, name, text, message):
    with pytest.raises(InputError, match=message):
        settings_of(toy, "smoke", {name: text})


def test_unknown_presets_and_studies(toy):
    with pytest.raises(InputError, match="unknown preset of toy 'smok': did you mean smoke"):
        settings_of(toy, "smok")
    with pytest.raises(InputError, match="unknown study 'toi': did you mean toy"):
        registering.get_study("toi")


def test_what_a_preset_cannot_know():
    with pytest.raises(InputError, match=r"needs ImageNet: give it by `changes={'data': 'PATH'}`"):
        needed("", "data", "ImageNet")


def test_registering_checks_presets():
    about: dict[str, Any] = {"paper": "", "question": "", "expected": ""}
    with pytest.raises(ValueError, match="preset 'smoke' has no cost"):
        study("x", **about, cost={}, presets={"smoke": {}})
    with pytest.raises(ValueError, match="neither dataclass nor mapping"):
        study("x", **about, cost={"smoke": ""}, presets={"smoke": 3})


def test_every_study_has_three_presets_and_says_what_it_costs():
    for name, known in studies().items():
        assert set(known.presets) == set(registering.PRESETS) == set(known.cost), name
        assert known.question.endswith("?"), name
        assert known.expected, name
        assert known.paper[:3] in ("000", "002", "003", "004"), name


def test_a_run_is_written_whole_and_read_again(toy, tmp_path):
    changes = {"seeds": "0,1,2"}
    run = run_study(
        "toy", "smoke", changes=changes, output=tmp_path / "run", lab=Lab(tmp_path / "jobs")
    )
    again = read_study(tmp_path / "run")
    assert again.about == run.about
    assert again.about["settings"]["seeds"] == [0, 1, 2]
    assert again.findings.figures == list(run.findings.figures)
    assert repr(again.findings.claims) == repr(tuple(run.findings.claims))
    pd.testing.assert_frame_equal(again.findings.tables["seeds"], run.findings.tables["seeds"])
    assert again.findings.notes == ["a note"]
    assert again.about["packages"]["torch"]


def test_a_damaged_folder_is_one_line(toy, tmp_path):
    with pytest.raises(InputError, match="is not a study's folder"):
        read_study(tmp_path)
    run_study("toy", "smoke", output=tmp_path, lab=Lab(tmp_path / "jobs"))
    (tmp_path / "tables" / "seeds.csv").unlink()
    with pytest.raises(
        InputError, match=r"cannot read .*seeds.csv .No such file.*: run the study again"
    ):
        read_study(tmp_path)
