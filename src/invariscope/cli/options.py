"""Options that several commands have, and how the values of options are written."""

from pathlib import Path
from typing import Annotated

import typer

from invariscope.errors import InputError

DEFAULT_MODEL = "builtin:efficientnet-lite0"
#: What --preprocessing sets by name; any other word without a value is a word or a file.
_VALUES = (
    "size", "resize", "interpolation", "mean", "std", "channels", "crop_mode", "bands",
    "channel_order",
)  # fmt: skip

BatchSize = Annotated[
    int | None, typer.Option("--batch-size", "-b", min=1, help="Images per forward pass.")
]
Seed = Annotated[int, typer.Option(help="Seed of all that is drawn.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-j", min=0, help="Threads that decode; changes no number."),
]
Processes = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that measure, each on its share of the cores."),
]
Engine = Annotated[str, typer.Option(help="local (processes of this machine) or ray.")]
Address = Annotated[str | None, typer.Option(help="Of a Ray cluster, such as auto.")]
Labelled = Annotated[
    str, typer.Option("--data", "-d", help="Labelled images: a folder by class, a data spec.")
]
Preprocessing = Annotated[
    list[str] | None,
    typer.Option(
        help="imagenet, clip, inception, none, a FILE; size=224, mean=0.5,0.5,0.5; repeatable."
    ),
]
ModelClasses = Annotated[
    str | None, typer.Option(help="What the outputs are: imagenet, a file of names, or order.")
]
Task = Annotated[
    str | None, typer.Option(help="classification, multilabel, regression, embedding, dense.")
]
Embedding = Annotated[str | None, typer.Option(help="The layer whose output is the embedding.")]
OutputKey = Annotated[str | None, typer.Option(help="Which of the model's outputs is its answer.")]
ValueRange = Annotated[
    str | None,
    typer.Option(help="Stored numbers that are black and white, such as 0,4095 (12 bits)."),
]
Fold = Annotated[
    bool,
    typer.Option("--fold/--no-fold", help="Fold batch norms into the convolutions before them."),
]
Amp = Annotated[
    str | None, typer.Option(help="bf16: matrix products and convolutions in bfloat16.")
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Let torch.compile make kernels for the network.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder (default: below runs/).")
]
Resume = Annotated[
    bool, typer.Option("--resume/--no-resume", help="Go on with what is in the folder.")
]
Cache = Annotated[
    Path | None,
    typer.Option(help="A folder that keeps what networks give, for the next run on the images."),
]
CacheSize = Annotated[str, typer.Option(help="The most that the cache takes.")]
DEFAULT_CACHE_SIZE = "10GB"


def joined(values: list[str] | None) -> str | None:
    """Repeated options and comma-separated lists are the same thing."""
    return ",".join(values) if values else None


def listed(words: list[str]) -> list[str]:
    """Puts the lines of FILE in the place of ``@FILE``; empty ones and comments (#) do not count.

    Raises:
        InputError: There is no such file, it is no text, or it has no line.
    """
    specs: list[str] = []
    for word in words:
        if not word.startswith("@"):
            specs.append(word)
            continue
        try:
            text = Path(word[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is no text"
            raise InputError(
                f"{word}: {word[1:]} cannot be read ({reason}): give a text file with a spec on "
                "each line"
            ) from problem
        lines = [line.split(" #")[0].strip() for line in text.splitlines()]
        found = [line for line in lines if line and not line.startswith("#")]
        if not found:
            raise InputError(f"{word}: {word[1:]} has no line: write a spec on each")
        specs += found
    return specs


def count(text: str, least: int) -> int | None:
    """The value of ``--num-images``: a number, or None for all."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < least:
        raise InputError(f"--num-images {text}: give a number from {least} on, or all")
    return int(text)


def numbers(option: str, text: str, form: type = float, such_as: str = "0.1,0.01") -> list:
    """Numbers with commas.

    Example:
        >>> numbers("--weight-decay", "0.1, 1e-4")
        [0.1, 0.0001]
    """
    try:
        return [form(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {text}: give numbers with commas, such as {such_as}") from None


def two_numbers(text: str | None) -> tuple[float, float] | None:
    """The value of ``--value-range``."""
    if text is None:
        return None
    ends = numbers("--value-range", text, such_as="0,4095")
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise InputError(
            f"--value-range {text}: give the stored numbers that are black and white, such as "
            "0,4095"
        )
    return ends[0], ends[1]


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
        parts = [_number(part) for part in text.split(",")]
        values[key] = parts[0] if len(parts) == 1 else tuple(parts)
        if key == "like":
            values[key] = text.strip()
        if key in ("size", "resize") and values[key] == "none":
            values[key] = None
    return values


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip()
