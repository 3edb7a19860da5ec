"""`invariscope measure`: measure models on images, write a run folder with a report."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from invariscope.cli.folders import slug
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
    ModelClasses,
    Output,
    OutputKey,
    Preprocessing,
    Processes,
    Resume,
    Seed,
    Task,
    ValueRange,
    Workers,
    count,
    joined,
    listed,
    overrides,
    two_numbers,
)
from invariscope.errors import InputError

DEFAULT_IMAGES = 32


def measure(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL…", help=f"Model specs, @FILE of them (default: {DEFAULT_MODEL})."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="A model spec or @FILE of them, repeatable."),
    ] = None,
    data: Annotated[
        str, typer.Option("--data", "-d", help="A folder of images or a data spec.")
    ] = "samples",
    table: Annotated[
        str, typer.Option(help="Magnitudes: standard, paper, search or transforms2d.")
    ] = "standard",
    transformations: Annotated[
        list[str] | None,
        typer.Option("--transformations", "-t", help="Names; rotate=5/10/15; imagenet-c:FOLDER."),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--groups", "-g", help='C4, D8, flip, "shift(1..32)", C4*flip …'),
    ] = None,
    metrics: Annotated[list[str] | None, typer.Option(help="Metric names.")] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help="auto, last, layer names or globs.")
    ] = None,
    num_images: Annotated[
        str | None,
        typer.Option(
            "--num-images", "-n", help="How many images, or all (default: 32; with -p: all)."
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option("--precision", "-p", help="Measure each level up to this half-width."),
    ] = None,
    batch_size: BatchSize = None,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = None,
    processes: Processes = None,
    engine: Engine = "local",
    address: Address = None,
    twin: Annotated[
        bool | None,
        typer.Option(
            "--twin/--no-twin", help="The untrained twin beside it (default: where there is one)."
        ),
    ] = None,
    active_twin: Annotated[
        bool,
        typer.Option(
            "--active-twin", help="The twin with residual branches that start at zero switched on."
        ),
    ] = False,
    floor: Annotated[
        bool, typer.Option("--floor/--no-floor", help="The interpolation floor beside it.")
    ] = True,
    border: Annotated[
        str, typer.Option(help="zeros, reflect, circular; valid: maps only.")
    ] = "zeros",
    inexact: Annotated[
        str, typer.Option(help="Where maps would be resampled: interpolate or skip.")
    ] = "interpolate",
    fill: Annotated[float, typer.Option(help="Value outside the frame; 0 is black.")] = 0.0,
    interpolation: Annotated[str, typer.Option(help="bilinear, nearest, bicubic.")] = "bilinear",
    preprocessing: Preprocessing = None,
    model_classes: ModelClasses = None,
    task: Task = None,
    embedding: Embedding = None,
    output_key: OutputKey = None,
    value_range: ValueRange = None,
    fold: Fold = True,
    amp: Amp = None,
    compile: Compile = False,
    output: Output = None,
    resume: Resume = True,
    cache: Cache = None,
    cache_size: CacheSize = DEFAULT_CACHE_SIZE,
    save_images: Annotated[
        bool, typer.Option("--save-images", help="PNG files of images whose answers flip first.")
    ] = False,
    image_groups: Annotated[
        Path | None,
        typer.Option("--image-groups", help="What images belong to: CSV, Parquet, JSON lines."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show plan, time and memory; measure nothing.")
    ] = False,
) -> None:
    """Measure what models are invariant to, and write a run folder with report.html.

    Without arguments: a pretrained EfficientNet-Lite0 on sample photographs.
    """
    specs = listed([*(models or []), *(model or [])]) or [DEFAULT_MODEL]
    _check_distinct(specs)
    settings: dict[str, Any] = {
        "table": table,
        "transformations": joined(transformations),
        "groups": joined(groups),
        "metrics": joined(metrics),
        "layers": joined(layers) or "auto",
        "num_images": _images(num_images, precision),
        "seed": seed,
        "device": device,
        "twin": "active" if active_twin else twin,
        "floor": floor,
        "inexact": inexact,
        "resampling": (border, fill, interpolation),
        "preprocessing": overrides(preprocessing),
        "model_classes": model_classes,
        "task": task,
        "embedding": embedding,
        "output_key": output_key,
        "value_range": two_numbers(value_range),
        "fold": fold,
        "amp": amp,
        "compile": compile,
        "precision": precision,
        "save_images": save_images,
        "image_groups": image_groups,
    }
    carry: dict[str, Any] = {
        "batch_size": batch_size,
        "workers": workers,
        "processes": processes,
        "engine": engine,
        "address": address,
        "resume": resume,
        "cache": cache,
        "cache_size": cache_size,
    }
    from invariscope.cache import check_cache
    from invariscope.cli.running import measure_models  # imports torch
    from invariscope.cli.screen import Screen

    if cache is not None:
        check_cache(cache, cache_size)  # nobody waits for a model to learn of a wrong path
    folders = measure_models(
        specs,
        data,
        folders=[_folder(output, spec, len(specs)) for spec in specs],
        dry_run=dry_run,
        carry=carry,
        **settings,
    )
    if len(folders) > 1 and not dry_run:
        runs = shlex.join(str(folder) for folder in folders)
        screen = Screen()
        screen.print()
        screen.unbroken(f"to compare: invariscope compare {runs} -o leaderboard.html")


def _images(text: str | None, precision: float | None) -> int | None:
    if text is None:
        return DEFAULT_IMAGES if precision is None else None
    return count(text, 2)


def _folder(output: Path | None, spec: str, models: int) -> Path | None:
    return output if output is None or models == 1 else output / slug(spec)


def _check_distinct(specs: list[str]) -> None:
    """Refuses two models of one folder: the second would take over the rows of the first."""
    for position, spec in enumerate(specs):
        for earlier in specs[:position]:
            if spec == earlier:
                raise InputError(f"the model {spec} is named twice: name each model once")
            if slug(spec) == slug(earlier):
                raise InputError(
                    f"the models {earlier} and {spec} would share the folder {slug(spec)}: measure "
                    "them one by one, each with an --output of its own"
                )
