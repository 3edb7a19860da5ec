"""A leaderboard as text of 80 columns: models have letters."""

import math
import string
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from invariscope.statistics.correlation import FEWEST_MODELS, LARGEST_EXACT, ORDERS

if TYPE_CHECKING:
    from invariscope.results.leaderboard import Leaderboard

WIDTH = 80
STRONGEST = 12
PARTS = ("Early", "Middle", "Late", "Pool", "Final")


def leaderboard_text(board: "Leaderboard") -> str:
    """Standings in the first metric, its means by transformation, all metrics by part, ρ, notes."""
    letters = letters_of(board)
    blocks = [
        _standings(board, letters),
        _by_transformation(board, letters),
        _by_part(board, letters),
        _correlations(board),
    ]
    lines = [line for block in blocks for line in (*block, "")]
    lines += [part for note in board.notes for part in textwrap.wrap(f"note: {note}", WIDTH)]
    return "\n".join(lines).rstrip()


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
    """What the correlations say and what they do not, or why there are none; sentences."""
    models = len(board.models)
    if models < FEWEST_MODELS:
        return [
            f"Rank correlation with accuracy: left out, because over {models} models it is not"
            f" meaningful; {FEWEST_MODELS} are needed."
        ]
    if board.accuracy is None:
        return [
            f"Rank correlation with accuracy: left out, because the accuracy is"
            f" {board.accuracy_source}; --accuracy FILE.csv (columns model,accuracy) gives it."
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


def _standings(board: "Leaderboard", letters: dict[str, str]) -> Iterator[str]:
    metric = board.metrics[0]
    yield f"{len(board.models)} models on {board.data}, {board.images} images"
    yield ""
    place = board.places[metric].words
    title = f"{metric} {place}, mean over levels and transformations; {board.direction(metric)}"
    yield from textwrap.wrap(title, WIDTH)
    yield ""
    accuracy = (
        None
        if board.accuracy is None
        else dict(zip(board.accuracy["model"], board.accuracy["accuracy"], strict=True))
    )
    head = f"{'':3}{'mean, 95 %':24}{'rank, 95 %':12}"
    yield head + ("accuracy  model" if accuracy is not None else "model")
    frame = board.standings[board.standings["metric"] == metric]
    for row in frame.to_dict("records"):
        model, mean = row["model"], interval(row["value"], row["ci_low"], row["ci_high"])
        line = f"{letters[model]:3}{mean:24}"
        line += f"{rank_words(row['rank'], row['rank_low'], row['rank_high']):12}"
        line += f"{accuracy[model]:8.3f}  " if accuracy is not None else ""
        yield line + middle_cut(model, WIDTH - len(line))
    if accuracy is not None:
        yield ""
        yield from textwrap.wrap(f"Accuracy: {board.accuracy_source}.", WIDTH)


def _by_transformation(board: "Leaderboard", letters: dict[str, str]) -> Iterator[str]:
    metric, place = board.metrics[0], board.places[board.metrics[0]]
    yield f"{metric} {place.words}, by transformation"
    yield ""
    rows = board.averages
    rows = rows[(rows["metric"] == metric) & (rows["part"] == place.part)]
    rows = rows[rows["layer"].isna() if place.layer is None else rows["layer"] == place.layer]
    rows = rows[rows["transformation"].notna()]
    values = {(r["transformation"], r["model"]): r["value"] for r in rows.to_dict("records")}
    models = list(letters)
    for first in range(0, len(models), 7):
        some = models[first : first + 7]
        yield f"{'':19}" + "".join(f"{letters[model]:>8}" for model in some)
        for name in dict.fromkeys(rows["transformation"]):
            numbers = (short(values.get((name, model), math.nan)) for model in some)
            yield f"{middle_cut(str(name), 18):19}" + "".join(f"{n:>8}" for n in numbers)


def _by_part(board: "Leaderboard", letters: dict[str, str]) -> Iterator[str]:
    yield "every metric by part, mean over levels, layers and transformations"
    yield ""
    rows = board.averages
    rows = rows[rows["transformation"].isna() & rows["layer"].isna()]
    parts = [part for part in PARTS if (rows["part"] == part).any()]
    yield f"{'':33}" + "".join(f"{part:>8}" for part in parts)
    values = {(r["metric"], r["model"], r["part"]): r["value"] for r in rows.to_dict("records")}
    for metric in board.metrics:
        for number, (model, letter) in enumerate(letters.items()):
            name = middle_cut(metric, 29) if number == 0 else ""
            numbers = (short(float(values.get((metric, model, part), math.nan))) for part in parts)
            yield f"{name:30}{letter:3}" + "".join(f"{n:>8}" for n in numbers)


def _correlations(board: "Leaderboard") -> Iterator[str]:
    words = correlation_words(board)
    if strongest(board.correlations).empty:
        yield from (line for sentence in words for line in textwrap.wrap(sentence, WIDTH))
        return
    frame = strongest(board.correlations)
    shown = min(STRONGEST, len(frame))
    which = f"the {shown} strongest of {len(frame)}" if shown < len(frame) else f"all {shown}"
    yield f"what goes with accuracy: {which} measures"
    yield ""
    yield f"{'metric':27}{'transformation':16}{'part':7}{'rho, 95 %':21}{'p':>7}"
    for row in frame.head(shown).to_dict("records"):
        name = "all" if pd.isna(row["transformation"]) else row["transformation"]
        line = f"{middle_cut(row['metric'], 26):27}{middle_cut(name, 15):16}{row['part']:7}"
        rho = interval(row["rho"], row["ci_low"], row["ci_high"], sign="+", digits=2)
        star = "*" if row["p_adjusted"] < 0.05 else ""
        yield line + f"{rho:21}{row['p_adjusted']:7.4f}{star}"
    yield ""
    yield from (line for sentence in words for line in textwrap.wrap(sentence, WIDTH))


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


def interval(value: float, low: float, high: float, *, sign: str = "", digits: int = 3) -> str:
    """A number with its interval."""
    if math.isnan(low) or math.isnan(high):
        return short(value, sign, digits)
    middle, first, last = (short(number, sign, digits) for number in (value, low, high))
    return f"{middle} [{first}, {last}]"


def short(number: float, sign: str = "", digits: int = 3) -> str:
    """Three decimals, fewer for large numbers; a dash where there is none.

    Example:
        >>> short(0.12345), short(-1234.5), short(float("nan"))
        ('0.123', '-1234', '–')
    """
    if math.isnan(number):
        return "–"
    whole = len(f"{abs(number):.0f}")
    text = f"{number:{sign}.{max(0, min(digits, digits + 1 - whole))}f}"
    return text.replace("-", "") if float(text) == 0 else text


def middle_cut(name: str, width: int) -> str:
    """The name, with its middle left out where it is too long.

    Example:
        >>> middle_cut("timm:vit_small_patch16_224+untrained", 20)
        'timm:vit_s…untrained'
    """
    if len(name) <= width:
        return name
    back = (width - 1) // 2
    return f"{name[: width - 1 - back]}…{name[len(name) - back :]}"
