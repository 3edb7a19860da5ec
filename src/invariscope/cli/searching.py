"""Carries out a run of `invariscope factors`: the progress bar, the plan, the summary."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope.cli.evidence import (
    CODE,
    evidence,
    open_sources,
    show_evidence,
    write_evidence,
)
from invariscope.cli.folders import default_folder
from invariscope.cli.progress import RunBar
from invariscope.cli.running import interruptible
from invariscope.cli.screen import Screen
from invariscope.cli.showing import input_words, show_decisions, show_notes
from invariscope.memory import keep_freed_memory
from invariscope.report.kit.words import counted, duration
from invariscope.report.search.facts import Facts
from invariscope.report.search.varying import Varying, counts_text, left_out_text, power_text
from invariscope.report.search.verdict import controls, lead
from invariscope.report.search.words import change_text, magnitude_range, q_text, share_ends
from invariscope.runs import carry_out, estimate
from invariscope.search import Factors, Search, SearchRequest, prepare_search
from invariscope.search.job import EMBEDDING
from invariscope.search.ranks import BY
from invariscope.search.result import FACTORS, TABLE
from invariscope.search.table import OVERALL
from invariscope.terminal import Table, paragraphs, table
from invariscope.transformations import IDENTITY

_ROWS = 12  # classes shown; the files have them all
_ALL = "all, on average"
_RANKING = (
    "change: mean of s_T - s_0, in cosine similarity; closer: share of pairs that come closer; "
    "held out: the change of the operation that one half of the pairs chooses, in the other half."
)


def search_one(
    model: str,
    data: str,
    *,
    folder: Path | None,
    dry_run: bool,
    carry: dict[str, Any],
    sources: dict[str, Any],
    **settings: Any,
) -> None:
    """Searches and writes the folder, or shows the plan."""
    screen = Screen()
    keep_freed_memory()
    opened = open_sources(**sources)  # first: nobody waits for a search to learn of a wrong path
    with screen.status(f"loading {model} and {data}"):
        search = prepare_search(SearchRequest(model=model, images=data, **settings))
    if folder is None:
        plain = default_folder(search.manifest, search.source.name)
        folder = plain.with_name(f"factors_{plain.name}")
    if dry_run:
        _show_plan(screen, search, carry["batch_size"], folder)
        return
    title = f"{search.probe.spec} on {search.source.name}"
    with interruptible(), RunBar(screen, title, "operation") as bar:
        factors = carry_out(search, output=folder, progress=bar, **carry)
    show_factors(screen, factors)
    gathered = evidence(factors, opened)
    show_evidence(screen, gathered)
    write_evidence(gathered, folder)
    report = factors.to_html(
        folder,
        alignment=gathered.alignment,
        hierarchy=gathered.hierarchy,
        foregrounds=gathered.foregrounds,
        recommendation=gathered.recommendation,
    )
    screen.unbroken(f"what varies: {folder / FACTORS}")
    screen.unbroken(f"the paper's ranking: {folder / TABLE}")
    screen.unbroken(f"what to augment with: {folder / CODE}")
    screen.unbroken(f"report: {report}")


def _show_plan(screen: Screen, search: Search, batch_size: int | None, folder: Path) -> None:
    settings = search.manifest["settings"]
    with screen.status("timing one batch"):
        cost = estimate(search, search.probe, [EMBEDDING], batch_size)
    counts = [entry["pairs"] for entry in settings["classes"]]
    classes = ", ".join(entry["name"] for entry in settings["classes"][:_ROWS])
    more = ", …" if len(counts) > _ROWS else ""
    of_class = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    identities = sum(operation.kind == IDENTITY for operation in search.operations)
    lines = {
        "model": f"{settings['model']}, input {input_words(settings['preprocessing'])}",
        "data": f"{settings['data']}: {search.manifest['images']['selected']} images",
        "classes": f"{len(counts)}: {classes}{more}",
        "pairs": f"{sum(counts)}, {of_class} of each class",
        "operations": f"{len(search.operations)}: {len(search.unique)} are computed, {identities} "
        "change nothing, the others equal one of these",
        "passes": f"{cost.passes} forward passes",
        "time": f"about {duration(cost.seconds)} on {search.probe.device}, forward passes only",
        "output": str(folder),
    }
    screen.print(paragraphs(lines.items(), 12))
    show_decisions(screen, search.manifest)


def show_factors(screen: Screen, factors: Factors) -> None:
    """Shows what varies, then the paper's ranking, in 80 columns."""
    facts = Facts(factors)
    screen.print()
    if facts.varying.tested:
        screen.print(_varying_table(facts.varying))
        _say_more(screen, len(factors.classes))
    screen.say(counts_text(facts.varying, facts.varying.counts()))
    for text in (power_text(facts.varying), left_out_text(facts.varying)):
        if text:
            screen.say(text, style="dim")
    screen.print()
    screen.print(_ranking_table(factors))
    _say_more(screen, len(factors.classes))
    screen.say(_RANKING, style="dim")
    for line in (lead(facts), controls(facts)):
        screen.say(line)
    show_notes(screen, factors.manifest["warnings"], factors.manifest["images"]["skipped"])


def _say_more(screen: Screen, classes: int) -> None:
    if classes > _ROWS:
        screen.say(f"… and {counted(classes - _ROWS, 'more class', 'more classes')}", style="dim")


def _varying_table(varying: Varying) -> Table:
    """Tabulates what is found in each class, the largest share first."""
    lines = []
    for name in varying.ordered()[:_ROWS]:
        found = varying.found(name)
        for number, one in enumerate(found):
            lines.append((
                "" if number else name, ", ".join(one.families), _share(one.share),
                share_ends(*one.ends), q_text(one.q),
                "; ".join(magnitude_range(row) for row in one.rows),
            ))  # fmt: skip
        if not found:
            lines.append((name, "nothing found", "", "", "", ""))
    columns = ("class", "family", ">closes", ">95 %", ">q", "range")
    return table(columns, lines, title="What varies: share of the distance within a class")


def _ranking_table(factors: Factors) -> Table:
    """Tabulates the best operation on average, and that of the classes that it changes most."""
    frame, tops = factors.frame, factors.ranks.tops
    tops = tops[(tops["by"] == BY[0]) & (tops["among"] == "all")]
    own = tops[tops["class"] != OVERALL].sort_values("value", ascending=False, kind="stable")
    tops = pd.concat([tops[tops["class"] == OVERALL], own.head(_ROWS)])
    held_out = factors.ranks.held_out.groupby("class")["held_out"].mean()
    rows = frame.set_index(["class", "operation"])
    lines = []
    for name, operation in zip(tops["class"], tops["operation"], strict=True):
        row = rows.loc[(name, operation)]
        lines.append((
            _ALL if name == OVERALL else name, _named(row["kind"], operation),
            change_text(row[BY[0]]), _share(row["proportion_boosted"]),
            "" if name == OVERALL else change_text(held_out.get(name, np.nan)),
        ))  # fmt: skip
    columns = ("class", "operation", ">change", ">closer", ">held out")
    return table(columns, lines, title="Paper 000's ranking: top operation by mean change (eq. 2)")


def _named(kind: str, operation: str) -> str:
    return "none helps" if kind == IDENTITY else operation


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.0f} %"
