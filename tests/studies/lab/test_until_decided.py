"""Seeds are added at planned looks until claims are decided; a killed command goes on."""

import json

import numpy as np
import pandas as pd
import pytest

from invariscope.errors import InputError, RunError
from invariscope.studies.claims import above, decide, not_run, within
from invariscope.studies.claims.record import read_claims
from invariscope.studies.lab import budget as budgets
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.folder import read_study
from invariscope.studies.lab.jobs import JOB_KINDS, StudyJob, job_kind
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.planned import extended
from invariscope.studies.lab.running import run_study
from invariscope.studies.lab.study import Study
from invariscope.studies.lab.until_decided import run_until_decided

DONE: list[int] = []


@pytest.fixture(autouse=True)
def draw(monkeypatch):
    """A kind of job that draws one number from its seed."""
    monkeypatch.setattr(JOB_KINDS, "_entries", dict(JOB_KINDS._entries))
    DONE.clear()

    @job_kind("draw")
    def write(settings, folder):
        DONE.append(settings["seed"])
        value = np.random.default_rng(settings["seed"]).standard_normal()
        (folder / "value").write_text(str(value))


def toy(claims, **more) -> Study:
    """A study whose claims are a function of a number for each seed."""

    def function(lab, settings):
        jobs = [StudyJob("draw", {"seed": seed}) for seed in settings["seeds"]]
        found = lab.run(jobs)
        values = np.array([float((result.folder / "value").read_text()) for result in found])
        return Findings({"values": pd.DataFrame({"value": values})}, [], claims(values))

    presets = {"smoke": {"seeds": (5, 6)}, "laptop": {"seeds": (5, 6)}, **more}
    return Study("toy", "000 §0", "?", ".", dict.fromkeys(presets, ""), presets, function)


def mixed(values):
    """One claim that is clear at once, one that seeds do not decide, one that was not run."""
    return [
        decide("000.c1", above(values + 100)),
        decide("000.c2", within(values, -0.3, 0.3)),
        not_run("000.c4", "no network"),
    ]


def clear(values):
    return [decide("000.c1", above(values + 100))]


@pytest.fixture
def run(tmp_path):
    def go(study=None, **more):
        lab = Lab(tmp_path / "jobs")
        return run_until_decided(study or toy(mixed), output=tmp_path / "run", lab=lab, **more)

    return go


def test_it_ends_at_the_last_look_and_keeps_what_was_decided(run):
    found = run()
    first, second, third = found.findings.claims
    assert (first.verdict, first.look, first.seeds, first.parts[0].n) == ("supported", 1, 3, 3)
    assert (second.verdict, second.look, second.seeds, second.parts[0].n) == (
        "undecided",
        4,
        12,
        12,
    )
    assert third.verdict == "not run"
    assert "seeds (" in second.needed
    assert not first.needed
    assert found.looks is not None
    assert [look.seeds for look in found.looks.taken] == [3, 5, 8, 12]
    assert [look.decided for look in found.looks.taken] == [("000.c1",), (), (), ()]
    assert found.looks.taken[-1].open == ("000.c2",)
    assert found.looks.taken[-1].spent == pytest.approx(0.05)
    assert found.looks.stopped == "this was the last planned look"
    assert found.about["settings"]["seeds"] == list(range(5, 17))
    assert sorted(DONE) == list(range(5, 17))  # each seed is trained once


def test_intervals_are_those_of_the_look(run):
    first = run().findings.claims[0]
    values = [np.random.default_rng(seed).standard_normal() + 100 for seed in (5, 6, 7)]
    assert first.level == pytest.approx(0.003125)
    wide = above(np.array(values)).high
    assert first.ci_high > wide + 1


def test_it_ends_when_all_is_decided(run):
    found = run(toy(clear))
    assert found.looks is not None
    assert found.looks.stopped == "every claim is decided"
    assert found.about["settings"]["seeds"] == [5, 6, 7]
    assert DONE == [5, 6, 7]


def test_the_record_is_read_again(run, tmp_path):
    found = run()
    again = read_study(tmp_path / "run")
    assert again.looks == found.looks
    assert tuple(again.findings.claims) == tuple(found.findings.claims)
    assert read_claims(tmp_path / "run" / "claims.json").looks == found.looks
    content = json.loads((tmp_path / "run" / "claims.json").read_text())
    assert content["looks"]["plan"]["levels"][0] == pytest.approx(0.003125)
    assert content["claims"][0]["look"] == 1


def test_a_killed_run_goes_on_with_its_plan(run, tmp_path, monkeypatch):
    def killed_at_eight(values):
        if len(values) == 8:
            raise KeyboardInterrupt
        return mixed(values)

    with pytest.raises(KeyboardInterrupt):
        run(toy(killed_at_eight))
    before = json.loads((tmp_path / "run" / "looks.json").read_text())
    assert [look["seeds"] for look in before["looks"]["taken"]] == [3, 5]
    # The levels are those of the record, whatever a newer version would plan; so are decisions.
    monkeypatch.setattr("invariscope.studies.lab.planned.plan_looks", None)
    turned = toy(lambda values: [decide("000.c1", above(values - 100)), *mixed(values)[1:]])
    found = run(turned)
    assert found.looks is not None
    assert [look.seeds for look in found.looks.taken] == [3, 5, 8, 12]
    assert found.looks.taken[0].finished == before["looks"]["taken"][0]["finished"]
    assert (found.findings.claims[0].verdict, found.findings.claims[0].look) == ("supported", 1)
    assert len(DONE) == 12


