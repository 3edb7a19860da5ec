"""A leaderboard as text of 80 columns: models have letters."""

import math
import string
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from invariscope.models.parts import PARTS
from invariscope.statistics.correlation import FEWEST_MODELS, LARGEST_EXACT, ORDERS
from invariscope.terminal import Table, interval, rendered, short, table

if TYPE_CHECKING:
    from invariscope.results.leaderboard import Leaderboard

Blocks = Iterator[str | Table]
STRONGEST = 12
_MODELS_BESIDE = 7  # in a table of 80 columns


def leaderboard_text(board: "Leaderboard") -> str:
    """Standings in the first metric, its means by transformation, all metrics by part, ρ, notes.

    The differences of two models come first.
    """
    letters = letters_of(board)
    parts = [rendered(*part(board, letters)) for part in (_standings, _by_transformation, _by_part)]
    parts.append(rendered(*_correlations(board)))
    if board.comparison is not None:
        parts.insert(0, board.comparison.to_text(notes=False))
    notes = [rendered(*(f"note: {note}" for note in board.notes))] if board.notes else []
    return "\n\n".join([*parts, *notes])


def letters_of(board: "Leaderboard") -> dict[str, str]:
    """A letter for each model, best first in the first metric: A to Z, then AA, AB and so on.

    Two models keep the letters that the table of their differences gives them: the first run is A.
    """
    models = board.standings[board.standings["metric"] == board.metrics[0]]["model"]
    alphabet = string.ascii_uppercase
    names = [*alphabet, *(first + second for first in alphabet for second in alphabet)]
    order = board.models if len(board.models) == 2 else models
    letter = dict(zip(order, names, strict=False))
    return {model: letter[model] for model in models}


def correlation_words(board: "Leaderboard") -> list[str]:
    """Says in sentences what the correlations show and what not, or why there are none."""
    models = len(board.models)
    if models < FEWEST_MODELS:
        return [
            f"Rank correlation with accuracy: left out, because over {models} models it is not"
            f" meaningful; {FEWEST_MODELS} are needed."
        ]
    if board.accuracy is None:
        return [
            f"Rank correlation with accuracy: left out, because the accuracy is"
            f" {board.accuracy_source}; `accuracy` gives it (for each model a share from 0 to 1)."
        ]
    count = int(board.correlations["rho"].notna().sum())
    if not count:
        return [
            "Rank correlation with accuracy: undefined, because the models are tied in accuracy or"
            " in every measure."
        ]
    least = 2 / math.factorial(models) if models <= LARGEST_EXACT else 1 / (ORDERS + 1)
    orders = f"all {math.factorial(models):,}" if models <= LARGEST_EXACT else f"{ORDERS:,} random"
    given = " The accuracies are given, and not resampled." if _is_given(board) else ""
    also = "" if given else ", and for accuracy"
    return [
        "Spearman's rank correlation over the models of each measure with accuracy"
        f" ({board.accuracy_source}). The interval is over images, given these models: the same"
        f" resampled images for all of them{also}.{given} p is over models: {orders} orders of the"
        f" {models}, two-sided, corrected (Benjamini and Hochberg) over the"
        f" {count} measures of the table. With {models} models it is at least"
        f" {least:.2g} before correction; * is below 0.05."
    ]


def _is_given(board: "Leaderboard") -> bool:
    return board.accuracy is not None and bool(board.accuracy["ci_low"].isna().all())


