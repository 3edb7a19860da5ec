"""The tables of a search's page: what varies, tops of classes, kinds, every operation, advice."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from invariscope.advice.recommendation import Recommendation
from invariscope.errors import first_of
from invariscope.report.kit.drawings import track
from invariscope.report.kit.heat import HeatCell, HeatMap, blend
from invariscope.report.kit.words import (
    listed,
    number,
    p_text,
    percent,
    share_interval,
)
from invariscope.report.search.facts import Facts
from invariscope.report.search.varying import Finding
from invariscope.report.search.words import (
    change_interval,
    change_text,
    magnitude_range,
    q_text,
    relative_text,
    share_ends,
    share_text,
)
from invariscope.search.ranks import KINDS
from invariscope.transformations import IDENTITY

SHADES = 7
_NAMED = 6
_LARGE = 0.3  # a share that has the darkest shade
_LISTED = 300  # classes of the heat map: more, and a page would take long to open
# From nothing to much: one hue, growing darker, which every kind of colour vision keeps in order.
_STOPS = ((0.0, (240, 246, 250)), (0.5, (122, 176, 214)), (1.0, (8, 62, 115)))


def shade_styles() -> str:
    """The style sheet of the heat map's shades.

    Example:
        >>> shade_styles().split()[0]
        '.d0{background:#f6f6f4;color:#12202e}'
    """
    lines = []
    for shade in range(SHADES):
        colour = _shade(shade)
        ink = "#ffffff" if sum(colour) < 380 else "#12202e"
        red, green, blue = colour
        lines.append(f".d{shade}{{background:#{red:02x}{green:02x}{blue:02x};color:{ink}}}")
    return "\n".join(lines)


def gradient() -> str:
    """The shades as stops of a CSS gradient."""
    return ", ".join(f"rgb{_shade(shade)}" for shade in range(SHADES))


def _shade(shade: int) -> tuple[int, int, int]:
    return (246, 246, 244) if shade == 0 else blend((shade - 1) / (SHADES - 2), _STOPS)


def factor_heat(facts: Facts) -> HeatMap | None:
    """The heat map of classes × families: the share closed; None where nothing was tested.

    Classes with the largest finds come first, and so do families that are found in many classes.
    """
    varying = facts.varying
    known = [name for name in varying.ordered() if name in set(varying.tested)]
    if not known:
        return None
    order = _family_order(facts, known)
    most = max(_LARGE, *(one.share for name in known for one in varying.found(name)), 0)
    rows = []
    for name in known[:_LISTED]:
        rows.append((name, [_factor_cell(varying.of(name, place), most) for place in order]))
    columns = [_together(facts, varying.families[place]) for place in order]
    return HeatMap(columns, [("", rows)], ("0\u00a0%", f"{percent(most)} of the distance"))


def _family_order(facts: Facts, names: Sequence[str]) -> list[int]:
    """The places of the families: found in most classes first, then by their mean share."""
    varying = facts.varying
    weights = {}
    for place in range(len(varying.families)):
        cells = [one for name in names if (one := varying.of(name, place)) and one.tested]
        mean = sum(one.share for one in cells) / max(len(cells), 1)
        weights[place] = (sum(one.found for one in cells), mean)
    return sorted(weights, key=lambda place: weights[place], reverse=True)


def _factor_cell(one: Finding | None, most: float) -> HeatCell:
    if one is None or not one.tested:
        return HeatCell("–")
    shade = math.ceil(min(max(one.share, 0) / most, 1) * (SHADES - 1))
    text = number(100 * one.share, 0)
    if not one.found:
        return HeatCell(text, marks=f"d{shade}")
    ends = share_ends(*one.ends)
    return HeatCell(text, title=f"{ends}\u00a0%, q: {q_text(one.q)}", marks=f"d{shade} s")


def found_rows(facts: Facts) -> list[tuple[str, ...]]:
    """A row for each find: class, families, share, interval, q, range; a note if any has one."""
    varying = facts.varying
    rows: list[tuple[str, ...]] = []
    for name in varying.ordered():
        for one in varying.found(name):
            rows.append(
                (
                    name,
                    _together(facts, one.families),
                    share_text(one.share),
                    share_ends(*one.ends),
                    q_text(one.q),
                    "; ".join(magnitude_range(row) for row in one.rows),
                    _note(facts, one.rows[0]),
                )
            )
    return rows if any(row[-1] for row in rows) else [row[:-1] for row in rows]


def _note(facts: Facts, row: Mapping[str, Any]) -> str:
    """What a family adds to the stronger ones that it was measured beside, and in which images."""
    parts = [part.split(" and ") for part in str(row["beside"] or "").split(", ")]
    words = [_together(facts, names) for names in parts if names != [""]]
    if not words:
        return ""
    images = int(row["images"])
    where = f" in {row['rests_on']:,} of {images:,} images" if row["rests_on"] < images else ""
    return f"adds {share_text(float(row['added']))} beside {', '.join(words)}{where}"


def _together(facts: Facts, families: Sequence[str]) -> str:
    return listed([facts.family_words(family) for family in families])


def class_rows(facts: Facts) -> list[tuple[str, ...]]:
    """A row for each class: class, operation, kind, change, held out, boosted, pairs, q."""
    tops = facts.tops.sort_values("value", ascending=False, kind="stable")
    rows: list[tuple[str, ...]] = []
    for name, row in zip(tops.index, tops.to_dict("records"), strict=True):
        nothing = row["kind"] == IDENTITY
        ends = (row["change_low"], row["change_high"])
        rows.append(
            (
                str(name),
                facts.words(row["operation"]),
                "" if nothing else row["kind"],
                "–" if nothing else change_interval(row["value"], *ends),
                change_text(row["held_out"]),
                "–" if nothing else percent(row["proportion_boosted"]),
                f"{int(row['n']):,}",
                p_text(row["q"]),
            )
        )
    return rows


def kind_rows(facts: Facts) -> list[dict[str, Any]]:
    """The share of each kind among the classes' tops and in the pool, for bars."""
    rows = []
    for row in facts.ranks.shares.to_dict("records"):
        kind = str(row["kind"])
        if not math.isfinite(row["tops"]) or (row["tops"] == 0 and not row["pool"] > 0):
            continue
        ends = (row["low"], row["high"]) if math.isfinite(row["low"]) else ()
        rows.append(
            {
                "kind": "none helps" if kind == IDENTITY else kind,
                "mark": kind if kind in KINDS else "none",
                "track": track(float, row["tops"], ends, [row["pool"]] * (row["pool"] > 0)),
                "tops": share_interval(row["tops"], row["low"], row["high"]),
                "pool": percent(row["pool"]) if row["pool"] > 0 else "–",
            }
        )
    return rows


