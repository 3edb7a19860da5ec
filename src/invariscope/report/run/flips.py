"""What the page says of answers that flip: pictures, classes, lost confidence."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from invariscope.report.kit.pictures import Thumbnail, jpeg
from invariscope.report.kit.words import (
    capitalised,
    counted,
    number,
    p_text,
    percent,
    share_interval,
    with_interval,
)
from invariscope.report.run.levels import all_level_names
from invariscope.report.run.readings import Readings
from invariscope.results.answers import no_answers
from invariscope.results.membership import FEWEST, GROUP

#: Classes at each end; rows of classes found; what is found.
_CLASSES, _SHARED, _FOUND = 5, 12, 0.05
#: The facts of a run that has no answers.
_NOTHING = {
    "not_shown": "", "under": [], "classes": None, "by_words": "", "shared": [],
    "shared_words": "", "lost": [],
}  # fmt: skip


@dataclass(frozen=True)
class Flip:
    """One image whose answer flips: its two pictures and what stands under them."""

    before: Thumbnail
    after: Thumbnail


@dataclass(frozen=True)
class Under:
    """The flips under one transformation: a heading, a sentence, the pictures."""

    words: str
    sentence: str
    flips: list[Flip]


def flips_section(readings: Readings) -> dict[str, Any] | None:
    """The facts of the section; None where the result has no answers of any kind to speak of."""
    result: Any = readings.result
    if not hasattr(result, "flips"):
        return None
    reason = no_answers(result)
    if reason:
        return {**_NOTHING, "none": f"{capitalised(reason)}."}
    if not readings.settings.get("cells") or not any(
        c["level"] for c in readings.settings["cells"]
    ):
        return None
    labels = all_level_names(readings)
    table = result.flips()
    shared = result.flipped_share()
    affected = result.affected_classes()
    by = affected["by"].iloc[0] if len(affected) else ""
    return {
        "none": "" if len(table) else "No answer flips at any measured level.",
        "not_shown": readings.manifest.get("images", {}).get("not_shown", ""),
        "under": _under(readings, table, labels) if len(table) else [],
        "classes": _classes(affected),
        "by_words": "" if by == "label" else
        " The images have no labels, so classes are those predicted for the images as they are.",
        "shared": _shared(readings, shared, labels),
        "shared_words": _shared_words(shared),
        "lost": _lost(readings, result.confidence_lost(), labels),
    }  # fmt: skip


def _under(readings: Readings, table: pd.DataFrame, labels: dict) -> list[Under]:
    pictures: dict[str, list[Any]] = {}
    for picture in getattr(readings.result, "flip_pictures", ()):
        pictures.setdefault(picture.transformation, []).append(picture)
    found = []
    for name in dict.fromkeys(map(str, table["transformation"])):
        own = table[table["transformation"] == name]
        rows = own.set_index("image")
        first = labels.get((name, int(own["level"].iloc[0])), "")
        sentence = (
            f"{len(own):,} of {readings.n:,} answers flip at some level, the first at {first}."
        )
        flips = [
            flip_shown(picture, rows.loc[picture.image], labels)
            for picture in pictures.get(name, ())
        ]
        found.append(Under(readings.words(name), sentence, flips))
    return found


def flip_shown(picture: Any, row: pd.Series, labels: dict) -> Flip:
    """One flip as pages show it: its pictures, its row of `Result.flips`, the levels' names."""
    level = labels.get((picture.transformation, picture.level), f"level {picture.level}")
    truth = "" if row["label"] in (None, row["before"]) else f" (labelled {row['label']})"
    before = f"{row['before']} {percent(row['score_before'])}{truth}"
    after = f"{level}: {row['after']} {percent(row['score_after'])}"
    return Flip(
        Thumbnail(before, f"{picture.image}, seen as {before}", jpeg(picture.before)),
        Thumbnail(after, f"{picture.image} at {after}", jpeg(picture.after)),
    )


def _classes(affected: pd.DataFrame) -> dict[str, Any] | None:
    """The classes at both ends; None for fewer than two."""
    ranked = affected[affected["n"] >= FEWEST]
    if len(ranked) < 2:
        return None
    count = min(_CLASSES, len(ranked) // 2)
    most, least = ranked.head(count), ranked.tail(count).iloc[::-1]
    note = f"{counted(len(ranked), 'class', 'classes')} ranked"
    if len(affected) > len(ranked):
        note += f"; {len(affected) - len(ranked):,} of fewer than {FEWEST} images are not"
    if most["ci_low"].iloc[0] <= least["ci_high"].iloc[0]:
        note += "; the intervals of the first and the last overlap, so the order is open"
    sides = [
        (title, [(r[0], share_interval(r[2], r[3], r[4]), f"{r[5]:,}")
                 for r in part.itertuples(index=False)])
        for title, part in (("Most affected", most), ("Least affected", least))
    ]  # fmt: skip
    return {"sides": sides, "note": f"{note}."}


def _shared(readings: Readings, shared: pd.DataFrame, labels: dict) -> list[tuple[str, ...]]:
    found = shared[shared["q"] < _FOUND].head(_SHARED)
    return [
        (
            f"{readings.words(row['transformation'])}, "
            f"{labels.get((row['transformation'], int(row['level'])), '')}",
            str(row["class"]),
            share_interval(row["share"], row["ci_low"], row["ci_high"]),
            percent(row["others"]),
            share_interval(row["of_flipped"], row["of_flipped_low"], row["of_flipped_high"]),
            percent(row["of_all"]),
            f"{int(row['n']):,}",
            p_text(row["q"]),
        )
        for _, row in found.iterrows()
    ]


def _shared_words(shared: pd.DataFrame) -> str:
    tested, found = len(shared), int((shared["q"] < _FOUND).sum())
    if not tested:
        return "There is nothing to compare: one class, or no level at which some images flip."
    what = "class or group" if (shared["by"] == GROUP).any() else "class"
    text = f"{found:,} of {tested:,} comparisons ({what} by transformation) are found, q < 0.05"
    return f"{text}{f'; the first {_SHARED} are shown' if found > _SHARED else ''}."


def _lost(readings: Readings, lost: pd.DataFrame, labels: dict) -> list[tuple[str, ...]]:
    """Lost confidence at a third, two thirds and all of the way."""
    rows: list[tuple[str, ...]] = []
    for name, own in lost.groupby("transformation", sort=False):
        picked = {max(0, round(part * len(own) / 3) - 1) for part in (1, 2, 3)}
        for place in sorted(picked):
            row = own.iloc[place]
            value = with_interval(row["value"], row["ci_low"], row["ci_high"])
            level = labels.get((name, int(row["level"])), number(row["magnitude"]))
            rows.append((readings.words(str(name)), level, value))
    return rows
