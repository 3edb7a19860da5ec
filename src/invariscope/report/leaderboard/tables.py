"""The tables of the leaderboard page: standings, parts, correlations, numbers, runs."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from markupsafe import Markup

from invariscope.models.parts import PARTS
from invariscope.outside import shortened
from invariscope.report.kit.heat import HeatCell, HeatMap, value_cell
from invariscope.report.kit.words import number, transformation_words, with_interval
from invariscope.report.leaderboard.overlays import Mark
from invariscope.report.leaderboard.text import rank_words, strongest
from invariscope.report.run.meaning import Meaning, meaning_of
from invariscope.results import Leaderboard

ALL = "all transformations"
_SHORT = 22


def short_names(models: list[str]) -> dict[str, str]:
    """Names that fit beside a point: without provider and folder, at most 22 characters.

    Example:
        >>> short_names(["timm:resnet18", "timm:resnet18+untrained"])
        {'timm:resnet18': 'resnet18', 'timm:resnet18+untrained': 'resnet18+untrained'}
    """
    short = {}
    for model in models:
        tail = model.split(":", 1)[-1].split("/")[-1]
        short[model] = shortened(tail or model, _SHORT)
    taken = list(short.values())
    return {model: name if taken.count(name) == 1 else shortened(model, _SHORT)
            for model, name in short.items()}  # fmt: skip


def facts(board: Leaderboard) -> list[tuple[str, str]]:
    """Lists the facts that the page rests on."""
    names = {entry["transformation"] for entry in board.entries}
    return [
        ("Data", board.data),
        ("Images that all runs have", f"{board.images:,}"),
        ("Models", str(len(board.models))),
        ("Transformations", str(len(names))),
        ("Metrics", str(len(board.metrics))),
    ]


def about_metric(board: Leaderboard, metric: str) -> Meaning:
    """Looks up the meaning of a metric's values."""
    return meaning_of(metric, board.results[0].manifest)


def standing_columns(board: Leaderboard) -> list[tuple[str, str]]:
    """(heading, kind) of the table of models."""
    columns = [("Model", ""), ("Rank", "number")]
    for index, metric in enumerate(board.metrics):
        about = about_metric(board, metric)
        words = about.label
        if about.role == "right":
            words = f"{about.label}, transformed"
        elif index:
            words += f", {board.places[metric].layer or board.places[metric].part}"
        columns.append((words, "number"))
    if board.accuracy is not None:
        columns.append(("Accuracy, untouched" if _is_measured(board) else "Accuracy", "number"))
    return columns


def _is_measured(board: Leaderboard) -> bool:
    return board.accuracy is not None and bool(board.accuracy["ci_low"].notna().any())


def standing_rows(board: Leaderboard, drawn: dict[str, Mark]) -> list[list[str | Markup]]:
    """The models, best first in the first metric."""
    by = {(row["metric"], row["model"]): row for row in board.standings.to_dict("records")}
    accuracy = None
    if board.accuracy is not None:
        columns = (board.accuracy[name] for name in ("accuracy", "ci_low", "ci_high"))
        accuracy = dict(zip(board.accuracy["model"], zip(*columns, strict=True), strict=True))
    rows = []
    for model, mark in drawn.items():
        first = by[board.metrics[0], model]
        cells = [rank_words(first["rank"], first["rank_low"], first["rank_high"])]
        for metric in board.metrics:
            row = by[metric, model]
            cells.append(_with_interval(row["value"], row["ci_low"], row["ci_high"]))
        if accuracy is not None:
            cells.append(_with_interval(*accuracy[model]))
        rows.append([mark.head + model, *cells])
    return rows


def _with_interval(value, low, high) -> str:
    """Writes a number with its interval where there is one, and else without a word on it.

    A line may break before the interval, not within it.
    """
    known = math.isfinite(low) and math.isfinite(high)
    return with_interval(value, low, high).replace(", ", ",\u00a0") if known else number(value)


def part_maps(board: Leaderboard, letters: dict[str, str]) -> list[tuple[str, HeatMap]]:
    """Metrics and models by parts: (transformations, map), first over all of them, then each."""
    rows = board.averages[board.averages["layer"].isna()]
    scales = {metric: _scale(board, metric, rows) for metric in board.metrics}
    names = [None, *dict.fromkeys(rows["transformation"].dropna())]
    head = Markup('<span class="letter">{}</span> <span class="model">{}</span>')
    maps = []
    for name in names:
        acting = rows["transformation"]
        own = rows[acting.isna() if name is None else acting == name]
        parts = [part for part in PARTS if (own["part"] == part).any()]
        at = {(row.metric, row.model, row.part): row for row in own.itertuples()}
        groups: list = []
        for metric in board.metrics:
            models = [
                (
                    head.format(letter, model),
                    [_cell(at.get((metric, model, p)), scales[metric]) for p in parts],
                )
                for model, letter in letters.items()
            ]
            if any(cell.text != "–" for _, cells in models for cell in cells):
                title = Markup("{} <span>{}</span>").format(metric, board.direction(metric))
                groups.append((title, models))
        words = ALL if name is None else transformation_words(board.results[0].manifest, name)
        maps.append((words, HeatMap(parts, groups)))
    return maps


