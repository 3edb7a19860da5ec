"""The page of a study: one HTML file with question, claims, figures, tables, cost and command."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.report.kit.drawings import Track
from invariscope.report.kit.drawings import track as track_of
from invariscope.report.kit.page import render, write_page
from invariscope.report.kit.words import duration, listed, number, significant, value_text
from invariscope.studies.claims import ClaimResult, Looks, Part, get_claim
from invariscope.studies.claims.needed import thresholds
from invariscope.studies.claims.record import SMOKE, counts
from invariscope.studies.claims.verdict import NOT_RUN
from invariscope.studies.lab.folder import REPORT, StudyRun
from invariscope.studies.lab.preset_power import power_of_seeds

_MOST_ROWS = 400


def render_study(run: StudyRun, path: str | os.PathLike[str] | None = None) -> Path:
    """Writes the page, by default as `report.html` in the study's folder.

    Raises:
        InputError: The file cannot be written.
    """
    return write_page(run.folder if path is None else path, page(run), REPORT)


def page(run: StudyRun) -> str:
    """The report of a study as the text of an HTML page."""
    about, findings = run.about, run.findings
    return render(
        "study/page.html",
        study=about["study"],
        paper=about["paper"],
        preset=about["preset"],
        question=about["question"],
        expected=about["expected"],
        smoke=about["preset"] == SMOKE,
        facts=_facts(run),
        looks=_looks(run.looks) if run.looks else None,
        lead=lead(findings.claims),
        claims=[_claim(claim) for claim in findings.claims],
        figures=findings.figures,
        notes=findings.notes,
        tables=[_table(name, table) for name, table in findings.tables.items()],
        settings=[(name, _setting(value)) for name, value in about["settings"].items()],
        cost=_cost(about),
        jobs=_jobs(about["jobs"]),
        command=about["command"],
        about=json.dumps(_brief(about), indent=2, ensure_ascii=False),
        version=about["version"],
    )


def lead(claims: Any) -> str:
    """The verdicts in one sentence.

    Example:
        >>> lead([])
        'This study decides no claim.'
    """
    if not claims:
        return "This study decides no claim."
    verdicts = [f"{n} {verdict}" for verdict, n in counts(claims).items() if n]
    many = "claim" if len(claims) == 1 else "claims"
    return f"Of {len(claims)} {many}: {listed(verdicts)}."


def _looks(looks: Looks) -> dict[str, Any]:
    """The looks of a study to which seeds were added, as a sentence and rows of a table."""
    rows = [
        [str(number), listed(look.decided) if look.decided else "–", str(look.seeds),
         f"{look.level:.2%}", f"{look.spent:.2%}", str(len(look.open))]
        for number, look in enumerate(looks.taken, 1)
    ]  # fmt: skip
    return {"words": looks.in_words(), "rows": rows}


def _facts(run: StudyRun) -> list[tuple[str, str]]:
    about = run.about
    settings, execution = about["settings"], about["execution"]
    seeds = settings.get("seeds")
    facts = [
        ("Study", about["study"]),
        ("Preset", about["preset"] + (" (changed)" if about["changed"] else "")),
        ("Data", _data(settings)),
        ("Seeds", str(len(seeds)) if isinstance(seeds, list) else str(seeds or "")),
        ("Power", _power(run)),
        ("Jobs", f"{len(about['jobs']):,}"),
        ("Computing", duration(execution["job_seconds"])),
        ("Machine", execution["machine"]),
        ("Date", about["finished"][:10]),
    ]
    return [(term, str(value)) for term, value in facts if value not in ("", None)]


def _power(run: StudyRun) -> str:
    """What the seeds of the run can tell; smoke decides nothing."""
    if run.about["preset"] == SMOKE:
        return ""
    return power_of_seeds(run.about.get("seeds", {}), run.looks.plan if run.looks else None)


def _data(settings: dict[str, Any]) -> str:
    named = (str(settings.get(name) or "") for name in ("data", "train", "test", "of"))
    return next((name for name in named if name), "")


def _claim(result: ClaimResult) -> dict[str, Any]:
    claim = get_claim(result.id)
    return {
        "id": claim.id,
        "anchor": claim.id.replace(".", "-"),
        "statement": claim.statement,
        "section": claim.section,
        "rule": claim.rule,
        "verdict": result.verdict,
        "mark": result.verdict.replace(" ", "-"),
        "parts": [_part(part) for part in result.parts],
        "ran_on": result.ran_on,
        "interval": f"{100 * (1 - result.level):.3g}\u00a0%",
        "look": f"look {result.look}, {result.seeds} seeds" if result.look else "",
        "needed": result.needed,
        "note": f"Not run: {result.note}" if result.verdict == NOT_RUN else result.note,
    }


def _part(part: Part) -> dict[str, Any]:
    rest = [part.rule.replace("-", "−"), f"n = {part.n} {part.unit}"]
    if math.isfinite(part.p):
        rest.append("p < 0.001" if part.p < 0.001 else f"p = {significant(part.p)}")
    return {
        "name": part.name or "the statistic",
        "verdict": part.verdict,
        "value": value_text(part.value, part.low, part.high),
        "rest": "; ".join([", ".join(rest), *([part.note] if part.note else [])]),
        "track": track(part),
    }


def track(part: Part) -> Track | None:
    """Value, interval and threshold on a scale that holds them all; None if undefined."""
    if not math.isfinite(part.value):
        return None
    own = thresholds(part.rule)
    ends = [part.low, part.high] if math.isfinite(part.low) and math.isfinite(part.high) else []
    shown = [*own, *ends, part.value]
    low, high = min(shown), max(shown)
    room = 0.08 * (high - low) or max(abs(high), 1.0) * 0.08
    low, high = low - room, high + room
    lines, inside = ([], own) if len(own) == 2 else (own, [])
    return track_of(lambda x: (x - low) / (high - low), part.value, ends, lines, inside)


def _table(name: str, table: pd.DataFrame) -> dict[str, Any]:
    words = f"{len(table):,} rows" if len(table) != 1 else "1 row"
    if len(table) > _MOST_ROWS:
        words = f"the first {_MOST_ROWS} of {len(table):,} rows"
    shown = table.head(_MOST_ROWS).itertuples(index=False)
    headings = [
        (str(name).replace("_", " "), "number" if pd.api.types.is_numeric_dtype(column) else "")
        for name, column in table.items()
    ]
    rows = [[_cell(value) for value in row] for row in shown]
    return {"name": name, "words": words, "columns": headings, "rows": rows}


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return number(value, 4) if abs(value) >= 0.001 else f"{value:.2g}".replace("-", "−")
    return f"{value:.0f}".replace("-", "−") if isinstance(value, float) else str(value)


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return "–" if value is None or value == "" else str(value)


def _cost(about: dict[str, Any]) -> str:
    execution = about["execution"]
    processes = "one process" if execution["workers"] == 1 else f"{execution['workers']} processes"
    return (
        f"This command: {duration(execution['seconds'])} on {execution['machine']}, in "
        f"{processes}. All its jobs, when they were done: {duration(execution['job_seconds'])}."
    )


def _jobs(jobs: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for kind in dict.fromkeys(job["kind"] for job in jobs):
        own = [job for job in jobs if job["kind"] == kind]
        seconds = [job["seconds"] for job in own]
        reused = sum(job["reused"] for job in own)
        rows.append(
            [kind, f"{len(own):,}", f"{reused:,}", duration(sum(seconds)), duration(max(seconds))]
        )
    return rows


def _brief(about: dict[str, Any]) -> dict[str, Any]:
    """`study.json` without its jobs but the first few."""
    jobs = about["jobs"]
    more = [f"… {len(jobs) - 3} more in study.json"] if len(jobs) > 3 else []
    return {**about, "jobs": [*jobs[:3], *more]}
