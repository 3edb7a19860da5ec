"""Logs a run to MLflow: metrics by level, parameters, tags, tables, pictures, report.html.

MLflow's own settings decide where: `MLFLOW_TRACKING_URI`, or a database ``mlflow.db`` in the
current folder. The client is used without its global state: no run of the caller is touched. The
tag `invariscope.identity` is written last, so that an export that failed does not count as one.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invariscope.errors import InputError, InvariscopeError, RunError, first_line
from invariscope.export.record import Record, altered, flat
from invariscope.files import write_csv, write_file, write_json, write_parquet
from invariscope.outside import tracker_name
from invariscope.training.trackers import missing_tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "invariscope"
IDENTITY = "invariscope.identity"
_METRICS, _TAGS = 1000, 100  # a request takes so many
_LONGEST_PARAM, _LONGEST_TAG = 500, 5000  # of servers from 1.28 on


def to_mlflow(
    record: Record,
    *,
    experiment: str = EXPERIMENT,
    tracking_uri: str | None = None,
    name: str | None = None,
    replace: bool = False,
) -> list[str]:
    """Logs a run.

    Args:
        record: What goes out.
        experiment: Where; made if there is none of that name.
        tracking_uri: The server or database; None: MLflow's own settings.
        name: Of the run there; None: model and data.
        replace: Logs a run that is there already anew, and deletes that one afterwards.

    Raises:
        InputError: The package is missing, MLflow cannot be reached, or the run is there already.
        RunError: Logging failed on the way; nothing of it is left.
    """
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise missing_tracker("mlflow") from error
    with _reached(tracking_uri):
        client = MlflowClient(tracking_uri=tracking_uri)
        there = client.get_experiment_by_name(experiment)
        if there is not None and there.lifecycle_stage == "deleted":
            raise InputError(
                f"the experiment {experiment} was deleted in MLflow: restore it there, or give "
                "another `experiment`"
            )
        known = client.create_experiment(experiment) if there is None else there.experiment_id
        wanted = f"tags.`{IDENTITY}` = '{record.identity}'"
        earlier = [run.info.run_id for run in client.search_runs([known], wanted)]
    if earlier and not replace:
        raise InputError(
            f"this run is in the experiment {experiment} already (run {earlier[0]}): give "
            "`replace` to log it anew in its place, or another `experiment`"
        )
    run = client.create_run(known, run_name=name or record.title).info.run_id
    try:
        _log(client, run, record)
    except Exception as error:
        client.delete_run(run)
        if isinstance(error, InvariscopeError):
            raise
        raise RunError(
            f"MLflow took only a part of the run ({first_line(error)}), and it was deleted there: "
            "run the same command again"
        ) from error
    for old in earlier:
        client.delete_run(old)
    where = f"experiment {experiment}, run {run}"
    points = sum(len(curve.points) for curve in record.curves) + len(record.numbers)
    return [f"mlflow: {where} ({points:,} values of {len(record.names()):,} metrics)"]


def _log(client: "MlflowClient", run: str, record: Record) -> None:
    from mlflow.entities import Metric, Param, RunTag

    names, now = record.names(), int(time.time() * 1000)
    metrics = [
        Metric(names[curve.name], value, now, step)
        for curve in record.curves
        for step, value in curve.points
    ]
    metrics += [Metric(names[name], value, now, 0) for name, value in record.numbers.items()]
    for some in _batches(metrics, _METRICS):
        client.log_batch(run, metrics=some)
    params = [Param(key, text) for key, text in flat(record.settings, _LONGEST_PARAM).items()]
    for some in _batches(params, _TAGS):
        client.log_batch(run, params=some)
    tags = {f"invariscope.name.{key}": text for key, text in altered(names).items()}
    tags |= {"invariscope.command": record.command}
    for some in _batches(list(tags.items()), _TAGS):
        client.log_batch(run, tags=[RunTag(key, text[:_LONGEST_TAG]) for key, text in some])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if record.page is not None:
            record.page(folder)
        for name, draw in record.figures.items():
            write_file(folder / "figures" / f"{tracker_name(name)}.png", draw())
        write_json(folder / "manifest.json", record.manifest, allow_nan=True)
        write_csv(folder / "tables" / "summary.csv", record.summary)
        write_parquet(folder / "tables" / "frame.parquet", record.table)
        if record.groups is not None:
            write_csv(folder / "tables" / "groups.csv", record.groups)
        client.log_artifacts(run, str(folder))
    if not record.summary.empty:
        text = json.loads(record.summary.to_json(orient="split", index=False))
        client.log_table(run, _columns(text), "tables/summary.json")
    client.set_tag(run, IDENTITY, record.identity)
    client.set_terminated(run)


def _columns(table: dict[str, Any]) -> dict[str, list[Any]]:
    return {str(name): [row[k] for row in table["data"]] for k, name in enumerate(table["columns"])}


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


@contextmanager
def _reached(uri: str | None) -> Iterator[None]:
    """Says in one line that MLflow could not be reached."""
    try:
        yield
    except InvariscopeError:
        raise
    except Exception as error:
        where = uri or "where its settings say"
        raise InputError(
            f"MLflow cannot be used at {where} ({first_line(error)}): give `tracking_uri`, such "
            "as sqlite:///mlflow.db (which needs pip install 'invariscope[mlflow]') or http://HOST"
        ) from error
