"""The tables of a search's page: classes, classes × families, kinds, every operation, advice."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from invariscope.advice.recommendation import Recommendation
from invariscope.report.kit.drawings import track
from invariscope.report.kit.heat import HeatCell, HeatMap, blend
from invariscope.report.kit.words import (
    magnitude_text,
    number,
    p_text,
    percent,
    share_interval,
    signed,
)
from invariscope.report.search.facts import Facts
from invariscope.report.search.words import change_interval, change_text
from invariscope.search.ranks import KINDS
from invariscope.transformations import IDENTITY

SHADES = 13
_SURE = 0.05
_NAMED = 6
_ENDS = 80  # per cent of the cells whose shade is not the last one
# From "takes apart" through nothing to "brings closer": orange and blue, which common kinds of
# colour vision keep apart, both growing darker.
_LESS = ((0.0, (253, 244, 236)), (0.5, (240, 170, 110)), (1.0, (140, 60, 0)))
_MORE = ((0.0, (240, 246, 250)), (0.5, (122, 176, 214)), (1.0, (8, 62, 115)))


def shade_styles() -> str:
    """The style sheet of the heat map's shades.

    Example:
        >>> shade_styles().split()[6]
        '.d6{background:#f6f6f4;color:#12202e}'
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
    middle = SHADES // 2
    if shade == middle:
        return 246, 246, 244
    stops = _MORE if shade > middle else _LESS
    return blend((abs(shade - middle) - 1) / (middle - 1), stops)


def class_heat(facts: Facts) -> HeatMap | None:
    """The heat map; None for a single class. Classes stand as in the table of classes."""
    best = facts.by_family
    if best.empty or len(facts.classes) < 2:
        return None
    change = best.pivot(index="class", columns="family", values="relative_change")
    sure = best.assign(sure=best["q"] < _SURE).pivot(index="class", columns="family", values="sure")
    order = change.mean().sort_values(ascending=False, kind="stable").index
    ordered = facts.tops.sort_values("value", ascending=False, kind="stable")["class"]
    classes = [name for name in ordered if name in change.index]
    values = change.loc[classes, order].to_numpy(dtype=float)
    marks = sure.loc[classes, order].eq(True).to_numpy(dtype=bool)
    limit = max(float(np.nanpercentile(np.abs(values), _ENDS)), 1e-4)
    middle = SHADES // 2
    # Any change has a shade of its side; nothing at all has the middle one.
    shades = middle + np.sign(values) * np.clip(np.ceil(np.abs(values) / limit * middle), 0, middle)
    digits = 1 if limit < 0.3 else 0
    rows = []
    for name, numbers, where, certain in zip(classes, values, shades, marks, strict=True):
        cells = [
            HeatCell(signed(100 * value, digits), marks=f"d{int(shade)}{' s' if bold else ''}")
            if math.isfinite(value)
            else HeatCell("–")
            for value, shade, bold in zip(numbers, where, certain, strict=True)
        ]
        rows.append((str(name), cells))
    families = [facts.family_words(str(family)) for family in order]
    end = f"{number(100 * limit, digits)}\u00a0%"
    return HeatMap(families, [("", rows)], (f"−{end} or less", f"+{end} or more"))


def class_rows(facts: Facts) -> list[tuple[str, ...]]:
    """A row for each class: class, operation, kind, change, held out, boosted, pairs, q."""
    tops = facts.tops.sort_values("value", ascending=False, kind="stable")
    rows = []
    for name, row in zip(tops.index, tops.to_dict("records"), strict=True):
        nothing = row["kind"] == IDENTITY
        ends = (row["relative_change_low"], row["relative_change_high"])
        rows.append(
            (
                str(name),
                facts.words(row["operation"]),
                "" if nothing else row["kind"],
                "–" if nothing else change_interval(row["relative_change"], *ends),
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
                strip.row["relative_change"], strip.row["relative_change_low"],
                strip.row["relative_change_high"],
            ),
            percent(float(np.mean(strip.values > 0)) if strip.values.size else math.nan),
            percent(strip.row["proportion_boosted"]),
            change_text(strip.row["boost"]),
            change_text(strip.row["weighted_boost"]),
            p_text(strip.row["q"]),
        )
        for strip in facts.strips
    ]  # fmt: skip


def advice_rows(advice: Recommendation, facts: Facts) -> list[dict[str, str]]:
    """The recommendation: advice, family, range, classes, evidence."""
    rows = []
    for row in advice.table.to_dict("records"):
        names = [str(name) for name in row["classes"]]
        shown = ", ".join(names[:_NAMED])
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        rows.append(
            {
                "advice": str(row["advice"]),
                "tone": row["advice"].replace(" ", "-"),
                "words": facts.family_words(str(row["family"])),
                "family": str(row["family"]),
                "range": magnitude_range({str(key): value for key, value in row.items()}),
                "classes": "all of them"
                if len(names) == len(facts.classes) > 1
                else f"{shown}{more}" or "–",
                "change": change_text(row["change"]),
                "invariance": number(row["invariance"]),
                "gap": number(row["gap"]),
                "reason": str(row["reason"]),
            }
        )
    return rows


def magnitude_range(row: Mapping[str, Any]) -> str:
    """From the weakest to the strongest magnitude that helps.

    Example:
        >>> row = {"family": "rotate", "low": 10.0, "high": 30.0, "unit": "°", "signed": False}
        >>> magnitude_range(row), magnitude_range(row | {"signed": True, "low": 30.0})
        ('10° to 30°', '±30°')
        >>> magnitude_range(row | {"family": "contrast", "unit": "×", "signed": True, "low": 1.2,
        ...                        "high": 1.5})
        '1 ± 0.2 to 1 ± 0.5'
    """
    ends = [float(row["low"]), float(row["high"])]
    if not all(map(math.isfinite, ends)):
        return "–"
    if row["signed"] and row["unit"] == "×":
        zoom = row["family"] == "rescale"
        texts = [f"×÷{value:.3g}" if zoom else f"1 ± {value - 1:.2g}" for value in ends]
    else:
        sign = "±" if row["signed"] else ""
        texts = [f"{sign}{magnitude_text(value, row['unit'])}" for value in ends]
    return " to ".join(dict.fromkeys(texts))