def _scale(board: Leaderboard, metric: str, rows: pd.DataFrame) -> tuple[float, float]:
    """(darkest, palest) value: 0 and 1 where the metric's own scale has them, else its extremes."""
    about = board.results[0].manifest["metrics"].get(metric, {})
    high = (about.get("range") or [None, None])[1]
    lower = board.ascending(metric)
    if high == 1 and not lower:
        return 0.0, 1.0
    values = rows[rows["metric"] == metric]["value"].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    ends = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return (ends[1], ends[0]) if lower else ends


def _cell(row, scale: tuple[float, float]) -> HeatCell:
    if row is None or not math.isfinite(row.value):
        return HeatCell("–", title="not measured or undefined")
    dark, pale = scale
    at = (row.value - dark) / (pale - dark) if pale != dark else 1.0
    return value_cell(row.value, row.ci_low, row.ci_high, row.n, at)


def correlation_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """The correlations, the strongest first."""
    if board.correlations.empty:
        return []
    return [
        (
            row["metric"],
            ALL if pd.isna(row["transformation"]) else row["transformation"],
            row["part"],
            with_interval(row["rho"], row["ci_low"], row["ci_high"]),
            number(row["p_value"], 4),
            number(row["p_adjusted"], 4) + ("*" if row["p_adjusted"] < 0.05 else ""),
            str(row["models"]),
        )
        for row in strongest(board.correlations).to_dict("records")
    ]


def number_rows(board: Leaderboard, longest: int) -> tuple[list[tuple[str, ...]], str]:
    """The means of parts, as far as a page can bear, and what was left out."""
    rows = board.averages[board.averages["layer"].isna()]
    total, note = len(rows), f"{len(rows):,} rows."
    if total > longest:
        rows = rows[(rows["metric"] == board.metrics[0]) | rows["transformation"].isna()]
        rows = rows.head(longest)
        note = (
            f"{len(rows):,} of {total:,} rows: the first metric under each transformation, the"
            " others over all of them."
        )
    return list(_numbers(rows)), note


def _numbers(rows: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for row in rows.to_dict("records"):
        name = ALL if pd.isna(row["transformation"]) else row["transformation"]
        ends = (number(row[end], 3) for end in ("value", "ci_low", "ci_high"))
        yield row["model"], row["metric"], name, row["part"], *ends, str(row["n"])


def run_rows(board: Leaderboard, letters: dict[str, str]) -> list[tuple[str, ...]]:
    """Lists the runs: model, input size, weights, images, date."""
    rows: list[tuple[str, ...]] = []
    for model, letter in letters.items():
        manifest = board.results[board.models.index(model)].manifest
        settings, execution = manifest["settings"], manifest.get("execution", {})
        size = (settings.get("preprocessing") or {}).get("size")
        rows.append(
            (
                letter,
                model,
                " × ".join(str(side) for side in size) if size else "own",
                str(len(settings["layers"])),
                str(settings.get("weights", ""))[:12] or "–",
                f"{manifest['images'].get('used', manifest['images']['selected']):,}",
                str(execution.get("started", ""))[:10] or "–",
            )
        )
    return rows


def conventions(board: Leaderboard) -> list[tuple[str, str]]:
    """Explains the numbers of the page."""
    terms = [
        (
            "Means",
            "The mean over the levels above 0 (equal levels once), over the layers of a part, and"
            " over transformations; each has the same say. Level 0 is the untouched image.",
        ),
        (
            "Intervals",
            "95 %, over images: the standard error of what each image contributes,"
            " studentised by the bootstrap, seeded; shares without a normal law. Where a run"
            " stopped by itself, the intervals of all hold whenever one looks.",
        ),
        (
            "Ranks",
            "Place by the mean, with the central 95 % of the places over resamples of the images."
            " Where these overlap, other images of the same kind could turn the order round.",
        ),
        (
            "Depth",
            "A layer’s place in per cent of the model’s own layers, in the order of execution: 0 %"
            " is the first, 100 % the last. Parts are thirds of the layers before global pooling"
            " (Early, Middle, Late), what lies right after it (Pool, the embedding), and the"
            " output before softmax (Final).",
        ),
    ]
    if not board.correlations.empty:
        words = (
            "Spearman’s ρ over the models between a measure and accuracy, from −1 to 1. The"
            " interval is over images, given these models: resamples, and how much more in order"
            " the models could be, by a test. p is over models, and corrected for all measures of"
            " the table. A measure for which lower is better shows its benefit as a"
            " negative ρ. That two things go together over a few models does not say why."
        )
        terms.append(("Rank correlation", words))
    words = "Each run’s own report has its levels, controls, border, fill and preprocessing."
    terms.append(("Everything else", words))
    return terms
