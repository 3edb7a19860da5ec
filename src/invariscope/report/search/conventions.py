"""Explains how a search was measured, for readers of its numbers."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from invariscope.report.kit.provenance import where_pixels_move
from invariscope.report.kit.words import counted, percent
from invariscope.report.search.facts import Facts
from invariscope.search.table import OVERALL
from invariscope.transformations import IDENTITY

_UNLISTED = ("classes", "operations")


_AFTER = Markup("s<sub>T</sub>")


def conventions(facts: Facts) -> list[tuple[str, str]]:
    """(term, explanation); an explanation with formulas is markup."""
    settings = facts.settings
    return [
        (
            "The paper’s question",
            "For two images x₁ and x₂ of one class: does the operation T, on x₂ alone, bring them"
            " closer in the model’s eyes? If it does so on average, T explains part of what sets"
            " images of the class apart (paper 000, eq. 2).",
        ),
        (
            "Similarity",
            Markup(
                "The cosine of the two embeddings (the input of the last layer) of {}: s₀ of x₁ and"
                " x₂, {} of x₁ and T(x₂). A model that ignores T sees no change, so what a model"
                " was trained to ignore is hidden from it."
            ).format(settings["model"], _AFTER),
        ),
        (
            "Share closed",
            "Of the distance 1 − cosine between two images of a class, some is left by the single"
            " level that brings an image closest to all others. The share of this that is closed by"
            " choosing a level for each pair, less that with images of other classes. What erases"
            " (blur, less contrast) brings an image closer to every other at one level, and does"
            " not count. Intervals: from the influence of each image (a jackknife); q: Holm.",
        ),
        (
            "Change, relative change",
            Markup(
                "Change: {} − s₀, mean over pairs; “for all” is the mean over classes, each"
                " counting alike. It ranks the operations, and q tests it. Relative change"
                " (eq. 2): the mean of ({} − s₀) / s₀, in per cent; a single pair of small s₀ can"
                " make it as large as you like, so it stands in the table and decides nothing."
            ).format(_AFTER, _AFTER),
        ),
        (
            "Boosted, weighted boost",
            Markup(
                "Boosted: the share of pairs with {} &gt; s₀. Boost: their mean relative change."
                " Weighted boost: the product of the two."
            ).format(_AFTER),
        ),
        (
            "Held out",
            "Pairs are split into two halves; the operation is chosen on one and judged on the"
            " other, both ways, and the two are averaged. The best of many is flattered on the"
            " pairs that chose it; held out it is not.",
        ),
        (
            "Intervals and tests",
            "95 %, studentised by the bootstrap: over pairs for a class, over classes for all;"
            " shares exact (Clopper and Pearson). p: sign-flip"
            " test of change = 0, two-sided. q: Benjamini–Hochberg over the table, classes ×"
            f" distinct operations. All seeded ({settings['seed']}).",
        ),
        ("Pairs", _pairs(facts)),
        ("Operations", _operations(facts)),
        ("Where the operations act", where_pixels_move(settings)),
        ("Left out and guarded", _guarded(facts)),
    ]


def _pairs(facts: Facts) -> str:
    settings, images = facts.settings, facts.manifest["images"]
    counts = [int(entry["pairs"]) for entry in settings["classes"]]
    least, most = min(counts), max(counts)
    span = f"{least:,}" if least == most else f"{least:,}–{most:,}"
    asked = settings.get("pairs")
    of = images.get("available")
    return (
        f"{counted(sum(counts), 'pair')} of {counted(len(counts), 'class', 'classes')}, {span} of"
        f" each{f' (asked for: {asked:,})' if asked else ''}, from"
        f" {counted(int(images['selected']), 'image')}{f' of {of:,}' if of else ''}. Seeded (seed"
        f" {settings['seed']}); no image comes back until all of its class were used, no pair at"
        " all. Which of the two is transformed is drawn, too."
    )


def _operations(facts: Facts) -> str:
    pool = facts.settings["operations"]
    nulls = sum(entry["kind"] == IDENTITY for entry in pool)
    policies = sum(bool(entry["policy"]) for entry in pool)
    text = (
        f"{counted(len(pool), 'name')} in the pool, {counted(len(facts.overall), 'operation')} that"
        f" differ and do something; {counted(nulls, 'name')} that do nothing are null controls."
    )
    if policies:
        text += f" {policies:,} are sub-policies: one operation after the other."
    text += (
        " “±”: each image draws its own direction from the seed and its name, the same at every"
        " strength. Positive angles turn counter-clockwise."
    )
    centre = facts.settings.get("shear_centre", "")
    words = {
        "corner": "the top-left corner in place, as Pillow does",
        "centre": "the centre in place",
    }.get(centre)
    sheared = any("shear" in entry["families"] for entry in pool)
    return text + (f" Shears leave {words}." if words and sheared else "")


def _guarded(facts: Facts) -> str:
    """Counts over pairs; they are the same for every operation but for undefined ones."""
    rows = facts.factors.frame[facts.factors.frame["class"] == OVERALL]
    total = int(rows["n"].max())
    guarded, negative, undefined = (
        int(rows[name].max()) for name in ("n_guarded", "n_negative", "n_undefined")
    )
    share = f" ({percent(negative / total)})" if total and negative else ""
    return (
        f"Of {counted(total, 'measured pair')}, {guarded:,} have |s₀| below 1e-6 and no relative"
        f" change; {negative:,}{share} have s₀ below 0, where the sign of the relative change turns"
        f" round; {undefined:,} have an embedding that is not finite or has no length and count"
        " nowhere."
    )


def brief_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with the numbers of classes and operations in place of their lists."""
    settings = manifest["settings"]
    brief = {key: len(value) if key in _UNLISTED else value for key, value in settings.items()}
    images = {
        key: len(value) if key == "skipped" else value for key, value in manifest["images"].items()
    }
    return {**manifest, "settings": brief, "images": images}