def test_a_finished_run_is_the_same_again(run):
    first = run()
    again = run()
    assert again.looks == first.looks
    assert again.findings.claims == first.findings.claims
    assert len(DONE) == 12


def test_a_look_that_decided_is_the_same_again(run):
    assert run(toy(clear)).looks == run(toy(clear)).looks


def test_the_next_look_must_fit_into_the_budget(run, monkeypatch):
    monkeypatch.setattr(Lab, "seconds", property(lambda lab: 1000.0 * len(lab.used)))
    found = run(budget="90min")  # 2 seeds more take 2000 s, 3 more 3000 s, 4 more 4000 s
    assert found.looks is not None
    assert [look.seeds for look in found.looks.taken] == [3, 5, 8, 12]
    assert run(budget="30min").looks == found.looks  # nothing is left to do


def test_a_look_that_does_not_fit_is_not_begun(run, monkeypatch):
    monkeypatch.setattr(Lab, "seconds", property(lambda lab: 1000.0 * len(lab.used)))
    found = run(budget="50min")
    assert found.looks is not None
    assert [look.seeds for look in found.looks.taken] == [3, 5]
    assert "the look at 8 seeds would take about 50 min more, and of the" in found.looks.stopped
    assert len(DONE) == 5
    more = run(budget="2h")
    assert more.looks is not None
    assert [look.seeds for look in more.looks.taken] == [3, 5, 8, 12]


def test_a_budget_that_is_spent_ends_between_jobs(run, monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(budgets.time, "monotonic", lambda: next(clock))
    with pytest.raises(RunError, match="budget of 25s is spent; 2 of 3 further jobs are finished"):
        run(budget="25s")
    assert DONE == [5, 6]
    found = run(budget="95s")
    assert found.looks is not None
    assert found.looks.taken
    assert "is spent" in found.looks.stopped
    assert len(found.about["jobs"]) == found.looks.taken[-1].seeds
    assert len(read_study(found.folder).findings.tables["values"]) == len(found.about["jobs"])


@pytest.mark.parametrize("text", ["3", "h", "0h", "-1h", "3 weeks", "", "1e3s", "nanh"])
def test_budgets_that_are_none(run, text):
    with pytest.raises(InputError, match=f"`budget={text}`: give a number above 0 with a unit"):
        run(budget=text)


def test_studies_without_seeds(run):
    untrained = toy(mixed, paper={"images": 3, "seeds": ()})
    with pytest.raises(InputError, match="toy, paper: nothing is trained, so that there are no"):
        run(untrained, preset="paper")


def test_smoke_has_no_verdict(run):
    with pytest.raises(InputError, match="`until` with preset smoke, which never gives a verdict"):
        run(preset="smoke")


def test_a_plan_for_something_else_is_not_gone_on_with(run, tmp_path):
    run(toy(clear))
    with pytest.raises(
        InputError, match=r"looks.json plans looks for seeds=\[5, 6\], not \[1, 2\]"
    ):
        run(toy(clear), changes={"seeds": "1,2"})
    with pytest.raises(InputError, match=r"plans looks at 3,5,8,12 seeds, which are kept"):
        run(toy(clear), looks=(3, 20))
    path = tmp_path / "run" / "looks.json"
    path.write_text(path.read_text().replace("0.003125", "0.05"))
    with pytest.raises(InputError, match=r"looks.json is not as it was written: delete it"):
        run(toy(clear))


def test_other_looks(run):
    found = run(looks=(4, 6))
    assert found.looks is not None
    assert [look.seeds for look in found.looks.taken] == [4, 6]


def test_seeds_are_continued():
    assert extended((0, 1, 2, 3, 4), 3) == (0, 1, 2)
    assert extended((7, 2), 5) == (7, 2, 8, 9, 10)


def test_undecided_claims_of_a_fixed_number_say_what_they_take(tmp_path):
    found = run_study(toy(mixed), output=tmp_path / "run", lab=Lab(tmp_path / "jobs"))
    assert "seeds" in found.findings.claims[1].needed
    assert found.looks is None


def claims_of_parts(values):
    """A claim of four parts, of which none is so: each wrong find contradicts it."""
    return decide("000.c1", [above(column) for column in values.T])


def test_claims_without_an_effect_are_decided_in_5_percent_at_most(monkeypatch):
    """Claims of four parts with means of 0: whatever is decided is an error."""
    from invariscope.statistics.group_sequential import plan_looks
    from invariscope.studies.claims import Looks

    monkeypatch.setattr("invariscope.studies.claims.looks.with_needed", lambda claim, level: claim)
    plan, wrong, trials = plan_looks(), 0, 200
    generator = np.random.default_rng(0)
    for _ in range(trials):
        values, looks, decided = generator.standard_normal((12, 4)), Looks(plan, ()), []
        while not looks.last and not decided:
            part = values[: plan.looks[len(looks.taken)]]
            looks, claims = looks.look([claims_of_parts(part)], decided, "")
            decided = [claim for claim in claims if claim.verdict != "undecided"]
        wrong += bool(decided)
    assert 0 < wrong <= 0.05 * trials + 2 * np.sqrt(0.05 * 0.95 * trials)
