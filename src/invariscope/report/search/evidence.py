"""Makes the sections beside the search on its page: alignment, hierarchy, foregrounds."""

import math
from typing import Any

from invariscope.advice.alignment import TOP, Alignment
from invariscope.foregrounds.result import Foregrounds
from invariscope.report.foregrounds import figures as foreground_figures
from invariscope.report.foregrounds.text import findings, notes
from invariscope.report.kit.drawings import drawing
from invariscope.report.kit.words import (
    counted,
    number,
    p_text,
    percent,
    share_interval,
    signed,
    with_interval,
)
from invariscope.report.search import figures as page_figures
from invariscope.report.search.facts import Facts
from invariscope.search.hierarchy import DISSIMILAR, SIMILAR, Hierarchy

_NAMED = 12
_MEASURES = {"wup": "Wu–Palmer", "path": "path", "lch": "Leacock–Chodorow"}
_OUTCOMES = {
    "rank_correlation": "correlation of ranks",
    "iou_25": "top 25 in common (IoU)",
    "iou_5": "top 5 in common (IoU)",
}


def alignment_section(alignment: Alignment, facts: Facts) -> dict[str, Any]:
    """Shows whether training makes the model invariant to what varies: words, bars, scatter."""
    sides = {bool(row["grows"]): row for row in alignment.sides.to_dict("records")}
    grows, rest = sides[True], sides[False]
    bars = [
        (f"{words}\n{counted(int(row['families']), 'family', 'families')}: {text}", *_numbers(row))
        for words, row in (("gap above 0", grows), ("gap 0 or below", rest))
        for text in [percent(float(row["share"]))]
    ]
    families = "; ".join(
        f"{facts.family_words(str(row['family']))}: gap {number(row['gap'])}, share"
        f" {100 * row['share']:.0f} %"
        for row in alignment.families.to_dict("records")
    )
    names = [facts.family_words(str(name)) for name in alignment.families["family"]]
    drawings = [
        drawing(
            page_figures.two_bars(bars), "alignment-bars",
            f"Bars: {share_interval(*_numbers(grows))} where the gap is above 0,"
            f" {share_interval(*_numbers(rest))} elsewhere.",
            f"Share of a family’s operations among a class’s {TOP} best, mean over families;"
            " lines are 95 % intervals over classes.",
        ),
        drawing(
            page_figures.gap_against_share(alignment.families, names), "alignment-points",
            f"Points: {families}.",
            "Each family: circles where training made the model more invariant, squares where not.",
        ),
    ]  # fmt: skip
    left_out = [facts.family_words(name) for name in alignment.left_out]
    lead = alignment_words(alignment)
    return {"lead": lead, "drawings": drawings, "left_out": ", ".join(left_out)}


def alignment_words(alignment: Alignment) -> str:
    """Compares what training made the model invariant to with what varies, in a sentence."""
    if not math.isfinite(alignment.difference):
        return (
            "Training moved the invariance to all measured families the same way, so there are no"
            " two sides to compare."
        )
    points = (
        f"{signed(100 * alignment.difference, 1)} percentage points"
        f" [{signed(100 * alignment.low, 1)}, {signed(100 * alignment.high, 1)}]"
    )
    families = counted(len(alignment.families), "family", "families")
    if alignment.difference > 0 and alignment.p < 0.05:
        start = "The invariances that training adds are those to what varies in the data"
    elif alignment.difference > 0:
        start = (
            "The invariances that training adds are somewhat more often to what varies in the data,"
            " but chance among so few families does as much"
        )
    else:
        start = "The invariances that training adds are not those to what varies in the data"
    rho = f"{number(alignment.rho)}, p = {p_text(alignment.rho_p)}"
    rho = f" Rank correlation of gap and share: {rho}." if math.isfinite(alignment.rho) else ""
    return (
        f"{start}: the families whose invariance grew differ from the others by {points} in their"
        f" share among a class’s {TOP} best operations;"
        f" p = {p_text(alignment.p)} over {families}, one-sided.{rho}"
    )


