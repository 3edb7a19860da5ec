"""`invariscope improve`: from a failed rule to a network that keeps it."""

from typing import Annotated

import typer

from invariscope.cli.options import (
    BatchSize,
    Device,
    Embedding,
    Labelled,
    ModelClasses,
    Output,
    OutputKey,
    Preprocessing,
    Seed,
    Task,
    ValueRange,
    Workers,
    count,
    overrides,
    two_numbers,
)


def improve(
    model: Annotated[str, typer.Argument(help="A model spec: a classifier.")],
    data: Labelled,
    rule: Annotated[
        list[str],
        typer.Option(
            "--rule", "-r", help='"rotate@<=15deg relative_invariance >= 0.8"; repeatable.'
        ),
    ],
    num_images: Annotated[
        str, typer.Option("--num-images", "-n", help="The most images, of both parts together.")
    ] = "all",
    held_out: Annotated[
        float, typer.Option(help="The share of each class that is held out to judge.")
    ] = 0.3,
    margin: Annotated[
        float, typer.Option(help="How much accuracy may be lost: 0.01 is one point.")
    ] = 0.01,
    epochs: Annotated[float, typer.Option(help="Passes over the images that are tuned on.")] = 5.0,
    lr: Annotated[float, typer.Option(help="Of Adam, at the start; it falls to 0.")] = 5e-4,
    tuning_batch: Annotated[int, typer.Option(min=2, help="Images per step.")] = 64,
    seed: Seed = 0,
    table: Annotated[str, typer.Option(help="The table of levels.")] = "standard",
    device: Device = "auto",
    output: Output = None,
    preprocessing: Preprocessing = None,
    model_classes: ModelClasses = None,
    task: Task = None,
    embedding: Embedding = None,
    output_key: OutputKey = None,
    value_range: ValueRange = None,
    batch_size: BatchSize = None,
    workers: Workers = None,
) -> None:
    """Tune a classifier until it keeps to rules, and show what that cost.

    Rules are checked on held-out images. Where one does not hold, a copy of the network is tuned on
    the others with the augmentation that the evidence asks for, and both are compared: rules and
    accuracy. Exit code: 0 the rules hold and the accuracy was kept, 1 not so, 2 the input is wrong,
    3 undecided or interrupted.
    """
    from invariscope.cli.improving import improve_one  # imports torch

    found = improve_one(
        model,
        data,
        rule,
        folder=output,
        num_images=count(num_images, 8),
        held_out=held_out,
        margin=margin,
        epochs=epochs,
        lr=lr,
        tuning_batch=tuning_batch,
        seed=seed,
        table=table,
        device=device,
        preprocessing=overrides(preprocessing),
        model_classes=model_classes,
        task=task,
        embedding=embedding,
        output_key=output_key,
        value_range=two_numbers(value_range),
        batch_size=batch_size,
        workers=workers,
    )
    raise typer.Exit(found.exit_code)