def _standings(board: "Leaderboard", letters: dict[str, str]) -> Blocks:
    metric = board.metrics[0]
    place = board.places[metric].words
    yield f"{len(board.models)} models on {board.data}, {board.images} images"
    yield ""
    yield f"{metric} {place}, mean over levels and transformations; {board.direction(metric)}"
    yield ""
    known = board.accuracy
    accuracy = {} if known is None else dict(zip(known["model"], known["accuracy"], strict=True))
    frame = board.standings[board.standings["metric"] == metric]
    rows = []
    for row in frame.to_dict("records"):
        mean = interval(row["value"], row["ci_low"], row["ci_high"])
        rank = rank_words(row["rank"], row["rank_low"], row["rank_high"])
        own = [f"{accuracy[row['model']]:.3f}"] if accuracy else []
        rows.append([letters[row["model"]], mean, rank, *own, row["model"]])
    head = ["<", "<mean, 95 %", "<rank, 95 %", *([">accuracy"] if accuracy else []), "model"]
    yield table(head, rows)
    if accuracy:
        yield ""
        yield f"Accuracy: {board.accuracy_source}."


def _by_transformation(board: "Leaderboard", letters: dict[str, str]) -> Blocks:
    metric, place = board.metrics[0], board.places[board.metrics[0]]
    yield f"{metric} {place.words}, by transformation"
    yield ""
    rows = board.averages
    rows = rows[(rows["metric"] == metric) & (rows["part"] == place.part)]
    rows = rows[rows["layer"].isna() if place.layer is None else rows["layer"] == place.layer]
    rows = rows[rows["transformation"].notna()]
    values = {(r["transformation"], r["model"]): r["value"] for r in rows.to_dict("records")}
    models = list(letters)
    for first in range(0, len(models), _MODELS_BESIDE):
        some = models[first : first + _MODELS_BESIDE]
        yield table(
            ["", *(f">{letters[model]}" for model in some)],
            [
                [name, *(short(values.get((name, model), math.nan)) for model in some)]
                for name in dict.fromkeys(rows["transformation"])
            ],
        )


def _by_part(board: "Leaderboard", letters: dict[str, str]) -> Blocks:
    yield "every metric by part, mean over levels, layers and transformations"
    yield ""
    rows = board.averages
    rows = rows[rows["transformation"].isna() & rows["layer"].isna()]
    parts = [part for part in PARTS if (rows["part"] == part).any()]
    values = {(r["metric"], r["model"], r["part"]): r["value"] for r in rows.to_dict("records")}
    lines = []
    for metric in board.metrics:
        for number, (model, letter) in enumerate(letters.items()):
            numbers = (short(float(values.get((metric, model, part), math.nan))) for part in parts)
            lines.append([metric if number == 0 else "", letter, *numbers])
    yield table(["", "<", *(f">{part}" for part in parts)], lines)


def _correlations(board: "Leaderboard") -> Blocks:
    frame = strongest(board.correlations)
    if not frame.empty:
        shown = min(STRONGEST, len(frame))
        which = f"the {shown} strongest of {len(frame)}" if shown < len(frame) else f"all {shown}"
        yield f"what goes with accuracy: {which} measures"
        yield ""
        rows = []
        for row in frame.head(shown).to_dict("records"):
            name = "all" if pd.isna(row["transformation"]) else row["transformation"]
            rho = interval(row["rho"], row["ci_low"], row["ci_high"], sign="+", digits=2)
            star = "*" if row["p_adjusted"] < 0.05 else ""
            rows.append([row["metric"], name, row["part"], rho, f"{row['p_adjusted']:.4f}", star])
        yield table(["metric", "transformation", "<part", "<rho, 95 %", ">p", "<"], rows)
        yield ""
    yield from correlation_words(board)


def strongest(correlations: pd.DataFrame) -> pd.DataFrame:
    """The defined correlations, the largest |ρ| first; equal ones as in the table."""
    frame = correlations[correlations["rho"].notna()]
    return frame.iloc[(-frame["rho"].abs().round(9)).argsort(kind="stable")]


def rank_words(rank: int, low: int, high: int) -> str:
    """A rank with its interval.

    Example:
        >>> rank_words(2, 1, 3), rank_words(1, 1, 1)
        ('2 [1, 3]', '1')
    """
    return str(rank) if low == high == rank else f"{rank} [{low}, {high}]"