def hierarchy_words(hierarchy: Hierarchy) -> str:
    """Says in a sentence whether classes that are alike in WordNet vary alike."""
    first = hierarchy.correlations.iloc[0]
    rho, low, high = (float(first[name]) for name in ("spearman", "ci_low", "ci_high"))
    p = float(first["p"])
    if not math.isfinite(rho):
        verdict = "All pairs of classes are equally alike, so nothing can be correlated"
    elif p < 0.05:
        more = "more" if rho > 0 else "less"
        verdict = f"Classes that are alike in WordNet have {more} similar ranks of operations"
    else:
        verdict = "Classes that are alike in WordNet are not shown to vary in like ways"
    return (
        f"{verdict}: Spearman’s ρ {with_interval(rho, low, high)}, p = {p_text(p)}, over"
        f" {counted(int(first['n_pairs']), 'pair')} of {int(first['n_classes'])} classes."
    )


def hierarchy_section(hierarchy: Hierarchy) -> dict[str, Any]:
    """Shows whether classes alike in WordNet vary alike: words, figure, every correlation."""
    lead = hierarchy_words(hierarchy)
    rows = [
        (
            _OUTCOMES.get(str(row["outcome"]), str(row["outcome"])),
            _MEASURES.get(str(row["measure"]), str(row["measure"])),
            with_interval(row["spearman"], row["ci_low"], row["ci_high"]),
            p_text(row["p"]),
        )
        for row in hierarchy.correlations.to_dict("records")
    ]
    points = drawing(
        page_figures.hierarchy_points(hierarchy.pairs), "hierarchy",
        f"Points: WordNet similarity against the correlation of ranks; {lead}",
        "Each point is a pair of classes; the lines are means over a sixth of the range each.",
    )  # fmt: skip
    names = list(hierarchy.left_out)
    reasons = [f"{name} ({hierarchy.left_out[name]})" for name in names[:_NAMED]]
    more = f" … and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return {
        "lead": lead,
        "groups": _group_words(hierarchy),
        "drawing": points,
        "rows": rows,
        "left_out": "; ".join(reasons) + more,
        "left_count": counted(len(names), "class", "classes"),
    }


def _group_words(hierarchy: Hierarchy) -> str:
    row = hierarchy.groups.iloc[0].to_dict()
    if not (math.isfinite(row["similar"]) and math.isfinite(row["dissimilar"])):
        return ""
    similar, dissimilar = (
        counted(int(row[f"n_{name}"]), "pair") for name in ("similar", "dissimilar")
    )
    return (
        f"Ranks of similar classes (Wu–Palmer {SIMILAR} or more,"
        f" {similar}) correlate by"
        f" {with_interval(row['similar'], row['similar_low'], row['similar_high'])} on average,"
        f" those of dissimilar ones ({DISSIMILAR} or less, {dissimilar})"
        f" by {with_interval(row['dissimilar'], row['dissimilar_low'], row['dissimilar_high'])}."
    )  # fmt: skip


def foregrounds_section(foregrounds: Foregrounds) -> dict[str, Any]:
    """Shows where foregrounds are and how large they are: sentences and figures."""
    area = foregrounds.overall("area")
    drawn = [
        (foreground_figures.centres(foregrounds), "centres", "Where the boxes have their centres.",
         "Heat map of the centres of the foregrounds’ boxes in the frame."),
        (foreground_figures.areas(foregrounds), "areas", "How much of the image a box covers.",
         f"Histogram: median {100 * area['q50']:.0f} % of the image."),
    ]  # fmt: skip
    by_class = foreground_figures.classes(foregrounds)
    if by_class is not None:
        text = "Class by class: the share of the image that each box covers."
        drawn.append((by_class, "classes", text, text))
    return {
        "sentences": findings(foregrounds),
        "notes": notes(foregrounds),
        "masks": str(foregrounds.manifest["settings"]["masks"]),
        "threshold": f"{foregrounds.manifest['settings']['threshold']:g}",
        "drawings": [
            drawing(figure, f"foreground-{name}", label, caption)
            for figure, name, caption, label in drawn
        ],
    }


def _numbers(row: dict[Any, Any]) -> tuple[float, float, float]:
    return float(row["share"]), float(row["low"]), float(row["high"])
