"""What can be chosen of runs: transformations, a metric, a layer; and what does not compare."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invariscope.errors import InputError
from invariscope.report.kit.heat import GRADIENT, HeatMap
from invariscope.report.kit.page import render
from invariscope.report.kit.words import capitalised, counted, listed
from invariscope.report.run.cards import key
from invariscope.report.run.readings import LOGITS
from invariscope.report.run.tables import heat_map
from invariscope.report.view.shown import ShownRun, lettered

#: By a run's key: the address of the page of each layer.
Links = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Choice:
    """A metric at a layer that all runs have.

    Attributes:
        metric: Its name.
        layer: The layer's name.
        metrics: All metrics that all runs have.
        layers: (name, part) of the layers at which all runs have it.
        notes: What is left out, or does not compare.
    """

    metric: str
    layer: str
    metrics: Sequence[str]
    layers: Sequence[tuple[str, str]]
    notes: Sequence[str]


def choose(runs: Sequence[ShownRun], metric: str = "", layer: str = "") -> Choice:
    """Chooses a metric and a layer: those wanted if all runs have them, else the report's.

    Raises:
        InputError: The runs have no metric in common, or none at a layer that all of them have.
    """
    places = [_places(run) for run in runs]
    metrics = [name for name in places[0] if all(name in own for own in places[1:])]
    shared = {
        name: [la for la in places[0][name] if all(la in own[name] for own in places[1:])]
        for name in metrics
    }
    metrics = [name for name in metrics if shared[name]]
    if not metrics:
        raise InputError(
            "these runs have no metric at a layer in common: choose others, or measure the models "
            "with the same `metrics`"
        )
    headline = runs[0].readings.headline or ("", "")
    metric = next((name for name in (metric, headline[0]) if name in metrics), metrics[0])
    at = shared[metric]
    layer = next((name for name in (layer, headline[1], LOGITS) if name in at), at[-1])
    parts = {known["name"]: str(known["part"]) for known in runs[0].readings.layers}
    layers = [(name, parts[name]) for name in at]
    return Choice(metric, layer, metrics, layers, _notes(runs, places, metrics, at))


def _places(run: ShownRun) -> dict[str, list[str]]:
    """The layers of each measured metric, in depth order."""
    rows = run.readings.overall
    rows = rows[(rows["control"] == "") & rows["value"].notna()]
    present = set(zip(rows["metric"], rows["layer"], strict=True))
    order = [layer["name"] for layer in run.readings.layers]
    return {
        metric: [name for name in order if (metric, name) in present]
        for metric in dict.fromkeys(map(str, rows["metric"]))
    }


def _notes(
    runs: Sequence[ShownRun],
    places: Sequence[dict[str, list[str]]],
    metrics: Sequence[str],
    layers: Sequence[str],
) -> list[str]:
    notes = [f"{run.letter}: {warning}" for run in runs for warning in run.result.warnings]
    if len(runs) == 1:
        return [note.partition(": ")[2] for note in notes]
    if len({run.data for run in runs}) > 1:
        notes.append("The runs are on different data: their curves say nothing of the models.")
    lost = sorted(set().union(*places).difference(metrics))
    if lost:
        notes.append(f"Not all runs have {listed(lost)}.")
    here = {name for own in places for known in own.values() for name in known}
    others = len(here.difference(layers))
    if others:
        notes.append(f"{counted(others, 'layer')} that not all runs have, left out here.")
    return notes


def transformations_of(runs: Sequence[ShownRun]) -> list[tuple[str, str, str]]:
    """(name, words, letters of the runs that have it; "" if all do) of the transformations."""
    names = dict.fromkeys(name for run in runs for name in run.readings.transformations)
    found = []
    for name in names:
        having = [run for run in runs if name in run.readings.transformations]
        only = "" if len(having) == len(runs) else ", ".join(run.letter for run in having)
        found.append((name, having[0].readings.words(name), only))
    return found


def choice_html(runs: Sequence[ShownRun], choice: Choice, links: Links) -> str:
    """The part of the page with the filters, as HTML; arguments as for `layers_html`."""
    drawn = lettered(runs)
    readings = runs[0].readings
    first = [name for name, *_ in transformations_of(runs)]
    return render(
        "view/choice.html",
        choice=choice,
        metrics=[(name, readings.meaning(name).label) for name in choice.metrics],
        runs=[(run, drawn[run.key]) for run in runs],
        transformations=transformations_of(runs),
        key=key(readings, first, choice.metric) if len(runs) == 1 else [],
        compare=shlex.join(["invariscope", "compare", *(run.name for run in runs)]),
        pages=[(run, links[run.key].get(choice.layer, "")) for run in runs],
        single=len(runs) == 1,
    )


def layers_html(runs: Sequence[ShownRun], choice: Choice, links: Links) -> str:
    """The part of the page with the layers of each run, as HTML.

    Args:
        runs: The runs.
        choice: What is shown of them.
        links: The pages of their layers.
    """
    about = runs[0].readings.meaning(choice.metric)
    maps: list[dict[str, Any]] = []
    for run in runs:
        heat: HeatMap | None = heat_map(run.readings, links[run.key], choice.metric)
        maps.append({"run": run, "heat": heat, "links": links[run.key]})
    return render(
        "view/layers.html",
        maps=maps,
        words=capitalised(f"{about.phrase}: mean over {about.levels_words}"),
        gradient=GRADIENT,
        single=len(runs) == 1,
    )
