"""A card of the view: the curves of one transformation, and what the model saw at each level."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from invariscope.report.kit import svg
from invariscope.report.kit.look import Look
from invariscope.report.kit.page import render
from invariscope.report.kit.pictures import Thumbnail
from invariscope.report.kit.words import counted, number, with_interval
from invariscope.report.leaderboard.overlays import Mark, limits_of, over_levels
from invariscope.report.run import figures
from invariscope.report.run.cards import alternative
from invariscope.report.run.flips import Flip, flip_shown
from invariscope.report.run.levels import level_names, strip
from invariscope.report.view.choice import Choice, transformations_of
from invariscope.report.view.shown import ShownRun, Step, lettered, steps_of

#: The longer side of the photographs.
SIDE = 224
_CONTROLS = (
    ("untrained", "its untrained twin"),
    ("floor", "interpolation floor"),
    ("shuffled", "another image"),
)
_WIDE = Look(760, 250, left=40, right=24, top=10, bottom=38, text=10.5)
_PHONE = Look(340, 216, left=34, right=20, top=8, bottom=38, text=10.5)
_CURVE = ["level", "value", "ci_low", "ci_high", "n"]


@dataclass(frozen=True)
class Stop:
    """What a run has at a stop of the slider.

    Attributes:
        picture: The photograph as the model saw it, or None.
        value: The metric with its interval; "" where the run has none here.
        n: Over how many images.
        beside: (words, value) of the controls and of the predictions that are kept.
        flipped: How many answers have flipped by here, in words.
    """

    picture: Thumbnail | None
    value: str
    n: int
    beside: Sequence[tuple[str, str]]
    flipped: str


@dataclass(frozen=True)
class Side:
    """A run on a card: its stops, and the flips with the stops at which each is shown."""

    run: ShownRun
    mark: Mark
    stops: Sequence[Stop]
    flips: Sequence[tuple[str, Flip]]


def card_html(runs: Sequence[ShownRun], choice: Choice, name: str) -> str:
    """The card of a transformation as HTML; runs that do not have it are left out.

    Args:
        runs: The runs, at least one of which has the transformation.
        choice: Which metric, at which layer.
        name: The transformation.
    """
    having = [run for run in runs if name in run.readings.transformations]
    steps, drawn = steps_of(having, name), lettered(runs)
    sides = [_side(run, drawn[run.key], steps, choice, name) for run in having]
    order = [own for own, *_ in transformations_of(runs)]
    return render(
        "view/card.html",
        anchor=f"t{order.index(name)}",
        name=name,
        words=having[0].readings.words(name),
        phrase=having[0].readings.meaning(choice.metric).phrase,
        layer=choice.layer,
        drawings=_drawings(runs, having, steps, choice, name, f"t{order.index(name)}"),
        steps=steps,
        start=len(steps) // 2,
        said=[_said(step, k, sides, single=len(runs) == 1) for k, step in enumerate(steps)],
        sides=sides,
        single=len(runs) == 1,
    )


def _said(step: Step, position: int, sides: Sequence[Side], *, single: bool) -> str:
    """What is read aloud as the slider comes to a stop."""
    values = [
        (side.stops[position].value or "not measured")
        if single
        else f"{side.run.letter} {side.stops[position].value or 'not measured'}"
        for side in sides
    ]
    return f"{step.label}: {'; '.join(values)}"


def _side(run: ShownRun, mark: Mark, steps: Sequence[Step], choice: Choice, name: str) -> Side:
    readings = run.readings
    pictures = dict(
        zip(level_names(readings, name), strip(readings, name, side=SIDE), strict=False)
    )
    curves = {
        control: _by_level(readings.curve(name, choice.metric, choice.layer, control))
        for control in ("", "untrained", "floor")
    }
    null = figures.null_curve(readings, name, choice.metric, choice.layer)
    curves["shuffled"] = _by_level(null)
    kept = _by_level(figures.kept_curve(readings, name, choice.metric))
    own = run.flips[run.flips["transformation"] == name]
    far = {step.levels[run.key]: step.distance for step in steps if run.key in step.levels}
    first = np.array([far.get(int(level), math.inf) for level in own["level"]])
    stops = []
    for step in steps:
        level = step.levels.get(run.key)
        row = None if level is None else curves[""].get(level)
        if level is None or row is None:
            stops.append(Stop(pictures.get(level) if level is not None else None, "", 0, (), ""))
            continue
        beside = [
            (words, number(found["value"]) if control == "shuffled" else _interval(found))
            for control, words in _CONTROLS
            if (found := curves[control].get(level)) is not None
        ]
        if level in kept:
            beside.append(("prediction kept", _interval(kept[level])))
        count = int((first <= step.distance).sum())
        said = f"{count:,} of {counted(readings.n, 'answer')}" if run.has_answers else ""
        stops.append(Stop(pictures.get(level), _interval(row), int(row["n"]), beside, said))
    return Side(run, mark, stops, _flips(run, name, steps))


def _by_level(curve: pd.DataFrame) -> dict[int, Mapping[Any, Any]]:
    """The rows of a curve that have a value, by level."""
    known = curve[np.isfinite(curve["value"].to_numpy(dtype=float))]
    return {int(row["level"]): row for row in known[_CURVE].to_dict("records")}


def _interval(row: Mapping[Any, Any]) -> str:
    return with_interval(row["value"], row["ci_low"], row["ci_high"])


def _flips(run: ShownRun, name: str, steps: Sequence[Step]) -> list[tuple[str, Flip]]:
    """(stops at which it is shown, flip): that at which the answer flips, and those beyond it."""
    own = run.flips[run.flips["transformation"] == name]
    rows = {str(row["image"]): row for _, row in own.iterrows()}
    far = {step.levels[run.key]: step.distance for step in steps if run.key in step.levels}
    labels = {(name, level): label for level, label in level_names(run.readings, name).items()}
    found = []
    for picture in run.result.flip_pictures:
        if picture.transformation != name or picture.image not in rows:
            continue
        first = far.get(picture.level, math.inf)
        stops = [str(k) for k, step in enumerate(steps) if step.distance >= first]
        found.append((" ".join(stops), flip_shown(picture, rows[picture.image], labels)))
    return found


def _drawings(
    runs: Sequence[ShownRun],
    having: Sequence[ShownRun],
    steps: Sequence[Step],
    choice: Choice,
    name: str,
    anchor: str,
) -> list[tuple[Markup, str]]:
    """(figure, places of its marks as JSON), for wide screens and for telephones."""
    curves = pd.concat([_curve(run, steps, choice, name) for run in having])
    if curves.empty:
        return []
    found = []
    for width in ("wide", "phone"):
        if len(runs) == 1:
            look = figures.WIDE_WITH_TICKS if width == "wide" else figures.PHONE
            figure = _single(runs[0], choice, name, look)
            label = alternative(runs[0].readings, name, choice.metric, choice.layer)
            at = {k: k for k in range(len(steps))}
        else:
            look = _WIDE if width == "wide" else _PHONE
            figure = _overlaid(runs, curves, steps, choice, look)
            label = _overlay_words(having, choice, name)
            at = {int(step): k for k, step in enumerate(sorted(set(curves["level"])))}
        places = json.dumps(_places(figure, look, curves, at, len(steps)), separators=(",", ":"))
        found.append((Markup(svg.inline(figure, f"{anchor}{width}", label, width)), places))
    return found


def _single(run: ShownRun, choice: Choice, name: str, look: Look) -> Figure:
    readings, about = run.readings, (choice.metric, choice.layer)
    limits = figures.y_limits(readings, readings.transformations, *about)
    return figures.panel(readings, name, look, limits, *about)


def _overlaid(
    runs: Sequence[ShownRun],
    curves: pd.DataFrame,
    steps: Sequence[Step],
    choice: Choice,
    look: Look,
) -> Figure:
    every = [
        run.readings.curve(name, choice.metric, choice.layer)
        for run in runs
        for name in run.readings.transformations
    ]
    labels = {k: step.label for k, step in enumerate(steps)}
    return over_levels(curves, labels, lettered(runs), limits_of(*every), look)


def _curve(run: ShownRun, steps: Sequence[Step], choice: Choice, name: str) -> pd.DataFrame:
    """The run's curve: columns model (its key), level (the stop), value, ci_low, ci_high."""
    rows = _by_level(run.readings.curve(name, choice.metric, choice.layer))
    found = [
        (run.key, k, rows[level]["value"], rows[level]["ci_low"], rows[level]["ci_high"])
        for k, step in enumerate(steps)
        if (level := step.levels.get(run.key)) in rows
    ]
    return pd.DataFrame(found, columns=["model", "level", "value", "ci_low", "ci_high"])


