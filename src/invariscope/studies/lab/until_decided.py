"""Runs a study until its claims are decided: adds seeds while one is open, at looks fixed before.

At each look the study is run with the seeds so far (what was trained before is read), and the
claims that are open are decided at the look's level (`claims/looks.py`). It ends when every claim
is decided, at the last planned look, or when the budget would be exceeded: then the record says how
many seeds the open ones would take. The folder is that of `run_study`, whole after every look, with
the plan and the looks in `looks.json`, from which a killed command goes on.
"""

import time
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from invariscope.errors import InputError
from invariscope.studies.claims.looks import DECIDED, Looks
from invariscope.studies.claims.record import SMOKE
from invariscope.studies.claims.verdict import ClaimResult
from invariscope.studies.lab.budget import Budget, BudgetSpent, WithinBudget
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.folder import StudyRun, write_study
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.planned import Planned, begin_or_go_on, with_seeds, write_planned
from invariscope.studies.lab.running import about_run, now, resolved
from invariscope.studies.lab.study import Study

ALL_DECIDED, LAST_LOOK = "every claim is decided", "this was the last planned look"


def run_until_decided(
    name: str | Study,
    preset: str = "laptop",
    *,
    budget: str | None = None,
    looks: Sequence[int] | None = None,
    changes: Mapping[str, str] | None = None,
    output: str | Path | None = None,
    lab: Lab | None = None,
    command: str = "",
) -> StudyRun:
    """Runs a study with more and more seeds until its claims are decided.

    Args:
        name: The study.
        preset: "laptop" or "paper"; "smoke" never gives a verdict.
        budget: The time that this call may take, "3h" or "90min"; None: no end.
        looks: Numbers of seeds to look at; by default 3, 5, 8 and 12.
        changes: Settings to replace, as text. Seeds go on with the whole numbers after theirs.
        output: The folder; by default `runs/studies/NAME-PRESET`.
        lab: Where it works; by default the jobs of `runs/jobs`, in this process.
        command: The command line that asked for it, for the record.

    Returns:
        The findings at the last look, as they were written, with the looks.

    Raises:
        InputError: As for `run_study`; no training seeds, the preset smoke, a budget that is none,
            or a folder with a plan for something else.
        RunError: Jobs failed, or the budget was spent before the first look; those that are
            finished are kept.

    Example:
        >>> run = run_until_decided("relevance", budget="3h")  # doctest: +SKIP
        >>> run.looks.in_words()  # doctest: +SKIP
        'Looks at 3, 5 of at most 12 seeds, 2 of 4 planned: every claim is decided.'
    """
    limit = Budget(budget)
    study, settings, folder = resolved(name, preset, changes, output)
    if preset == SMOKE:
        raise InputError(
            "`until` with preset smoke, which never gives a verdict: give `preset='laptop'`"
        )
    planned = begin_or_go_on(folder, study, preset, settings, looks)
    lab = copy(lab) if lab else Lab()
    lab.executor = WithinBudget(lab.executor, limit)
    command = command or f"invariscope study run {study.name} --preset {preset} --until decided"
    return _Run(study, preset, settings, changes, folder, lab, limit, command).carry_out(planned)


class _Run:
    """One command's part of the looks."""

    def __init__(
        self,
        study: Study,
        preset: str,
        settings: Any,
        changes: Mapping[str, str] | None,
        folder: Path,
        lab: Lab,
        budget: Budget,
        command: str,
    ):
        self.study, self.preset, self.settings, self.changes = study, preset, settings, changes
        self.folder, self.lab, self.budget, self.command = folder, lab, budget, command
        self.started = time.perf_counter()

    def carry_out(self, planned: Planned) -> StudyRun:
        """Takes the looks that are left; the last one before is computed again, from its jobs."""
        run = None
        if planned.looks.taken:
            planned, run = self._look(planned, again=True)
        while not planned.looks.stopped:
            try:
                planned, run = self._look(planned)
            except BudgetSpent as problem:
                if run is None:
                    raise
                looks = replace(planned.looks, stopped=str(problem))
                return self._write(run.findings, looks, run)
        assert run is not None
        return run

    def _look(self, planned: Planned, again: bool = False) -> tuple[Planned, StudyRun]:
        k = len(planned.looks.taken) - again
        plan = planned.looks.plan
        self.lab.used = {}
        findings = self.study.function(
            self.lab, with_seeds(self.study, self.settings, plan.looks[k])
        )
        taken = replace(planned.looks, taken=planned.looks.taken[:k], stopped="")
        at, claims = taken.look(findings.claims, planned.decided, now())
        if again:  # what was decided is; nothing is decided by computing it again
            at = replace(at, taken=planned.looks.taken)
        at = replace(at, stopped=self._stop(at))
        decided = tuple(claim for claim in claims if claim.id not in (at.open or ()))
        planned = Planned(at, tuple(claim for claim in decided if claim.verdict in DECIDED))
        write_planned(self.folder, self.study, self.preset, self.settings, planned)
        self.lab.progress.note(_line(at, claims))
        return planned, self._write(replace(findings, claims=claims), at)

    def _stop(self, looks: Looks) -> str:
        """Says why no further look is taken; empty if one is."""
        if not looks.open:
            return ALL_DECIDED
        if looks.last:
            return LAST_LOOK
        n, following = looks.taken[-1].seeds, looks.plan.looks[len(looks.taken)]
        workers = getattr(self.lab.executor, "workers", 1)
        cost = self.lab.seconds / n * (following - n) / workers
        if cost <= self.budget.left:
            return ""
        from invariscope.report.kit.words import duration

        return (
            f"the look at {following} seeds would take about {duration(cost)} more, and of the "
            f"budget of {self.budget.text} {duration(self.budget.left)} are left"
        )

    def _write(self, findings: Findings, looks: Looks, before: StudyRun | None = None) -> StudyRun:
        seconds = time.perf_counter() - self.started
        settings = with_seeds(self.study, self.settings, looks.taken[-1].seeds)
        about = about_run(
            self.study, self.preset, settings, self.changes, self.lab, seconds, self.command
        )
        if before is not None:  # the jobs of a look that was not finished do not count
            spent = {**before.about["execution"], "seconds": round(seconds, 3)}
            about |= {"jobs": before.about["jobs"], "execution": spent}
        return write_study(self.folder, about, findings, looks)


def _line(looks: Looks, claims: Sequence[ClaimResult]) -> str:
    look, of = looks.taken[-1], len(claims)
    decided = of - len(look.open)
    return (
        f"look {len(looks.taken)} of {len(looks.plan.looks)}: {look.seeds} seeds, level "
        f"{look.level:.2%}: {decided} of {of} claims decided"
    )
