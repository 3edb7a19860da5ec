"""The leaderboard page: many models side by side, one HTML file that needs nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from invariscope.models.parts import PARTS
from invariscope.report.kit.drawings import Drawing, drawing
from invariscope.report.kit.heat import GRADIENT
from invariscope.report.kit.page import render, write_page
from invariscope.report.kit.words import (
    capitalised,
    number,
    transformation_words,
    with_interval,
)
from invariscope.report.leaderboard import overlays
from invariscope.report.leaderboard.tables import (
    about_metric,
    conventions,
    correlation_rows,
    facts,
    number_rows,
    part_maps,
    run_rows,
    short_names,
    standing_columns,
    standing_rows,
)
from invariscope.report.leaderboard.text import correlation_words, letters_of
from invariscope.report.run.levels import level_names
from invariscope.report.run.readings import Readings
from invariscope.results import Leaderboard

LONGEST = 1500


@dataclass(frozen=True)
class OverlayCard:
    """A transformation: what its curves say, and the curves."""

    anchor: str
    name: str
    words: str
    reading: str
    drawings: list[Drawing]


def render_leaderboard(board: Leaderboard, path: str | Path) -> Path:
    """Writes the page of a leaderboard.

    Args:
        board: The leaderboard.
        path: The file to write, or a folder, which gets ``leaderboard.html``. The same runs give
            the same bytes.

    Returns:
        The file that was written.

    Raises:
        InputError: If the file cannot be written.
    """
    return write_page(path, page(board), "leaderboard.html")


def page(board: Leaderboard) -> str:
    """The leaderboard as the text of an HTML page."""
    letters = letters_of(board)
    drawn = overlays.marks(letters)
    metric = board.metrics[0]
    rows, note = number_rows(board, LONGEST)
    return render(
        "leaderboard/page.html",
        models=len(letters),
        data=board.data,
        facts=facts(board),
        lead=_lead(board),
        metric_words=about_metric(board, metric).phrase,
        place=board.places[metric].words,
        direction=board.direction(metric),
        key=[(mark.head, model) for model, mark in drawn.items()],
        headings=standing_columns(board),
        standings=standing_rows(board, drawn),
        cards=list(_cards(board, drawn)),
        others=list(_other_metrics(board, drawn)),
        part_maps=part_maps(board, letters),
        gradient=GRADIENT,
        correlation_words=correlation_words(board),
        correlations=correlation_rows(board),
        scatters=list(_scatters(board, drawn)),
        accuracy_source=board.accuracy_source,
        numbers=rows,
        numbers_note=note,
        conventions_title="How to read it",
        conventions=conventions(board),
        decisions=(),
        warnings=board.notes,
        runs=run_rows(board, letters),
        version=board.results[0].manifest.get("version", ""),
    )


def _lead(board: Leaderboard) -> str:
    """Names the first model, and counts those that these images do not tell apart from it."""
    metric = board.metrics[0]
    rows = board.standings[board.standings["metric"] == metric]
    first, last = rows.iloc[0], rows.iloc[-1]
    if not np.isfinite(first["value"]):
        return f"No model has a value of {about_metric(board, metric).phrase}."
    text = (
        f"{first['model']} stands first:"
        f" {with_interval(first['value'], first['ci_low'], first['ci_high'])},"
        f" against {with_interval(last['value'], last['ci_low'], last['ci_high'])} of"
        f" {last['model']}, which stands last."
    )
    rivals = int((rows["rank_low"] <= first["rank_high"]).sum()) - 1
    if first["rank_high"] > 1 and rivals:
        others = "another model" if rivals == 1 else f"{rivals} other models"
        text += f" Other images could put {others} in its place: their ranks overlap."
    else:
        text += " It does so in all but the rarest resamples of the images."
    return text


def _cards(board: Leaderboard, drawn: dict[str, overlays.Mark]) -> Iterator[OverlayCard]:
    """One card for each transformation: the headline metric over levels and over depth."""
    metric = board.metrics[0]
    about = about_metric(board, metric)
    curves = board.curves[board.curves["metric"] == metric]
    layers = _layers(board, metric)
    limits = overlays.limits_of(curves, layers)
    readings = Readings(board.results[0])
    for index, name in enumerate(dict.fromkeys(layers["transformation"].dropna())):
        here = f"t{index}"
        labels = level_names(readings, name)
        panels = []
        own = curves[curves["transformation"] == name]
        if len(own):
            label = _alternative(board, name, drawn)
            figure = overlays.over_levels(own, labels, drawn, limits)
            caption = f"Over its levels, {board.places[metric].words}"
            panels.append(drawing(figure, f"{here}l", label, caption))
        own = layers[layers["transformation"] == name]
        if own.groupby("model").size().max() > 1:
            label = f"{about.label} of each model over its depth under {name}."
            figure = overlays.over_depth(own, drawn, limits)
            panels.append(drawing(figure, f"{here}d", label, "Over depth, mean over the levels"))
        words = transformation_words(board.results[0].manifest, name)
        yield OverlayCard(here, name, words, _reading(board, name), panels)


def _other_metrics(
    board: Leaderboard, drawn: dict[str, overlays.Mark]
) -> Iterator[tuple[str, str, list[Drawing]]]:
    """(metric, its direction, depth curves by transformation) of the other metrics with a depth."""
    for number_, metric in enumerate(board.metrics[1:]):
        about = about_metric(board, metric)
        layers = _layers(board, metric)
        if layers.empty or layers.groupby(["model", "transformation"]).size().max() < 2:
            continue
        limits = overlays.limits_of(layers)
        panels = []
        for position, name in enumerate(dict.fromkeys(layers["transformation"].dropna())):
            own = layers[layers["transformation"] == name]
            figure = overlays.over_depth(own, drawn, limits)
            label = f"{about.label} of each model over its depth under {name}."
            words = transformation_words(board.results[0].manifest, name)
            panels.append(drawing(figure, f"m{number_}x{position}", label, capitalised(words)))
        yield metric, board.direction(metric), panels


def _scatters(board: Leaderboard, drawn: dict[str, overlays.Mark]) -> Iterator[Drawing]:
    """The headline metric in each part against accuracy."""
    if board.accuracy is None:
        return
    metric = board.metrics[0]
    about, rows = about_metric(board, metric), board.averages
    rows = rows[(rows["metric"] == metric) & rows["layer"].isna() & rows["transformation"].isna()]
    accuracy = board.accuracy.rename(columns={"ci_low": "accuracy_low", "ci_high": "accuracy_high"})
    names = short_names(list(drawn))
    for part in PARTS:
        points = rows[rows["part"] == part].merge(accuracy, on="model")
        if np.isfinite(points["value"].to_numpy(dtype=float)).sum() < 2:
            continue
        figure = overlays.against_accuracy(points, drawn, names)
        overall = board.correlations[board.correlations["transformation"].isna()]
        correlations = overall[(overall["metric"] == metric) & (overall["part"] == part)]
        caption = part
        if len(correlations):
            row = correlations.iloc[0]
            caption += f": ρ = {with_interval(row['rho'], row['ci_low'], row['ci_high'])}"
        label = f"{about.label} in the part {part} against accuracy, one point a model."
        yield drawing(figure, f"s{part}", label, caption)


def _layers(board: Leaderboard, metric: str) -> pd.DataFrame:
    rows = board.averages
    known = rows["layer"].notna() & rows["transformation"].notna()
    return rows[(rows["metric"] == metric) & known]


def _at_place(board: Leaderboard, name: str) -> pd.DataFrame:
    """The models' averages of the headline metric under a transformation, best first."""
    metric = board.metrics[0]
    place = board.places[metric]
    rows = board.averages
    rows = rows[(rows["metric"] == metric) & (rows["transformation"] == name)]
    rows = rows[rows["part"] == place.part]
    rows = rows[rows["layer"].isna() if place.layer is None else rows["layer"] == place.layer]
    rows = rows[np.isfinite(rows["value"].to_numpy(dtype=float))]
    return rows.sort_values("value", ascending=board.ascending(metric), kind="stable")


def _reading(board: Leaderboard, name: str) -> str:
    rows = _at_place(board, name)
    if rows.empty:
        return "No model has a value."
    first, last = rows.iloc[0], rows.iloc[-1]
    return (
        f"First: {first['model']},"
        f" {with_interval(first['value'], first['ci_low'], first['ci_high'])}."
        f" Last: {last['model']},"
        f" {with_interval(last['value'], last['ci_low'], last['ci_high'])}."
    )


def _alternative(board: Leaderboard, name: str, drawn: dict[str, overlays.Mark]) -> str:
    """A figure's text alternative: the models and their means."""
    rows = _at_place(board, name)
    values = "; ".join(f"{row.model}: {number(float(str(row.value)))}" for row in rows.itertuples())
    metric = about_metric(board, board.metrics[0]).phrase
    return f"Curves: {metric} of {len(drawn)} models under {name}. Mean over levels: {values}."
