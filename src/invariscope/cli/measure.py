"""`invariscope measure`: measure models on images, write a run folder with a report."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from invariscope.errors import InputError

DEFAULT_MODEL = "builtin:efficientnet-lite0"
DEFAULT_IMAGES = 32
#: What --preprocessing sets by name; any other word without a value is a word or a file.
_VALUES = (
    "size", "resize", "interpolation", "mean", "std", "channels", "crop_mode", "bands",
    "channel_order",
)  # fmt: skip


def measure(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL…", help=f"Model specs (default: {DEFAULT_MODEL})."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="A model spec, repeatable.")
    ] = None,
    data: Annotated[
        str, typer.Option("--data", "-d", help="A folder of images or a data spec.")
    ] = "samples",
    table: Annotated[
        str, typer.Option(help="Magnitudes: standard, paper, search or transforms2d.")
    ] = "standard",
    transformations: Annotated[
        list[str] | None,
        typer.Option("--transformations", "-t", help="Names; rotate=5/10/15 sets magnitudes."),
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
        typer.Option("--precision", "-p", help="Stop at this half-width of the intervals."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", "-b", min=1, help="Images per forward pass.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-j", min=0, help="Threads that decode; changes no number."),
    ] = None,
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
    preprocessing: Annotated[
        list[str] | None,
        typer.Option(
            help="imagenet, clip, inception, none, a FILE; size=224, mean=0.5,0.5,0.5; repeatable."
        ),
    ] = None,
    model_classes: Annotated[
        str | None,
        typer.Option(help="What the outputs are: imagenet, a file of names, or order."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="classification, multilabel, regression, embedding, dense."),
    ] = None,
    embedding: Annotated[
        str | None, typer.Option(help="The layer whose output is the embedding.")
    ] = None,
    output_key: Annotated[
        str | None, typer.Option(help="Which of the model's outputs is its answer.")
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option(help="Stored numbers that are black and white, such as 0,4095 (12 bits)."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Run folder (default: below runs/).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with a run in the folder.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show plan, time and memory; measure nothing.")
    ] = False,
) -> None:
    """Measure what models are invariant to, and write a run folder with report.html.

    Without arguments: a pretrained EfficientNet-Lite0 on sample photographs.
    """
    specs = [*(models or []), *(model or [])] or [DEFAULT_MODEL]
    _check_distinct(specs)
    settings = {
        "table": table,
        "transformations": joined(transformations),
        "groups": joined(groups),
        "metrics": joined(metrics),
        "layers": joined(layers) or "auto",
        "num_images": _count(num_images, precision),
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
        "precision": precision,
    }
    carry = {"batch_size": batch_size, "workers": workers, "resume": resume}
    from invariscope.cli.running import check_all, measure_one  # imports torch

    if len(specs) > 1:
        check_all(specs, data, **settings)
    folders = [
        measure_one(
            spec,
            data,
            folder=_folder(output, spec, len(specs)),
            dry_run=dry_run,
            carry=carry,
            **settings,
        )
        for spec in specs
    ]
    if len(folders) > 1 and not dry_run:
        runs = shlex.join(str(folder) for folder in folders)
        typer.echo(f"\nto compare: invariscope compare {runs} -o leaderboard.html")


def joined(values: list[str] | None) -> str | None:
    """Repeated options and comma-separated lists are the same thing."""
    return ",".join(values) if values else None


def _count(text: str | None, precision: float | None) -> int | None:
    if text == "all" or (text is None and precision is not None):
        return None
    text = str(DEFAULT_IMAGES) if text is None else text
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 2:
        raise InputError(f"--num-images {text}: give a number from 2 on, or all")
    return count


def _folder(output: Path | None, spec: str, models: int) -> Path | None:
    return output if output is None or models == 1 else output / slug(spec)


def _check_distinct(specs: list[str]) -> None:
    """Two models in one folder would be one run: the second would find the first one's rows."""
    for place, spec in enumerate(specs):
        for other in specs[:place]:
            if spec == other:
                raise InputError(f"the model {spec} is named twice: name each model once")
            if slug(spec) == slug(other):
                raise InputError(
                    f"the models {other} and {spec} would share the folder {slug(spec)}: measure "
                    "them one by one, each with an --output of its own"
                )


def slug(text: str) -> str:
    """A spec as a folder name.

    Example:
        >>> slug("timm:resnet18+untrained")
        'timm-resnet18-untrained'
    """
    return "".join(c if c.isalnum() or c in "._" else "-" for c in text).strip("-.") or "run"


def overrides(pairs: list[str] | None) -> dict[str, object] | None:
    """`key=value` pairs and a word or file; commas separate the numbers of a list.

    Example:
        >>> overrides(["imagenet", "size=32", "resize=none"])
        {'like': 'imagenet', 'size': 32, 'resize': None}
    """
    if not pairs:
        return None
    values: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals and key.strip() in _VALUES:
            raise InputError(f"--preprocessing {pair}: write key=value, such as size=224")
        if not equals or not key.strip().isidentifier():
            key, text = "like", pair
        key = key.strip()
        if key in values:
            raise InputError(f"--preprocessing {pair}: {key} is given twice")
        values[key] = text.strip() if key == "like" else _numbers(text)
        if key in ("size", "resize") and values[key] == "none":
            values[key] = None
    return values


def _numbers(text: str) -> object:
    parts = [_number(part) for part in text.split(",")]
    return parts[0] if len(parts) == 1 else tuple(parts)


def two_numbers(text: str | None) -> tuple[float, float] | None:
    """The value of ``--value-range``."""
    if text is None:
        return None
    parts = [_number(part) for part in text.split(",")]
    if len(parts) == 2 and not any(isinstance(part, str) for part in parts):
        low, high = (float(part) for part in parts)
        if low < high:
            return low, high
    raise InputError(
        f"--value-range {text}: give the stored numbers that are black and white, such as 0,4095"
    )


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip()
