"""Shows the end of a run in the terminal, in 80 columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invariscope.cli.screen import Screen
from invariscope.report.kit.words import duration
from invariscope.report.run.readings import HEADLINE_LAYERS, Readings
from invariscope.report.run.verdict import verdict
from invariscope.results import Result
from invariscope.runs import Cost
from invariscope.sweep import Sweep
from invariscope.terminal import Table, paragraphs, table


def show_plan(screen: Screen, sweep: Sweep, cost: Cost, folder: Path) -> None:
    """Shows the plan of a run that is not carried out (``--dry-run``)."""
    settings = sweep.manifest["settings"]
    layers = [layer["name"] for layer in settings["layers"]]
    used, there = len(sweep.subject.selected), len(sweep.source.ids)
    lines = {
        "model": f"{settings['model']}, input {input_words(settings['preprocessing'])}",
        "data": f"{settings['data']}: {used} of {there} images",
        "cells": f"{sweep.cells} ({len(settings['cells'])} levels, equal ones once)",
        "metrics": ", ".join(settings["metrics"]),
        "layers": f"{len(layers)}: {layers[0]} … {layers[-1]}",
        "controls": ", ".join(settings["controls"]),
        "passes": f"{cost.passes} forward passes (image × cell)",
        "time": f"about {duration(cost.seconds)} on {sweep.probe.device}, forward passes only",
        "memory": f"about {cost.bytes / 2**30:.1f} GiB",
        "output": str(folder),
    }
    screen.print(paragraphs(lines.items(), 10))
    show_decisions(screen, sweep.manifest)


def input_words(preprocessing: Mapping[str, Any]) -> str:
    """Says how large the pictures are that the model gets.

    Example:
        >>> input_words({"size": [224, 224]}), input_words({"size": None})
        ('224 × 224', 'as large as the pictures')
    """
    size = preprocessing["size"]
    return "as large as the pictures" if size is None else " × ".join(map(str, size))


def show_decisions(screen: Screen, manifest: Mapping[str, Any]) -> None:
    """Shows what a run has decided before it starts, and its warnings."""
    decisions = manifest["decisions"].items()
    screen.print(paragraphs([("decided", f"{name}: {text}") for name, text in decisions], 10))
    show_notes(screen, [*manifest["images"]["notes"], *manifest["warnings"]])


def show_notes(screen: Screen, notes: Sequence[str], skipped: Sequence[dict[str, str]] = ()):
    """Shows the run's other notes, and which images were left out."""
    for note in notes:
        screen.say(f"note: {note}", style="yellow")
    if skipped:
        first = skipped[0]
        text = f"skipped {len(skipped)} images, the first: {first['image']}: {first['reason']}"
        screen.unbroken(text, style="yellow")


def show_result(screen: Screen, result: Result) -> None:
    """Shows the verdict in words, then the first metric at three levels of each transformation."""
    screen.print()
    for finding in verdict(result):
        if finding.kind != "words":  # the legend below the table is shorter
            screen.say(finding.text)
    screen.print()
    readings = Readings(result)
    if readings.headline is not None:
        screen.print(_table(readings, *readings.headline))
        screen.say(_legend(readings, *readings.headline), style="dim")
    show_notes(screen, result.warnings, result.manifest["images"]["skipped"])


# What stands beside the measurement, all the way: a control, its column, what it is.
_BESIDE = (
    ("untrained", "twin", "the twin is the same architecture untrained, all the way"),
    ("shuffled", "by chance", "by chance: with the maps of another image, all the way"),
)


def _table(readings: Readings, metric: str, layer: str) -> Table:
    beside = _beside(readings, metric, layer)
    scaled = readings.meaning(metric).high is None
    rows = []
    for name in readings.transformations:
        curve = readings.curve(name, metric, layer)
        moved = curve[curve["level"] > 0]
        shown = curve if moved.empty else moved  # derivatives are taken at level 0
        picked = [round(part * len(shown) / 3) - 1 for part in (1, 2, 3) if part * len(shown) >= 3]
        cells = [_cell(shown.iloc[number], scaled) for number in picked]
        last = "level 0" if moved.empty else _shown(readings, name, int(shown.iloc[-1]["level"]))
        line = [name, *[""] * (3 - len(cells)), *cells, last]
        for control, _, _ in beside:
            own = readings.curve(name, metric, layer, control)
            own = own[own["level"].isin(shown["level"])]
            line.append(
                "" if own.empty or own.iloc[-1]["n"] == 0 else _short(own.iloc[-1]["value"], scaled)
            )
        rows.append(line)
    head = ["transformation", ">a third", ">two thirds", ">all the way", "<that is"]
    title = f"{metric} at {_place(layer)}, n = {readings.n}"
    return table([*head, *(f">{column}" for _, column, _ in beside)], rows, title=title)


def _beside(readings: Readings, metric: str, layer: str) -> list[tuple[str, str, str]]:
    """Chooses the controls that the table shows."""
    wanted = {"untrained"} | ({"shuffled"} if readings.meaning(metric).null else set())
    return [
        control for control in _BESIDE
        if control[0] in wanted
        and any(len(readings.curve(n, metric, layer, control[0])) for n in readings.transformations)
    ]  # fmt: skip


def _legend(readings: Readings, metric: str, layer: str) -> str:
    about = readings.meaning(metric)
    worst, best = about.end_words()
    if about.null or about.graded:
        text = f"1: {best}; 0: {worst}"
    else:
        text = about.direction[:1].upper() + about.direction[1:]
        text += ", without a unit" if about.unit == "none" else ""
    text += ". ± is the longer arm of the 95 % interval over images"
    words = [words for _, _, words in _beside(readings, metric, layer)]
    return "; ".join([text, *words]) + "."


def _place(layer: str) -> str:
    return f"the {layer}" if layer in HEADLINE_LAYERS else layer


def _cell(row, scaled: bool) -> str:
    """Writes a value with its interval; of a metric without an upper end small ones count too."""
    if row.n == 0:
        return "undefined"
    half = max(row.ci_high - row.value, row.value - row.ci_low)
    if not scaled or _is_plain(row.value):
        return f"{row.value:z.2f} ±{half:.2f}"
    return f"{row.value:.1e} ±{half:.0e}"


def _short(value: float, scaled: bool) -> str:
    """Writes two decimals, or two digits where these would show only zeros of what is `scaled`."""
    return f"{value:z.2f}" if not scaled or _is_plain(value) else f"{value:.1e}"


def _is_plain(value: float) -> bool:
    return bool(value == 0 or 0.005 <= abs(value) < 1000)


def _shown(readings: Readings, name: str, level: int) -> str:
    for entry in readings.settings["cells"]:
        if entry["transformation"] == name and entry["level"] == level:
            return entry["shown"].removesuffix(" of the side")
    return ""
