"""The whole ledger, claim by claim, with what is known of each."""

import math
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from invariscope.studies.claims.ledger import CLAIMS, PAPERS, Claim
from invariscope.studies.claims.record import Record, counts, newest
from invariscope.studies.claims.verdict import NOT_RUN, ClaimResult, not_run
from invariscope.terminal import paragraphs, rendered


@dataclass(frozen=True)
class ClaimStatus:
    """A claim and the newest verdict on it.

    Attributes:
        claim: The claim.
        result: The verdict; "not run" with the reason where there is none.
        record: The run that it comes from; None without one.
    """

    claim: Claim
    result: ClaimResult
    record: Record | None


def overview(folders: Iterable[Path], studies: Collection[str]) -> list[ClaimStatus]:
    """Lists all claims of the ledger with their newest verdicts.

    Args:
        folders: Where runs of studies lie.
        studies: The names of the studies that there are; a claim without a run
            says whether its own is among them.
    """
    verdicts = newest(folders)
    entries = []
    for claim in CLAIMS.values():
        if claim.id in verdicts:
            entries.append(ClaimStatus(claim, *verdicts[claim.id]))
            continue
        reason = f"its study has no run yet: invariscope study run {claim.study}"
        if claim.study not in studies:
            reason = f"its study, {claim.study}, is not there yet"
        entries.append(ClaimStatus(claim, not_run(claim.id, reason), None))
    return entries


def as_text(entries: list[ClaimStatus]) -> str:
    """The overview in 80 columns: how many there are, those that were run, the others in short."""
    number = counts([entry.result for entry in entries])
    total = ", ".join(f"{n} {verdict}" for verdict, n in number.items())
    parts = [rendered(f"{len(entries)} claims: {total}")]
    for paper, subject in PAPERS.items():
        own = [entry for entry in entries if entry.claim.paper == paper]
        run = [entry for entry in own if entry.result.verdict != NOT_RUN]
        parts += [rendered(f"Paper {paper}, {subject}"), *(_text(entry) for entry in run)]
        waiting: dict[str, list[str]] = {}
        for entry in own:
            if entry.result.verdict == NOT_RUN:
                waiting.setdefault(entry.result.note, []).append(entry.claim.id)
        if waiting:
            lines = [("not run", f"{', '.join(ids)}: {why}") for why, ids in waiting.items()]
            parts.append(rendered(paragraphs(lines, 10)))
    return "\n\n".join(parts)


def as_rows(entries: list[ClaimStatus]) -> list[dict[str, Any]]:
    """The overview as JSON holds it: an undefined number is null."""
    rows = []
    for entry in entries:
        result = asdict(entry.result)
        row = {**asdict(entry.claim), "paper": entry.claim.paper, **result}
        row["rule"], row["threshold"] = entry.claim.rule, entry.result.rule
        if entry.record is not None:
            row |= {
                "run_study": entry.record.study,
                "preset": entry.record.preset,
                "finished": entry.record.finished,
                "folder": str(entry.record.folder),
            }
        rows.append(_defined(row))
    return rows


def _text(entry: ClaimStatus) -> str:
    from invariscope.report.kit.words import value_text

    result, record = entry.result, entry.record
    head = result.verdict
    if head != NOT_RUN:
        value = value_text(result.statistic, result.ci_low, result.ci_high)
        rule = result.rule.replace("-", "−")
        head = f"{head:14}{value}, rule {rule}, n = {result.n} {result.unit}"
    lines = [(entry.claim.id, head), ("", entry.claim.statement)]
    if record is not None:
        about = f"{record.study} {record.preset}, {record.finished[:10]}"
        if result.look:
            about += f", look {result.look} with {result.seeds} seeds"
        lines.append(("", f"({about}: {result.ran_on})" if result.ran_on else f"({about})"))
    if result.verdict == NOT_RUN:
        lines.append(("", result.note))
    if result.needed:
        lines.append(("", f"needed: {result.needed}"))
    return rendered(paragraphs(lines, 10))


def _defined(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _defined(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_defined(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
