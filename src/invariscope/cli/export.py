"""`invariscope export`: hand a finished run on to a tracker, or to a table."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN…",
            help="A folder of measure, factors or train; several of measure are compared.",
        ),
    ],
    to: Annotated[
        str, typer.Option("--to", help="mlflow, wandb, tensorboard, csv, latex or parquet.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file; for tensorboard and wandb a folder."),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="Of MLflow (default: invariscope).")
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="Of MLflow (default: MLFLOW_TRACKING_URI, ./mlflow.db).")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Of W&B (default: invariscope).")] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the run in MLflow or W&B (default: model and data).")
    ] = None,
    metrics: Annotated[list[str] | None, typer.Option(help="Only these.")] = None,
    transformations: Annotated[
        list[str] | None, typer.Option("--transformations", "-t", help="Only these, and groups.")
    ] = None,
    layers: Annotated[
        list[str] | None,
        typer.Option(help="Names or globs, such as '*' (default: embedding and logits)."),
    ] = None,
    caption: Annotated[str | None, typer.Option(help="Of the LaTeX table, as LaTeX.")] = None,
    label: Annotated[str | None, typer.Option(help="Of the LaTeX table.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what is there already of this run.")
    ] = False,
) -> None:
    """Hand a finished run on: to MLflow, W&B, TensorBoard, as CSV, Parquet or LaTeX.

    Trackers get the curves over levels with their intervals, the settings, tables, pictures and
    the report. What is there already is left alone, unless --replace is given.
    """
    from invariscope.cli.screen import Screen
    from invariscope.export.destinations import export_run  # imports torch
    from invariscope.export.of_run import Choice, chosen

    choice = Choice(chosen(metrics), chosen(transformations), chosen(layers))
    lines = export_run(
        runs, to, choice=choice, replace=replace, output=output, experiment=experiment,
        tracking_uri=tracking_uri, project=project, name=name, caption=caption, label=label,
    )  # fmt: skip
    screen = Screen()
    for line in lines:
        screen.unbroken(line)
