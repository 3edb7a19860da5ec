"""`invariscope factors`: finds what varies within the classes of a data set."""

from pathlib import Path
from typing import Annotated

import typer

from invariscope.cli.options import (
    DEFAULT_CACHE_SIZE,
    DEFAULT_MODEL,
    Address,
    Amp,
    BatchSize,
    Cache,
    CacheSize,
    Compile,
    Device,
    Embedding,
    Engine,
    Fold,
    Labelled,
    Output,
    OutputKey,
    Preprocessing,
    Processes,
    Resume,
    Seed,
    Task,
    ValueRange,
    Workers,
    joined,
    overrides,
    two_numbers,
)


def factors(
    data: Labelled,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model spec; its embedding is compared.")
    ] = DEFAULT_MODEL,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="Names of classes (default: all), comma-separated or repeated."),
    ] = None,
    pairs: Annotated[
        int, typer.Option("--pairs", "-n", min=1, help="Pairs of images of each class.")
    ] = 64,
    operations: Annotated[
        list[str] | None,
        typer.Option(
            "--operations",
            "-t",
            help="families (default), all (the paper's 112), singles, policies, rotate=5/10, "
            '"shear_x 4 + invert 3" …',
        ),
    ] = None,
    shear_centre: Annotated[
        str, typer.Option(help="What the pool's shears leave in place: corner (Pillow), centre.")
    ] = "corner",
    batch_size: BatchSize = None,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = None,
    processes: Processes = None,
    engine: Engine = "local",
    address: Address = None,
    preprocessing: Preprocessing = None,
    task: Task = None,
    embedding: Embedding = None,
    output_key: OutputKey = None,
    value_range: ValueRange = None,
    fold: Fold = True,
    amp: Amp = None,
    compile: Compile = False,
    trained: Annotated[
        Path | None,
        typer.Option(help="A run of the model: does it ignore what varies in the data?"),
    ] = None,
    untrained: Annotated[
        Path | None, typer.Option(help="A run of MODEL+untrained (default: the run's own twin).")
    ] = None,
    wordnet: Annotated[
        str | None, typer.Option(help="A WordNet folder, or auto: are similar classes alike?")
    ] = None,
    foregrounds: Annotated[
        Path | None, typer.Option(help="What `invariscope foregrounds -o` wrote, for the report.")
    ] = None,
    output: Output = None,
    resume: Resume = True,
    cache: Cache = None,
    cache_size: CacheSize = DEFAULT_CACHE_SIZE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show classes, pairs and passes; measure nothing.")
    ] = False,
) -> None:
    """Find what varies within the classes of a data set.

    Each image is put through every operation. A family (rotation, hue …) varies in a class if its
    levels, chosen for each pair of images, close more of the distance between the two than between
    images of other classes. Writes that to factors.parquet, paper 000's ranking of operations to
    operations.parquet, what to augment with, and a report. The same command again goes on where it
    stopped.
    """
    from invariscope.cache import check_cache
    from invariscope.cli.searching import search_one  # imports torch

    if cache is not None:
        check_cache(cache, cache_size)
    search_one(
        model,
        data,
        folder=output,
        dry_run=dry_run,
        sources={
            "trained": trained,
            "untrained": untrained,
            "wordnet": wordnet,
            "foregrounds": foregrounds,
        },
        carry={
            "batch_size": batch_size,
            "workers": workers,
            "processes": processes,
            "engine": engine,
            "address": address,
            "resume": resume,
            "cache": cache,
            "cache_size": cache_size,
        },
        operations=joined(operations) or "families",
        pairs=pairs,
        classes=classes,
        seed=seed,
        device=device,
        shear_centre=shear_centre,
        preprocessing=overrides(preprocessing),
        task=task,
        embedding=embedding,
        output_key=output_key,
        value_range=two_numbers(value_range),
        fold=fold,
        amp=amp,
        compile=compile,
    )
