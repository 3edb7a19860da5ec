"""`invariscope train`: train a network under several seeds."""

from typing import Annotated

import typer

from invariscope.cli.options import (
    Device,
    Labelled,
    Output,
    ValueRange,
    Workers,
    numbers,
    two_numbers,
)
from invariscope.errors import InputError


def train(
    data: Labelled,
    model: Annotated[
        str, typer.Option("--model", "-m", help="An architecture: small:NAME, timm:NAME, …")
    ] = "small:resnet18?width=0.25",
    augment: Annotated[
        str,
        typer.Option("--augment", "-a", help='RandomResizedCrop, "T.(30%)", names with " + " …'),
    ] = "none",
    augerino: Annotated[
        str | None, typer.Option(help='Learn widths: "tx,ty; regulariser=0.2", "rot,scale" …')
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(help="Test images (default: the data's other split, or a held-out fifth)."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    epochs: Annotated[float, typer.Option(help="Passes over the images.")] = 10.0,
    batch_size: Annotated[int, typer.Option("--batch-size", "-b", min=2)] = 128,
    optimizer: Annotated[str, typer.Option(help="sgd (momentum 0.9) or adam.")] = "sgd",
    learning_rate: Annotated[
        str, typer.Option(help="One, or several with commas: the best is chosen first.")
    ] = "0.1",
    weight_decay: Annotated[str, typer.Option(help="Likewise.")] = "1e-4",
    schedule: Annotated[
        str, typer.Option(help='constant, cosine, "step(30, 0.1)", "milestones(100, 150; 0.1)".')
    ] = "cosine",
    size: Annotated[
        int | None, typer.Option(min=8, help="Side of the input (default: the architecture's).")
    ] = None,
    value_range: ValueRange = None,
    num_train: Annotated[int | None, typer.Option(min=2, help="Images to train on.")] = None,
    num_test: Annotated[int | None, typer.Option(min=2, help="Images to test on.")] = None,
    measure_every: Annotated[
        int | None,
        typer.Option(min=1, help="Measure every so many iterations on 50 test images."),
    ] = None,
    transformations: Annotated[
        list[str] | None, typer.Option("--transformations", "-t", help="What is measured then.")
    ] = None,
    groups: Annotated[
        list[str] | None, typer.Option("--groups", "-g", help="Likewise: C4, C8 …")
    ] = None,
    metrics: Annotated[list[str] | None, typer.Option(help="Likewise.")] = None,
    layers: Annotated[list[str] | None, typer.Option(help="Likewise.")] = None,
    evaluate_every: Annotated[
        float, typer.Option(help="Epochs between test accuracies; 0: only at the end.")
    ] = 1.0,
    tracker: Annotated[list[str] | None, typer.Option(help="csv, tensorboard; repeatable.")] = None,
    device: Device = "auto",
    mixed_precision: Annotated[str, typer.Option(help="no, bf16 or fp16.")] = "no",
    workers: Workers = None,
    output: Output = None,
) -> None:
    """Train a network under several seeds and test each.

    Writes a folder per seed: `invariscope measure trained:FOLDER` measures its network. The same
    command again goes on where it stopped, to the same weights.
    """
    rates = numbers("--learning-rate", learning_rate)
    decays = numbers("--weight-decay", weight_decay)
    if (transformations or groups or metrics or layers) and measure_every is None:
        raise InputError(
            "--transformations, --groups, --metrics and --layers say what is measured during the "
            "training: give --measure-every too"
        )
    from invariscope.cli.training import train_all  # imports torch

    train_all(
        {
            "data": data, "model": model, "augment": augment, "test": test, "seed": seed,
            "epochs": epochs, "batch_size": batch_size, "optimizer": optimizer,
            "schedule": schedule, "augerino": augerino, "size": size,
            "num_train": num_train, "num_test": num_test, "value_range": two_numbers(value_range),
        },
        seeds=seeds,
        rates=rates,
        decays=decays,
        measuring={
            "every": measure_every, "transformations": transformations, "groups": groups,
            "metrics": metrics, "layers": layers,
        },
        trackers=tracker or [],
        folder=output,
        how={
            "device": device, "mixed_precision": mixed_precision, "workers": workers,
            "evaluate_every": evaluate_every or None,
        },
    )  # fmt: skip