def _overlay_words(having: Sequence[ShownRun], choice: Choice, name: str) -> str:
    readings = having[0].readings
    names = "; ".join(f"{run.letter}: {run.model}" for run in having)
    return (
        f"Curves of {readings.meaning(choice.metric).phrase} at the {choice.layer} under "
        f"{readings.words(name)}: {names}. The values at each level stand below."
    )


def _places(
    figure: Figure, look: Look, curves: pd.DataFrame, at: dict[int, int], count: int
) -> dict[str, Any]:
    """Where the slider's line and the dots on the curves stand, in the figure's own points."""
    (axes,) = figure.axes
    scale = 72 / figure.dpi

    def point(x: float, y: float) -> tuple[float, float]:
        across, up = axes.transData.transform((x, y)) * scale
        return round(float(across), 2), round(look.height - float(up), 2)

    lines = [point(at[k], 0)[0] if k in at else None for k in range(count)]
    low, high = axes.get_ylim()
    dots: dict[str, list[Any]] = {}
    for key, own in curves.groupby("model", sort=False):
        values = dict(zip(own["level"].astype(int), own["value"].astype(float), strict=True))
        inside = {k: min(max(value, low), high) for k, value in values.items()}
        dots[str(key)] = [point(at[k], inside[k])[1] if k in inside else None for k in range(count)]
    top, bottom = look.top, look.height - look.bottom
    return {"x": lines, "y": dots, "span": [top, bottom]}
