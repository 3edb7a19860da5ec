"""What an augmentation does to classes, as text of 80 columns; accuracies in per cent."""

import textwrap
from collections.abc import Iterator
from typing import Any

import pandas as pd

from invariscope.effects.on_classes import ClassEffects
from invariscope.report.leaderboard.text import interval, middle_cut, short

WIDTH = 80
MOST_CLASSES = 20
_GROUPS = {"hurt": "one another", "helped": "the helped", "rest": "all others"}


def effects_text(effects: ClassEffects) -> str:
    """Each method's effect and the classes that it hurts; helped samples; WordNet; notes."""
    blocks = [list(_method(effects, row)) for row in effects.summary.to_dict("records")]
    blocks.append(list(_helped_samples(effects)))
    blocks.append(list(_similarity(effects)))
    blocks += [textwrap.wrap(f"note: {note}", WIDTH) for note in effects.notes]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _method(effects: ClassEffects, row: dict[Any, Any]) -> Iterator[str]:
    names = f"{row['method']} against {effects.without}"
    yield from textwrap.wrap(
        f"{names}: {row['n_pairs']} pairs of seeds, {row['n_classes']:,} classes, "
        f"{row['n_images']:,} images",
        WIDTH,
    )
    yield ""
    sides = (f"{_percent(row, f'accuracy_{side}')} % {side}" for side in ("without", "with"))
    yield f"  accuracy       {', '.join(sides)}"
    yield f"  difference     {_percent(row, 'difference', '+')} %"
    share = f"{100 * row['mean_share_hurt']:.1f} % of the classes"
    yield f"  hurt in a pair {share}; if it changed none, {_expected(row, 'mean_share_hurt', 100)}"
    often = f"{100 * effects.threshold:g} %"
    yield f"  in > {often:9} {row['hurt']} classes; if it changed none, {_expected(row, 'hurt')}"
    yield ""
    yield from textwrap.wrap(
        f"If it changed none: {row['n_relabellings']:,} ways to say which runs are with it, the "
        f"differences of the classes taken off; as many as {row['hurt']}: p = "
        f"{short(row['hurt_p'])}. Independent pairs would give "
        f"{short(row['binomial'], digits=1)}. Helped in > {often}: {row['helped']} classes.",
        WIDTH,
    )
    classes = effects.classes[effects.classes["method"] == row["method"]]
    yield from _classes(classes[classes["hurt"]])


def _classes(hurt: pd.DataFrame) -> Iterator[str]:
    if hurt.empty:
        return
    hurt = hurt.sort_values(["share_hurt", "drop_when_hurt"], ascending=False, kind="stable")
    yield ""
    yield f"{'class':20}{'hurt in %':>10}{'loss then, %':>21}{'difference, %':>24}{'q':>5}"
    for row in hurt.head(MOST_CLASSES).to_dict("records"):
        yield (
            f"{middle_cut(row['class'], 19):20}{100 * row['share_hurt']:10.1f}"
            f"{_percent(row, 'drop_when_hurt'):>21}{_percent(row, 'difference', '+'):>24}"
            f"{row['q']:5.2f}"
        )
    if len(hurt) > MOST_CLASSES:
        yield f"and {len(hurt) - MOST_CLASSES} more: -o FILE.csv has all classes"


def _helped_samples(effects: ClassEffects) -> Iterator[str]:
    frame = effects.helped_samples
    yield "do they help the same images? mean IoU of the lists of helped images, 95 %"
    yield ""
    yield f"{'':32}{'all pairs of lists':24}{'no run in common':24}"
    pairs = frame[["method_a", "method_b"]].drop_duplicates().itertuples(index=False)
    for a, b in pairs:
        part = frame[(frame["method_a"] == a) & (frame["method_b"] == b)]
        rows = {row["shared"]: row for row in part.to_dict("records")}
        name = f"within {a}" if a == b else f"{middle_cut(a, 14)}, {middle_cut(b, 14)}"
        cells = (
            interval(row["iou"], row["iou_low"], row["iou_high"])
            for row in (rows["any"], rows["none"])
        )
        line = f"{middle_cut(name, 31):32}" + "".join(f"{cell:24}" for cell in cells)
        yield line.rstrip()
        chances = (f"chance {short(rows[kind]['chance'])}" for kind in ("any", "none"))
        yield (f"{'':32}" + "".join(f"{cell:24}" for cell in chances)).rstrip()


def _similarity(effects: ClassEffects) -> Iterator[str]:
    frame = effects.similarity
    if frame.empty:
        return
    yield "are the hurt classes alike? mean Wu-Palmer similarity in WordNet"
    yield ""
    yield f"{'hurt classes and':32}{'similarity':12}{'classes at random, 95 %':27}{'p':>7}"
    for row in frame.to_dict("records"):
        name = middle_cut(f"{row['method']}: {_GROUPS[row['group']]}", 31)
        chance = interval(row["expected"], row["expected_low"], row["expected_high"])
        p = short(row["p"])
        yield f"{name:32}{short(row['similarity']):12}{chance:27}{p:>7}"


def _expected(row: dict[Any, Any], key: str, scale: float = 1.0) -> str:
    middle, low, high = (scale * row[f"{key}_expected{name}"] for name in ("", "_low", "_high"))
    return f"{middle:.1f} [{low:.1f}, {high:.1f}]"


def _percent(row: dict[Any, Any], key: str, sign: str = "") -> str:
    middle, low, high = (100 * row[f"{key}{name}"] for name in ("", "_low", "_high"))
    return f"{middle:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"
