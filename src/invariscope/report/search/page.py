"""The page of a search: one HTML file that needs nothing else, neither model nor data."""

import json
import os
from pathlib import Path
from typing import Any

from markupsafe import Markup

from invariscope.advice.alignment import Alignment
from invariscope.advice.recommendation import Recommendation, recommend
from invariscope.foregrounds.result import Foregrounds
from invariscope.report.kit.drawings import both
from invariscope.report.kit.page import render, write_page
from invariscope.report.kit.pictures import Thumbnail, jpeg
from invariscope.report.kit.provenance import command, decisions, warnings
from invariscope.report.kit.words import counted, listed, number, percent
from invariscope.report.search import figures as page_figures
from invariscope.report.search.conventions import brief_manifest, conventions
from invariscope.report.search.evidence import (
    alignment_section,
    foregrounds_section,
    hierarchy_section,
)
from invariscope.report.search.facts import Facts, Strip
from invariscope.report.search.tables import (
    advice_rows,
    class_rows,
    factor_heat,
    found_rows,
    gradient,
    kind_rows,
    operation_rows,
    shade_styles,
)
from invariscope.report.search.varying import (
    counts_text,
    left_out_text,
    power_text,
    tried_text,
)
from invariscope.report.search.verdict import findings, lead
from invariscope.report.search.words import change_text, q_text, share_ends, share_text
from invariscope.search.evidence import MARGIN
from invariscope.search.example_files import Example
from invariscope.search.hierarchy import Hierarchy
from invariscope.search.ranks import Estimate
from invariscope.search.result import Factors

_POLICIES_SHOWN = 8
_WITHOUT_NOTE = 6  # cells of a find
_PHONE = (340.0, 150.0)
_ROLES = {
    "helped": "the pair it brings closest",
    "middle": "the median pair",
    "hurt": "the pair it hurts most",
}


def render_factors(factors: Factors, path: str | os.PathLike[str], **evidence: Any) -> Path:
    """Writes the page; arguments as for `Factors.to_html`.

    Raises:
        InputError: The file cannot be written.
    """
    return write_page(path, page(factors, **evidence))


def page(
    factors: Factors,
    *,
    alignment: Alignment | None = None,
    hierarchy: Hierarchy | None = None,
    foregrounds: Foregrounds | None = None,
    recommendation: Recommendation | None = None,
) -> str:
    """The report of a search as the text of an HTML page; arguments as for `Factors.to_html`."""
    facts = Facts(factors)
    advice = recommend(factors) if recommendation is None else recommendation
    manifest, found = factors.manifest, found_rows(facts)
    return render(
        "search/page.html",
        kind="search",
        data=facts.settings["data"],
        facts=_facts(facts),
        unfinished=manifest["execution"].get("status") != "finished",
        varies=counts_text(facts.varying, _counts(facts)),
        tested=tried_text(facts.varying, len(facts.single)),
        left_out=left_out_text(facts.varying),
        margin=percent(MARGIN),
        found=found,
        noted=any(len(row) > _WITHOUT_NOTE for row in found),
        power=power_text(facts.varying),
        lead=lead(facts),
        findings=findings(facts),
        kinds=sorted({strip.kind for strip in facts.strips}),
        spreads=_spreads(facts),
        own=_own_against_all(facts),
        kind_rows=kind_rows(facts),
        heat=factor_heat(facts),
        gradient=gradient(),
        shades=Markup(shade_styles()),
        classes=class_rows(facts),
        operations=operation_rows(facts),
        groups=_examples(facts),
        alignment=None if alignment is None else alignment_section(alignment, facts),
        hierarchy=None if hierarchy is None else hierarchy_section(hierarchy),
        foregrounds=None if foregrounds is None else foregrounds_section(foregrounds),
        advice=advice_rows(advice, facts),
        has_invariance=bool(advice.table["invariance"].notna().any()),
        has_gap=bool(advice.table["gap"].notna().any()),
        code=advice.code,
        conventions=conventions(facts),
        decisions=decisions(manifest),
        warnings=warnings(manifest),
        command=command(manifest, "find_factors"),
        manifest=json.dumps(brief_manifest(manifest), indent=2, ensure_ascii=False),
        version=manifest.get("version", ""),
    )


def _facts(facts: Facts) -> list[tuple[str, str]]:
    settings, manifest = facts.settings, facts.manifest
    pairs = sum(int(entry["pairs"]) for entry in settings["classes"])
    return [
        (term, text)
        for term, text in (
            ("Model", str(settings["model"])),
            ("Classes", f"{len(facts.classes):,}"),
            ("Pairs", f"{pairs:,}"),
            ("Images", f"{int(manifest['images']['selected']):,}"),
            ("Operations", f"{len(facts.overall):,}"),
            ("Date", str(manifest["execution"].get("started", ""))[:10]),
            ("Weights (sha256)", str(settings.get("weights") or "")[:12]),
        )
        if text
    ]


