"""What the studies found, as a page of docs/results: verdicts, statistics, times and commands.

    invariscope study run NAME --until decided                            # each study, same folder
    python benchmarks/results.py runs/studies > docs/results/laptop.md

The page says what the runs have written; nothing is typed in.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from invariscope.report.kit.words import duration, value_text
from invariscope.studies.claims import NOT_RUN, ClaimResult, Part, get_claim
from invariscope.studies.claims.record import counts
from invariscope.studies.claims.verdict import LARGEST_P
from invariscope.studies.lab.folder import StudyRun, read_study
from invariscope.studies.lab.preset_power import power_of_seeds


def main() -> None:
    """Reads the runs and prints the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="laptop")
    arguments = parser.parse_args()
    runs = [read_study(path.parent) for path in sorted(arguments.folder.glob("*/study.json"))]
    runs = [run for run in runs if run.about["preset"] == arguments.preset]
    claims = [claim for run in runs for claim in run.findings.claims]
    found = ", ".join(f"{n} {verdict}" for verdict, n in counts(claims).items() if n)
    print(f"# What the studies found, preset {arguments.preset}\n")
    print(
        f"{len(runs)} studies, {len(claims)} claims: {found}. Intervals are 95 % ones "
        "unless they say otherwise; effects that seeds tell (in 80 % of cases) are in spreads over "
        "seeds.\n"
    )
    for run in runs:
        print("\n".join(_run(run)))


def _run(run: StudyRun) -> Iterator[str]:
    about, execution = run.about, run.about["execution"]
    yield f"## {about['study']} ({about['paper']})\n"
    yield f"{about['question']}\n"
    yield f"    {about['command']}\n"
    yield (
        f"{duration(execution['seconds'])} for this command, {duration(execution['job_seconds'])} "
        f"for all its jobs; {execution['machine']}; torch {about['packages']['torch']}.\n"
    )
    yield f"Seeds: {_seeds(run)}.\n"
    for claim in run.findings.claims:
        yield from _claim(claim)
    for note in run.findings.notes:
        yield f"{note}\n"


def _seeds(run: StudyRun) -> str:
    """How many seeds there were, at which looks, and what they can tell."""
    looks, seeds = run.looks, run.about["seeds"]
    power = power_of_seeds(seeds, looks.plan if looks else None)
    if looks is None:
        return power
    levels = ", ".join(f"{look.seeds} (level {look.level:.2%})" for look in looks.taken)
    return f"looks at {levels}; {looks.stopped or 'not ended'}; {power}"


def _claim(claim: ClaimResult) -> Iterator[str]:
    at = f" at look {claim.look}, with {claim.seeds} seeds" if claim.look else ""
    yield f"**{claim.id}, {claim.verdict}{at}**: {get_claim(claim.id).statement}.\n"
    if claim.verdict == NOT_RUN:
        yield f"Not run: {claim.note}.\n"
        return
    yield "| part | value | rule | n | verdict |\n|---|---|---|---|---|"
    yield from map(_part, claim.parts)
    if claim.level != LARGEST_P:
        yield f"\nIntervals are {100 * (1 - claim.level):.3g} % ones."
    if claim.needed:
        yield f"\nNeeded to decide it: {claim.needed}."
    yield f"\nOn {claim.ran_on}. {claim.note}".rstrip() + "\n"


def _part(part: Part) -> str:
    value = value_text(part.value, part.low, part.high)
    cells = [part.name or "the statistic", value, part.rule, f"{part.n} {part.unit}", part.verdict]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
