"""What the terminal shows at the end of a run, in 80 columns."""

import textwrap
from pathlib import Path

from rich.console import Console
from rich.table import Table

from invariscope.report import verdict
from invariscope.results import Result
from invariscope.sweep import Cost, Run


def show_plan(console: Console, run: Run, cost: Cost, folder: Path) -> None:
    """The plan of a run that is not carried out (``--dry-run``)."""
    settings = run.manifest["settings"]
    layers = [layer["name"] for layer in settings["layers"]]
    lines = {
        "model": f"{settings['model']}, input {run.manifest['settings']['preprocessing']['size']}",
        "data": f"{settings['data']}: {cost.images} of {len(run.source.ids)} images",
        "cells": f"{cost.cells} ({len(settings['cells'])} levels, equal ones once)",
        "metrics": ", ".join(settings["metrics"]),
        "layers": f"{len(layers)}: {layers[0]} … {layers[-1]}",
        "controls": ", ".join(settings["controls"]),
        "passes": f"{cost.passes} forward passes (image × cell)",
        "time": f"about {_duration(cost.seconds)} on {run.probe.device}, forward passes only",
        "memory": f"about {cost.bytes / 2**30:.1f} GiB",
        "output": str(folder),
    }
    for name, text in lines.items():
        console.print(textwrap.fill(f"{name:9} {text}", 80, subsequent_indent=" " * 10))
    for warning in run.manifest["warnings"]:
        console.print(textwrap.fill(f"note: {warning}", 80), style="yellow")


def show_result(console: Console, result: Result) -> None:
    """The verdict in words, then relative invariance at three levels for each transformation."""
    console.print()
    for finding in verdict(result):
        if finding.kind != "words":  # the legend below the table is shorter
            console.print(textwrap.fill(finding.text, 80))
    console.print()
    console.print(_table(result))
    legend = (
        "1: the transformation changes nothing; 0: the image is as far from itself as from another "
        "image. ± is the longer arm of the 95 % interval over images"
    )
    if (result.controls.control == "untrained").any():
        legend += "; the twin is the same architecture untrained, all the way"
    console.print(textwrap.fill(f"{legend}.", 80), style="dim")
    for warning in [*result.warnings, *result.manifest["warnings"]]:
        console.print(textwrap.fill(f"note: {warning}", 80), style="yellow")
    skipped = result.manifest["images"]["skipped"]
    if skipped:
        first = skipped[0]
        console.print(
            f"skipped {len(skipped)} images, the first: {first['image']}: {first['reason']}",
            style="yellow",
            soft_wrap=True,
        )


def _table(result: Result) -> Table:
    settings = result.manifest["settings"]
    metric = settings["metrics"][0]
    layer = "logits" if metric in ("accuracy", "prediction_consistency") else "embedding"
    frame = result.frame
    frame = frame[(frame.metric == metric) & (frame.layer == layer) & frame["class"].isna()]
    twin = result.controls
    twin = twin[(twin.control == "untrained") & (twin.metric == metric) & (twin.layer == layer)]
    table = Table(
        title=f"{metric} at the {layer}, n = {result.manifest['images']['used']}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("transformation", no_wrap=True)
    for name in ("a third", "two thirds", "all the way"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("that is", no_wrap=True)
    if len(twin):
        table.add_column("its twin", justify="right", no_wrap=True)
    for name in dict.fromkeys(frame.transformation):
        rows = frame[(frame.transformation == name) & (frame.level > 0)]
        picked = [round(part * len(rows) / 3) - 1 for part in (1, 2, 3) if part * len(rows) >= 3]
        cells = [_cell(rows.iloc[place]) for place in picked]
        last = _shown(settings, name, int(rows.iloc[-1].level)) if len(rows) else ""
        line = [name, *[""] * (3 - len(cells)), *cells, last]
        if len(twin):
            own = twin[(twin.transformation == name) & (twin.level > 0)]
            line.append("" if own.empty or own.iloc[-1].n == 0 else f"{own.iloc[-1].value:.2f}")
        table.add_row(*line)
    return table


def _cell(row) -> str:
    if row.n == 0:
        return "undefined"
    half = max(row.ci_high - row.value, row.value - row.ci_low)
    return f"{row.value:.2f} ±{half:.2f}"


def _shown(settings: dict, name: str, level: int) -> str:
    for entry in settings["cells"]:
        if entry["transformation"] == name and entry["level"] == level:
            return entry["shown"].removesuffix(" of the side")
    return ""


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