def _counts(facts: Facts) -> list[tuple[str, int]]:
    """In how many classes each family is found, in words."""
    return [(facts.family_words(family), count) for family, count in facts.varying.counts()]


def _spreads(facts: Facts) -> list[dict[str, Any]]:
    """Figure 3A: families at their best, sub-policies, and every operation."""
    families = facts.best_of_families
    policies = [strip for strip in facts.strips if strip.row["policy"]]
    spreads = []
    if families:
        title = "Single operations, each family at the strength that is best on average"
        spreads.append({"title": title, "open": True, "figure": _strips(families, "families")})
    if policies:
        shown = policies[:_POLICIES_SHOWN]
        title = f"Two operations in a row, the best {len(shown)} of {len(policies)}"
        if len(policies) <= _POLICIES_SHOWN:
            title = "Two operations in a row"
        spreads.append({"title": title, "open": True, "figure": _strips(shown, "policies")})
    singles = [strip for strip in facts.strips if not strip.row["policy"]]
    if len(singles) > len(families):
        title = f"All {len(singles)} single operations, every strength"
        spreads.append({"title": title, "open": False, "figure": _strips(singles, "singles")})
    return spreads


def _strips(rows: list[Strip], name: str) -> Markup:
    values = "; ".join(f"{strip.label}: {change_text(strip.row['change'])}" for strip in rows)
    label = f"Change in similarity over classes, mean of each operation. {values}."
    drawn = [page_figures.strips(rows, *size) for size in ((), _PHONE)]
    return both(drawn, f"spread-{name}-", label)


def _own_against_all(facts: Facts) -> Markup | None:
    """Figure 3B; None for a single class."""
    best = facts.top_overall
    if best is None or len(facts.classes) < 2:
        return None
    cells = facts.cells
    chosen = cells.loc[cells["operation"] == best["operation"], "change"]
    ranks = facts.ranks
    mean, low, high = (float(best[f"change{end}"]) for end in ("", "_low", "_high"))
    rows = [
        ("one for all", chosen.to_numpy(dtype=float), mean, low, high),
        ("own best, chosen here", facts.tops["value"].to_numpy(dtype=float),
         *_ends(ranks.per_class)),
        ("own best, held out", facts.tops["held_out"].to_numpy(dtype=float),
         *_ends(ranks.per_class_held_out)),
    ]  # fmt: skip
    label = "; ".join(f"{row[0]}: mean {change_text(row[2])}" for row in rows)
    drawn = [page_figures.own_against_all(rows, *size) for size in ((), _PHONE)]
    return both(drawn, "own-", f"{label}.")


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _examples(facts: Facts) -> list[dict[str, Any]]:
    """The example pairs, class by class."""
    groups: dict[tuple[str, str], list[Example]] = {}
    for example in facts.factors.examples:
        groups.setdefault((example.class_name, example.operation), []).append(example)
    shown = []
    for (class_name, operation), examples in groups.items():
        shown.append(
            {
                "class": class_name,
                "words": facts.words(operation),
                "operation": operation,
                "reading": _reading(facts, class_name, operation),
                "pictures": [_pictures(facts, example) for example in examples],
            }
        )
    return shown


def _reading(facts: Facts, class_name: str, operation: str) -> str:
    """Says why an operation is shown in a class."""
    family = facts.family(operation)
    for one in facts.varying.found(class_name):
        if family in one.families:
            words = listed([facts.family_words(name) for name in one.families])
            return (
                f"Found: {words} closes {share_text(one.share)} {share_ends(*one.ends)} of the"
                f" distance within the class, q: {q_text(one.q)}."
            )
    top = facts.top_of[class_name]
    return (
        "Nothing is found to vary in this class. On top of the paper’s ranking, mean of"
        f" {counted(int(top['n']), 'pair')}: {change_text(float(top['value']))}; held out, with"
        f" whatever is best in the other half: {change_text(float(top['held_out']))}."
    )


def _pictures(facts: Facts, example: Example) -> dict[str, Any]:
    after = example.before + example.change
    captions = (
        "anchor",
        Markup("other<br>s₀ = {}").format(number(example.before, 3)),
        Markup("transformed<br>s<sub>T</sub> = {}").format(number(after, 3)),
    )
    alternatives = (
        f"anchor: {example.first}",
        f"other: {example.second}",
        f"{example.second} after {facts.words(example.operation)}",
    )
    return {
        "title": _ROLES.get(example.role, example.role),
        "change": change_text(example.change),
        "better": example.change > 0,
        "frames": [
            Thumbnail(caption, alternative, jpeg(pixels))
            for caption, alternative, pixels in zip(
                captions, alternatives, example.pictures, strict=True
            )
        ],
    }
