"""`invariscope class-effects`: the classes that an augmentation hurts, over training seeds."""

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invariscope.errors import InputError
from invariscope.files import TABLES, write_table

if TYPE_CHECKING:
    from invariscope.effects.wordnet import WordNet

_BESIDE = ("summary", "seeds", "helped_samples", "similarity")


def class_effects(
    tables: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="TABLE",
            help="CSV or parquet files with the columns image,class,method,seed,correct.",
        ),
    ] = None,
    without: Annotated[
        str,
        typer.Option(
            help="The method without the augmentation: its name in the table, or NAME=RUN,RUN,… "
            "with a run folder for each seed ('none=runs/none-*' works)."
        ),
    ] = "",
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help="One with it, likewise; may be repeated. Default: all others."),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(help="Consistently hurt is: in more than this share of the pairs of seeds."),
    ] = 0.7,
    wordnet: Annotated[
        Path | None, typer.Option(help="Folder of WordNet 3.0 (default: Debian's or NLTK's).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides resamples and permutations.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The table of all classes (.csv, .parquet); other tables go beside it.",
        ),
    ] = None,
) -> None:
    """Show which classes an augmentation hurts, and how surely, over several training seeds.

    From the right and wrong answers of several seeds without it and of several with it, as a table
    or as run folders that `measure` wrote on labelled images.
    """
    if output is not None and output.suffix not in TABLES:
        raise InputError(f"--output {output}: give a file that ends in .csv or .parquet")
    if not without:
        raise InputError("--without is missing: give a method of the table, or NAME=RUN,RUN,…")
    name, runs = _method("--without", without)
    named = {name: runs}
    for text in with_ or ():
        added, runs = _method("--with", text)
        if added in named:
            raise InputError(f"--with {text}: {added!r} is there already; name each method once")
        named[added] = runs
    if not tables and not all(named.values()):
        bare = next(method for method, runs in named.items() if not runs)
        raise InputError(f"{bare!r} without a table: give the table, or {bare}=RUN,RUN,…")
    import pandas as pd

    from invariscope.cli.screen import Screen
    from invariscope.effects.correctness import read_runs, read_table
    from invariscope.effects.on_classes import class_effects as effects_of

    frames = [read_table(path) for path in tables or ()]
    measured = {method: runs for method, runs in named.items() if runs}
    frames += [read_runs(measured)] if measured else []
    nouns, note = _wordnet(wordnet)
    effects = effects_of(
        pd.concat(frames, ignore_index=True),
        name,
        list(named)[1:] or None,
        threshold=threshold,
        wordnet=nouns,
        seed=seed,
    )
    effects.notes.extend(note)
    screen = Screen()
    screen.block(effects.to_text())
    if output is None:
        return
    screen.print()
    write_table(output, effects.classes)
    screen.unbroken(f"table: {output}")
    for table in _BESIDE:
        frame, words = getattr(effects, table), table.replace("_", "-")
        if not frame.empty:
            beside = output.with_stem(f"{output.stem}-{words}")
            write_table(beside, frame)
            screen.unbroken(f"{words}: {beside}")


def _method(option: str, text: str) -> tuple[str, list[Path]]:
    """The name of a method, and its run folders if they are given."""
    name, equals, rest = text.partition("=")
    if not equals:
        return text, []
    folders: list[Path] = []
    for part in filter(None, rest.split(",")):
        matches = sorted(glob.glob(part)) if glob.has_magic(part) else [part]
        if not matches:
            raise InputError(f"{option} {text}: nothing matches {part}; give run folders")
        folders += map(Path, matches)
    if not name or not folders:
        raise InputError(f"{option} {text}: write NAME=RUN,RUN,…")
    return name, folders


def _wordnet(folder: Path | None) -> tuple["WordNet | None", list[str]]:
    """Opens WordNet, or makes a note that says why there is none."""
    from invariscope.effects.wordnet import WordNet

    if folder is not None:
        return WordNet(folder), []
    try:
        return WordNet(), []
    except InputError as problem:
        return None, [f"hurt classes are not compared in WordNet: {problem}"]
