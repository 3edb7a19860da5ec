"""Adds to a search of `invariscope factors`: alignment, hierarchy, a recommendation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invariscope.advice.alignment import Alignment, align
from invariscope.advice.recommendation import ADVICE, Recommendation, recommend
from invariscope.cli.screen import Screen
from invariscope.cli.showing import show_notes
from invariscope.effects.wordnet import WordNet
from invariscope.errors import InputError
from invariscope.files import write_csv, write_file
from invariscope.foregrounds.result import Foregrounds
from invariscope.report.search.evidence import alignment_words, hierarchy_words
from invariscope.report.search.words import magnitude_range
from invariscope.results import Result
from invariscope.search import Factors
from invariscope.search.hierarchy import Hierarchy, class_hierarchy
from invariscope.terminal import Table, table

CODE = "augment.py"
_NAMED = 5
_COLUMNS = (
    "varies: share of classes in which the family is found; lost: in which its mildest level takes "
    "images nearest to another class; invariance: the model's own; training: what it changed"
)


@dataclass(frozen=True)
class SearchEvidence:
    """The evidence that the report shows beside the search."""

    alignment: Alignment | None
    hierarchy: Hierarchy | None
    foregrounds: Foregrounds | None
    recommendation: Recommendation
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Opened:
    """The evidence, read before the search begins, so that a wrong path shows at once."""

    trained: Result | None
    untrained: Result | None
    wordnet: WordNet | None
    foregrounds: Foregrounds | None


def open_sources(
    trained: Path | None, untrained: Path | None, wordnet: str | None, foregrounds: Path | None
) -> Opened:
    """Reads what the user has named.

    Args:
        trained: The run folder of the model.
        untrained: That of its untrained twin; the control of ``trained`` by default.
        wordnet: A folder with WordNet, or "auto" for the usual places.
        foregrounds: A folder that `invariscope foregrounds` has written.

    Raises:
        InputError: Something is not there, or not what it should be.
    """
    if untrained is not None and trained is None:
        raise InputError("--untrained is compared with the trained model: give --trained as well")
    return Opened(
        None if trained is None else Result.load(trained),
        None if untrained is None else Result.load(untrained),
        None if wordnet is None else WordNet(None if wordnet == "auto" else wordnet),
        None if foregrounds is None else Foregrounds.load(foregrounds),
    )


def evidence(factors: Factors, opened: Opened) -> SearchEvidence:
    """Compares the search with everything that was opened.

    What cannot be done with it (three classes are too few for a hierarchy) is noted: it does not
    keep the rest from being shown.
    """
    settings = factors.manifest["settings"]
    synsets = {entry["name"]: entry["wnid"] for entry in settings["classes"] if entry["wnid"]}
    alignment, hierarchy, notes = None, None, list[str]()
    if opened.trained is not None:
        try:
            alignment = align(factors, opened.trained, opened.untrained)
        except InputError as problem:
            notes.append(f"not compared with what training changed: {problem}")
    if opened.wordnet is not None:
        try:
            hierarchy = class_hierarchy(
                factors.frame, opened.wordnet, synsets=synsets, seed=settings["seed"]
            )
        except InputError as problem:
            notes.append(f"not compared with WordNet: {problem}")
    recommendation = recommend(factors, opened.trained, opened.untrained)
    return SearchEvidence(alignment, hierarchy, opened.foregrounds, recommendation, tuple(notes))


def write_evidence(gathered: SearchEvidence, folder: Path) -> None:
    """Writes the tables and the code."""
    table = gathered.recommendation.table
    tables = {"recommendation.csv": table.assign(classes=table["classes"].map("; ".join))}
    if gathered.alignment is not None:
        tables["alignment.csv"] = gathered.alignment.families
    if gathered.hierarchy is not None:
        tables["hierarchy.csv"] = gathered.hierarchy.correlations
    for name, frame in tables.items():
        write_csv(folder / name, frame)
    code = gathered.recommendation.code.encode()
    write_file(folder / CODE, code, kept="the search is kept")


def _show_left_out(screen: Screen, why: str, names: Sequence[str]) -> None:
    if names:
        more = ", …" if len(names) > _NAMED else ""
        screen.say(f"{why}, so left out: {', '.join(names[:_NAMED])}{more}.")


def show_evidence(screen: Screen, gathered: SearchEvidence) -> None:
    """Shows the evidence in 80 columns."""
    if gathered.alignment is not None:
        screen.say(alignment_words(gathered.alignment))
        _show_left_out(screen, "Not measured", gathered.alignment.left_out)
    if gathered.hierarchy is not None:
        screen.say(hierarchy_words(gathered.hierarchy))
        _show_left_out(screen, "Not in WordNet", list(gathered.hierarchy.left_out))
    show_notes(screen, gathered.notes)
    screen.print()
    if (gathered.recommendation.table["advice"] != ADVICE[-1]).any():
        screen.print(_recommendation(gathered.recommendation))
        screen.say(_COLUMNS, style="dim")
    unclear = gathered.recommendation.of(ADVICE[-1])["family"].tolist()
    if unclear:
        screen.say(f"No evidence for or against augmenting with {', '.join(unclear)}.")


def _recommendation(advice: Recommendation) -> Table:
    """Tabulates the advice; what the model does itself has a column where it is known."""
    shown = advice.table[advice.table["advice"] != ADVICE[-1]]
    model = {"invariance": "{:.2f}", "gap": "{:+.2f}"}
    model = {name: form for name, form in model.items() if shown[name].notna().any()}
    lines = []
    for row in shown.to_dict("records"):
        known = {str(key): value for key, value in row.items()}
        bounds = magnitude_range(known) if row["varying"] > 0 and row["unit"] else ""
        lines.append((
            row["family"], row["advice"], bounds,
            f"{100 * row['varying']:.0f} %", f"{100 * row['lost']:.0f} %",
            *("" if np.isnan(row[name]) else form.format(row[name])
              for name, form in model.items()),
        ))  # fmt: skip
    names = {"invariance": ">invariance", "gap": ">training"}
    columns = ("<family", "<advice", "range", ">varies", ">lost", *(names[name] for name in model))
    return table(columns, lines, title="What to augment with")