def operation_rows(facts: Facts) -> list[tuple[str, ...]]:
    """A row for each operation over all classes, the best on average first."""
    return [
        (
            strip.operation,
            strip.label,
            strip.kind,
            change_interval(
                strip.row["change"], strip.row["change_low"], strip.row["change_high"]
            ),
            percent(float(np.mean(strip.values > 0)) if strip.values.size else math.nan),
            percent(strip.row["proportion_boosted"]),
            relative_text(strip.row["relative_change"]),
            relative_text(strip.row["weighted_boost"]),
            p_text(strip.row["q"]),
        )
        for strip in facts.strips
    ]  # fmt: skip


def advice_rows(advice: Recommendation, facts: Facts) -> list[dict[str, str]]:
    """The recommendation: advice, family, range, classes, evidence."""
    rows = []
    for row in advice.table.to_dict("records"):
        names = [str(name) for name in row["classes"]]
        rows.append(
            {
                "advice": str(row["advice"]),
                "tone": row["advice"].replace(" ", "-"),
                "words": facts.family_words(str(row["family"])),
                "family": str(row["family"]),
                "range": magnitude_range({str(key): value for key, value in row.items()}),
                "classes": "all of them"
                if len(names) == len(facts.classes) > 1
                else first_of(names, _NAMED) or "–",
                "closed": share_text(row["closed"]),
                "invariance": number(row["invariance"]),
                "gap": number(row["gap"]),
                "reason": str(row["reason"]),
            }
        )
    return rows
