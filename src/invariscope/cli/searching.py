"""Carries out a run of `invariscope factors`: the progress bar, the plan, the summary."""

from pathlib import Path
from typing import Any

import numpy as np

from invariscope.cli.evidence import (
    CODE,
    evidence,
    open_sources,
    show_evidence,
    write_evidence,
)
from invariscope.cli.folders import default_folder
from invariscope.cli.memory import keep_freed_memory
from invariscope.cli.progress import RunBar
from invariscope.cli.running import interruptible
from invariscope.cli.screen import Screen
from invariscope.cli.showing import show_decisions, show_notes
from invariscope.report.kit.words import duration
from invariscope.report.search.facts import Facts
from invariscope.report.search.verdict import findings, lead
from invariscope.runs import carry_out, estimate
from invariscope.search import Factors, Search, SearchRequest, prepare_search
from invariscope.search.job import EMBEDDING
from invariscope.search.ranks import AMONG
from invariscope.search.result import TABLE
from invariscope.search.table import OVERALL
from invariscope.terminal import Table, paragraphs, table
from invariscope.transformations import IDENTITY

_ROWS = 12  # classes shown; the table has them all


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
    with interruptible(), RunBar(screen, title, "operations") as bar:
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
    screen.line(f"table: {folder / TABLE}")
    screen.line(f"what to augment with: {folder / CODE}")
    screen.line(f"report: {report}")


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
        "model": f"{settings['model']}, input {settings['preprocessing']['size']}",
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
    """Shows the tops, overall and of each class, and the paper's questions, in 80 columns."""
    frame = factors.frame
    pairs = int(frame.loc[frame["class"] == OVERALL, "n"].max())
    screen.print()
    screen.print(_overall_table(factors, f"{len(factors.classes)} classes, {pairs} pairs"))
    screen.print()
    screen.print(_class_table(factors))
    left = len(factors.classes) - _ROWS
    if left > 0:
        screen.say(f"… and {left} more classes, in the table", style="dim")
    screen.say(
        "change is relative, (s_T - s_0) / s_0; boosted: share of pairs that come closer; held "
        "out: the change of the operation that one half of the pairs chooses, in the other half.",
        style="dim",
    )
    screen.print()
    facts = Facts(factors)
    for line in (lead(facts), *findings(facts)):
        screen.say(line)
    show_notes(screen, factors.manifest["warnings"], factors.manifest["images"]["skipped"])


def _overall_table(factors: Factors, title: str) -> Table:
    """Tabulates the operation that is best on average, among all and among each group."""
    frame, tops = factors.frame, factors.ranks.tops
    rows = frame[frame["class"] == OVERALL].set_index("operation")
    lines = []
    for among in AMONG:
        best = tops.query("by == 'relative_change' and among == @among and `class` == @OVERALL")
        for name in best["operation"]:
            row = rows.loc[name]
            lines.append((
                among, _named(row["kind"], name), _percent(row["relative_change"]),
                _interval(row["relative_change_low"], row["relative_change_high"]),
                _share(row["proportion_boosted"]),
            ))  # fmt: skip
    columns = ("among", "operation", ">change", ">95 % interval", ">boosted")
    return table(columns, lines, title=f"Best on average over {title}")


def _class_table(factors: Factors) -> Table:
    """Tabulates the top operation of the classes that it changes most."""
    frame, ranks = factors.frame, factors.ranks
    tops = ranks.tops.query("by == 'relative_change' and among == 'all' and `class` != @OVERALL")
    tops = tops.sort_values("value", ascending=False, kind="stable").head(_ROWS)
    held_out = ranks.held_out.groupby("class")["held_out"].mean()
    rows = frame.set_index(["class", "operation"])
    lines = []
    for name, operation in zip(tops["class"], tops["operation"], strict=True):
        row = rows.loc[(name, operation)]
        lines.append((
            name, _named(row["kind"], operation), _percent(row["relative_change"]),
            _share(row["proportion_boosted"]), _percent(held_out.get(name, np.nan)),
        ))  # fmt: skip
    columns = ("class", "operation", ">change", ">boosted", ">held out")
    return table(columns, lines, title="Top operation of each class")


def _named(kind: str, operation: str) -> str:
    return "none helps" if kind == IDENTITY else operation


def _percent(value: float) -> str:
    if np.isnan(value):
        return "–"
    digits = 1 if value == 0 or abs(value) >= 0.001 else 3
    return f"{100 * value:+.{digits}f} %"


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.0f} %"


def _interval(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"[{100 * low:+.1f}, {100 * high:+.1f}]"
