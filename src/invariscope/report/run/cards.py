"""One card for each transformation: a sentence, the curve, and the photograph at each level."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from invariscope.report.kit.drawings import both, key_mark
from invariscope.report.kit.pictures import Thumbnail
from invariscope.report.kit.words import (
    listed,
    number,
    with_interval,
)
from invariscope.report.run import figures
from invariscope.report.run.levels import level_names, levels_of, strip
from invariscope.report.run.readings import Readings, score
from invariscope.report.run.standings import Standing

# What the key above the curves shows: control, its drawing in a box of 34 × 12, its words.
_KEY = (
    (
        "",
        '<path d="M1 6h32" stroke="var(--model)" stroke-width="2.4"/>'
        '<circle cx="17" cy="6" r="2.6" fill="var(--model)"/>',
        "the model",
    ),
    (
        "untrained",
        '<path d="M1 6h32" stroke="var(--twin)" stroke-width="1.4" stroke-dasharray="5 3"/>'
        '<circle cx="17" cy="6" r="3" fill="var(--paper)" stroke="var(--twin)"/>',
        "its untrained twin",
    ),
    ("floor", '<path d="M17 2l4 7.5h-8z" fill="var(--floor)"/>', "interpolation floor"),
    (
        "kept",
        '<path d="M1 6h32" stroke="var(--kept)" stroke-width="1.4" stroke-dasharray="7 3 1.5 3"/>',
        "prediction kept",
    ),
    (
        "shuffled",
        '<path d="M1 6h32" stroke="var(--quiet)" stroke-width="1.3" stroke-dasharray="1.5 2.5"/>',
        "another image",
    ),
)


def anchor(readings: Readings, name: str) -> str:
    """The id of a transformation's card in the page."""
    return f"t{readings.transformations.index(name)}"


@dataclass(frozen=True)
class Card:
    """One transformation on the page: its reading in words, its two figures, its photographs."""

    anchor: str
    name: str
    words: str
    reading: str
    caption: str
    figure: Markup
    strip: list[Thumbnail]


def curves(readings: Readings, order: list[Standing]) -> dict[str, Any]:
    """The cards in the run's order, the key to their curves, and what the page says above them."""
    standing_of = {standing.transformation: standing for standing in order}
    metric, layer = readings.headline or ("", "")
    shown = [n for n in readings.transformations if len(readings.curve(n, metric, layer))]
    limits = figures.y_limits(readings, shown, metric, layer)
    cards = [_card(readings, name, standing_of.get(name), limits) for name in shown]
    lowest = min((readings.curve(n, metric, layer)["ci_low"].min() for n in shown), default=0.0)
    return {
        "cards": cards,
        "key": key(readings, shown, metric),
        "has_strips": any(card.strip for card in cards),
        "example_id": readings.example_id,
        "clipped": number(limits[0]) if lowest < limits[0] else "",
    }


def key(readings: Readings, names: list[str], metric: str) -> list[tuple[Markup, str]]:
    """(mark, words) of what curves of a metric under these transformations show."""
    drawn = set(readings.overall["control"])
    if any(len(figures.kept_curve(readings, name, metric)) for name in names):
        drawn.add("kept")
    return [
        (key_mark(Markup(f'<g fill="none">{drawing}</g>')), words)
        for control, drawing, words in _KEY
        if control in drawn
    ]


def _card(
    readings: Readings, name: str, standing: Standing | None, limits: tuple[float, float]
) -> Card:
    here = anchor(readings, name)
    pictures = strip(readings, name)
    wide = figures.WIDE if pictures else figures.WIDE_WITH_TICKS
    metric, layer = readings.headline or ("", "")
    label = alternative(readings, name, metric, layer)
    drawn = both(
        [
            figures.panel(readings, name, look, limits, metric, layer)
            for look in (wide, figures.PHONE)
        ],
        here, label,
    )  # fmt: skip
    curve = readings.curve(name, metric, layer)
    kind = str(curve["kind"].iloc[0])
    unit = readings.unit_words(name, levels_of(readings, name)[0][2])
    caption = f"Level: {unit} ({kind}). n = {int(curve['n'].max()):,}."
    if any(text.startswith(("±", "×÷", "1 ±")) for text in level_names(readings, name).values()):
        caption += " The direction is drawn for each image."
    return Card(
        here, name, readings.words(name), _reading(readings, name, standing), caption,
        drawn, pictures,
    )  # fmt: skip


def _reading(readings: Readings, name: str, standing: Standing | None) -> str:
    """A card's sentence: what its curve says, in numbers."""
    metric, layer = readings.headline or ("", "")
    if standing is None:
        return "No level above 0 has a value."
    curve = readings.curve(name, metric, layer)
    labels = level_names(readings, name)
    last = curve.iloc[-1]
    mean = standing.score
    word = f"The model {standing.word}: mean" if standing.word else "Mean"
    if not mean.has_interval:
        word = "Too few images for a verdict: mean"
    text = f"{word} {mean.text}"
    if len(mean.levels) > 1:
        end = with_interval(last["value"], last["ci_low"], last["ci_high"])
        text += f", and {end} at {labels[last['level']]}"
    clauses = [f"{text}."]
    if standing.against_twin is not None and standing.twin:
        here = score(curve, standing.twin.levels)
        quality = readings.meaning(metric).quality
        verb = {1: f"more {quality} than", -1: f"less {quality} than", 0: "not told apart from"}
        if here:
            clauses.append(
                f"At the twin’s levels it is {verb[standing.against_twin]} its untrained twin:"
                f" {number(here.value)} against {number(standing.twin.value)}."
            )
    null = score(readings.curve(name, metric, layer, "shuffled"))
    if null and readings.meaning(metric).null:
        clauses.append(f"By chance, with another image’s maps: {number(null.value)}.")
    floor = score(readings.curve(name, metric, layer, "floor"))
    if floor:
        clauses.append(f"Interpolation floor {number(floor.value)}.")
    return " ".join(clauses)


def alternative(readings: Readings, name: str, metric: str, layer: str) -> str:
    """A figure's text alternative: what is drawn, and the values of the model's curve."""
    curve = readings.curve(name, metric, layer)
    labels = level_names(readings, name)
    values = "; ".join(
        f"{labels[int(level)]}: {number(value)}"
        for level, value in zip(curve["level"], curve["value"].astype(float), strict=True)
    )
    others = [
        words
        for control, words in (
            ("untrained", "the untrained twin"),
            ("floor", "the interpolation floor"),
            ("shuffled", "another image"),
        )
        if len(readings.curve(name, metric, layer, control))
    ]
    beside = f" Beside it: {listed(others)}." if others else ""
    return (
        f"Curve: {readings.meaning(metric).phrase} at the {layer} under"
        f" {readings.words(name)}. {values}.{beside}"
    )
