"""The page of an improvement: before and after, the augmentation and why, the accuracy."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invariscope.gate.verdict import RuleFinding
from invariscope.improving.improvement import Improvement
from invariscope.improving.policy import OFTEN, Ingredient
from invariscope.improving.record import record_of
from invariscope.report.gate.words import MARKS, cell_name
from invariscope.report.improve.figures import before_and_after, curves_of
from invariscope.report.improve.words import (
    accuracy_words,
    class_names,
    last_cells,
    lead,
    of_data,
    place,
    tuning_words,
    why,
)
from invariscope.report.kit.drawings import Drawing, drawing
from invariscope.report.kit.page import render, write_page
from invariscope.report.kit.pictures import Thumbnail, jpeg
from invariscope.report.kit.provenance import where_pixels_move
from invariscope.report.kit.words import duration, number, signed, with_interval
from invariscope.version import VERSION

_HEADINGS = {
    "improved": "The rules hold now, and the accuracy was kept",
    "held already": "The rules held already",
    "not improved": "Not there yet",
    "undecided": "The images do not tell yet",
}
_PICTURES = 5
#: What the two curves of a drawing are.
_MARKS = [("twin", "before"), ("model", "after")]


def render_improvement(found: Improvement, path: str | os.PathLike[str]) -> Path:
    """Writes the page.

    Raises:
        InputError: The file cannot be written.
    """
    return write_page(path, page(found))


def page(found: Improvement) -> str:
    """The page as text."""
    tuned = found.after is not None and found.accuracy is not None
    record = record_of(found)
    return render(
        "improve/page.html",
        kind="improvement",
        heading=_HEADINGS[found.outcome],
        model=str(found.settings["model"]),
        lead=_unbroken(lead(found)),
        outcome=found.outcome,
        reasons=found.reasons,
        facts=_facts(found),
        tuned=tuned,
        rules=[_rule(found, k) for k in range(len(found.before.rules))],
        drawings=list(_drawings(found)) if tuned else [],
        marks=_MARKS,
        ingredients=[_ingredient(found, one) for one in found.ingredients] if tuned else [],
        accuracy=_unbroken(accuracy_words(found.accuracy)) if found.accuracy else "",
        answers=_answers(found),
        classes=_classes(found),
        class_rules=[rule.title for rule in found.before.rules if _of_classes(found, rule)],
        conventions_title="How it was done",
        conventions=_conventions(found),
        decisions=[],
        warnings=list(dict.fromkeys([*found.notes, *found.before.notes])),
        command=found.command or f"invariscope.improve(model, images, {_texts(found)!r})",
        manifest=json.dumps(
            {key: value for key, value in record.items() if key not in ("classes", "data")},
            indent=2, ensure_ascii=False,
        ),
        version=VERSION,
    )  # fmt: skip


def _unbroken(text: str) -> str:
    return text.replace(" %", "\u00a0%")


def _texts(found: Improvement) -> list[str]:
    return [rule.text for rule in found.before.rules]


def _facts(found: Improvement) -> list[tuple[str, str]]:
    own, told = found.settings, found.accuracy
    facts = [
        ("Model", own["model"]),
        ("Data", own["data"]),
        ("Rules", f"{len(found.before.rules)}"),
        ("Checked on", f"{found.before.images:,} held-out images"),
    ]
    if told is not None:
        facts += [
            ("Tuned on", f"{own['tuned_on']:,} images, {own['epochs']:g} epochs"),
            ("Tuning took", duration(own["seconds"])),
            ("Accuracy", f"{100 * told.before:.1f} % → {100 * told.after:.1f} %"),
        ]
    return [(term, str(text)) for term, text in facts]


def _rule(found: Improvement, k: int) -> dict[str, Any]:
    before = found.before.rules[k]
    after = None if found.after is None else found.after.rules[k]
    known = {} if after is None else {place(cell): cell for cell in after.cells}
    rows = []
    for cell in last_cells(before):
        now = known.get(place(cell))
        row = [
            cell_name(cell, before),
            with_interval(cell.value, cell.low, cell.high, 3),
            f"{cell.n:,}",
        ]
        if now is not None:
            row[2:2] = [with_interval(now.value, now.low, now.high, 3),
                        signed(now.value - cell.value, 3)]  # fmt: skip
        rows.append(row)
    return {
        "title": before.title,
        "before": before.outcome,
        "after": None if after is None else after.outcome,
        "mark": MARKS[before.outcome if after is None else after.outcome],
        "remedy": before.remedy if after is None else after.remedy,
        "rows": rows,
    }


def _drawings(found: Improvement) -> Iterator[Drawing]:
    assert found.after is not None
    for k, (before, after) in enumerate(zip(found.before.rules, found.after.rules, strict=True)):
        own, now = curves_of(before, after)
        if not now:
            continue
        some = now[0].class_name
        whose = (
            "" if some is None or len({c.class_name for c in after.cells}) < 2 else f" of {some}"
        )
        figure = before_and_after(own, now)
        metric = now[0].metric.replace("_", " ")
        caption = f"{metric[:1].upper()}{metric[1:]}{whose} under {now[0].transformation}"
        label = f"{caption}: " + "; ".join(
            f"{cell.shown} {number(a.value)} before, {number(cell.value)} after"
            for a, cell in zip(own, now, strict=False)
        )
        yield drawing(figure, f"rule{k}", label, caption, _MARKS)


def _ingredient(found: Improvement, one: Ingredient) -> dict[str, Any]:
    return {
        "name": one.transformation.name,
        "range": f"from {one.transformation.describe(0)} to {one.farthest}",
        "why": why(found, one, class_names(found)),
        "data": of_data(found, one),
        "pictures": _pictures(found, one),
        "count": _PICTURES,
    }


def _pictures(found: Improvement, one: Ingredient) -> list[Thumbnail]:
    """The example image at levels of the augmentation, the first as it is."""
    example = found.runs_before[0].example
    if example is None:
        return []
    images = torch.from_numpy(np.ascontiguousarray(example)).permute(2, 0, 1)[None].float() / 255
    own, shown = one.transformation, []
    levels = np.linspace(0, len(own.magnitudes) - 1, _PICTURES).round().astype(int)
    for level in dict.fromkeys(levels.tolist()):
        moved = own(images, level, seed=0, image_ids=["example"])
        pixels = (moved[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        words = f"{own.name}: {own.describe(level)}"
        shown.append(Thumbnail(own.describe(level), words, jpeg(pixels)))
    return shown


def _answers(found: Improvement) -> list[list[str]]:
    """The four kinds of held-out images, by which network is right."""
    told, table = found.accuracy, found.correct
    if told is None or table is None:
        return []
    both = int((table["before"] & table["after"]).sum())
    neither = told.n - both - told.gained - told.missed
    counts = [("both", both), ("after alone", told.gained), ("before alone", told.missed),
              ("neither", neither)]  # fmt: skip
    return [[words, f"{count:,}", f"{100 * count / told.n:.1f} %"] for words, count in counts]


def _of_classes(found: Improvement, rule: RuleFinding) -> bool:
    return any(one.rule == rule.text for one in found.classes)


def _classes(found: Improvement) -> list[list[str]]:
    """A row per class: its value of each rule, how often it is moved, both accuracies."""
    table = found.correct
    if table is None:
        return []
    values = {(one.rule, one.class_name): one for one in found.classes}
    rules = [rule.text for rule in found.before.rules if _of_classes(found, rule)]
    rows = []
    for k, name in enumerate(class_names(found)):
        own = table[table["class"] == name]
        if own.empty:
            continue
        row = [name]
        for rule in rules:
            one = values.get((rule, name))
            row.append("–" if one is None or math.isnan(one.value) else number(one.value, 3))
        chances = [f"{100 * i.chances[k]:.0f} %" for i in found.ingredients]
        weak = any(i.chances[k] == OFTEN for i in found.ingredients)
        row.append(", ".join(chances) if weak or chances else "–")
        before, after = (float(own[column].mean()) for column in ("before", "after"))
        row += [f"{100 * before:.1f}", f"{100 * after:.1f}", signed(100 * (after - before), 1),
                f"{len(own):,}"]  # fmt: skip
        rows.append(row)
    return rows


def _conventions(found: Improvement) -> list[tuple[str, str]]:
    settings = found.runs_before[0].manifest["settings"]
    lines = [
        ("The images", f"{found.split}."),
        ("The checks", "On the held-out images, the same before and after, as the gate decides "
         "rules: a cell holds if its 95 % interval lies wholly on the right side."),
        ("Where images are moved", where_pixels_move(settings)),
    ]  # fmt: skip
    if found.accuracy is None:
        return lines
    return [
        *lines,
        ("The evidence", "From the images that were tuned on alone: the value of each class at "
         "the rule’s levels, and a search for factors with the model’s embedding."),
        ("The tuning", f"{tuning_words(found)}. Frozen parameters stay as they are, with the "
         "batch norms of parts that are frozen as a whole; other batch norms follow the images."),
        ("The accuracy", f"Non-inferiority: on {found.accuracy.n:,} held-out images, image by "
         "image, the lower end of the one-sided 95 % interval of the difference (Tango 1998) "
         f"is to lie above −{found.accuracy.points}."),
    ]  # fmt: skip
