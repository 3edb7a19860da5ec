"""Writes the effects of an augmentation on classes, in 80 columns; accuracies in per cent."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from invariscope.effects.on_classes import ClassEffects
from invariscope.terminal import Table, interval, paragraphs, rendered, short, table

Blocks = Iterator[str | Table]
MOST_CLASSES = 20
_GROUPS = {"hurt": "one another", "helped": "the helped", "rest": "all others"}


def effects_text(effects: ClassEffects) -> str:
    """Each method's effect and the classes that it hurts; helped samples; WordNet; notes."""
    parts = [list(_method(effects, row)) for row in effects.summary.to_dict("records")]
    parts += [list(_helped_samples(effects)), list(_similarity(effects))]
    parts += [[f"note: {note}"] for note in effects.notes]
    return "\n\n".join(rendered(*blocks) for blocks in parts if blocks)


def _method(effects: ClassEffects, row: dict[Any, Any]) -> Blocks:
    yield (
        f"{row['method']} against {effects.without}: {row['n_pairs']} pairs of seeds, "
        f"{row['n_classes']:,} classes, {row['n_images']:,} images"
    )
    yield ""
    sides = (f"{_percent(row, f'accuracy_{side}')} % {side}" for side in ("without", "with"))
    share = f"{100 * row['mean_share_hurt']:.1f} % of the classes"
    often = f"{100 * effects.threshold:g} %"
    facts = [
        ("accuracy", ", ".join(sides)),
        ("difference", f"{_percent(row, 'difference', '+')} %"),
        ("hurt in a pair",
         f"{share}; if it changed none, {_expected(row, 'mean_share_hurt', 100)}"),
        (f"in > {often}",
         f"{row['hurt']} classes; if it changed none, {_expected(row, 'hurt')}"),
    ]  # fmt: skip
    yield paragraphs(facts, 15)
    yield ""
    yield (
        f"If it changed none: {row['n_relabellings']:,} ways to say which runs are with it give "
        "each class's chance, summed over those whose mean is lower; as many as "
        f"{row['hurt']}: p = {short(row['hurt_p'])}. Independent pairs would give "
        f"{short(row['binomial'], digits=1)}. Helped in > {often}: {row['helped']} classes. A loss "
        f"of {short(100 * row['detectable'])} % is found in 80 of 100 classes."
    )
    classes = effects.classes[effects.classes["method"] == row["method"]]
    yield from _classes(classes[classes["hurt"]])


def _classes(hurt: pd.DataFrame) -> Blocks:
    if hurt.empty:
        return
    hurt = hurt.sort_values(["share_hurt", "drop_when_hurt"], ascending=False, kind="stable")
    yield ""
    columns = ("class", ">hurt in %", ">loss then, %", ">difference, %", ">q")
    yield table(
        columns,
        (
            (
                row["class"], f"{100 * row['share_hurt']:.1f}", _percent(row, "drop_when_hurt"),
                _percent(row, "difference", "+"), f"{row['q']:.2f}",
            )
            for row in hurt.head(MOST_CLASSES).to_dict("records")
        ),
    )  # fmt: skip
    if len(hurt) > MOST_CLASSES:
        yield f"and {len(hurt) - MOST_CLASSES} more, in the table of all classes"


def _helped_samples(effects: ClassEffects) -> Blocks:
    frame = effects.helped_samples
    yield "do they help the same images? mean IoU of the lists of helped images, 95 %"
    yield ""
    lines = []
    for (a, b), part in frame.groupby(["method_a", "method_b"], sort=False):
        rows = part.set_index("shared").loc[["any", "none"]].to_dict("records")
        cells = [interval(row["iou"], row["iou_low"], row["iou_high"]) for row in rows]
        lines.append((f"within {a}" if a == b else f"{a}, {b}", *cells))
        lines.append(("", *(f"chance {short(row['chance'])}" for row in rows)))
    yield table(("", "<all pairs of lists", "<no run in common"), lines)


def _similarity(effects: ClassEffects) -> Blocks:
    frame = effects.similarity
    if frame.empty:
        return
    yield "are the hurt classes alike? mean Wu-Palmer similarity in WordNet"
    yield ""
    yield table(
        ("hurt classes and", "<similarity", "<classes at random, 95 %", ">p"),
        (
            (
                f"{row['method']}: {_GROUPS[row['group']]}", short(row["similarity"]),
                interval(row["expected"], row["expected_low"], row["expected_high"]),
                short(row["p"]),
            )
            for row in frame.to_dict("records")
        ),
    )  # fmt: skip


def _expected(row: dict[Any, Any], key: str, scale: float = 1.0) -> str:
    middle, low, high = (scale * row[f"{key}_expected{name}"] for name in ("", "_low", "_high"))
    return f"{middle:.1f} [{low:.1f}, {high:.1f}]"


def _percent(row: dict[Any, Any], key: str, sign: str = "") -> str:
    middle, low, high = (100 * row[f"{key}{name}"] for name in ("", "_low", "_high"))
    return f"{middle:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"
