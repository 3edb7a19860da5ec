"""Logs a run to Weights & Biases: charts over magnitudes, settings, pictures, report.html.

W&B's own settings decide where and how: ``WANDB_MODE=offline`` keeps all in the folder ``wandb``,
for ``wandb sync``. Pictures and the page are logged as media, which lie in the run's folder;
pictures in tables and artifacts would not. The run has an id of its own here as well, so that W&B
knows it again.
"""

import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from invariscope.errors import InputError
from invariscope.export.record import Curve, Name, Record, altered
from invariscope.files import write_json
from invariscope.outside import tracker_name
from invariscope.training.trackers import missing_tracker

PROJECT = "invariscope"
_MOST_ROWS = 10_000  # of a table that W&B shows


def to_wandb(
    record: Record,
    *,
    project: str | None = None,
    name: str | None = None,
    output: str | Path | None = None,
    replace: bool = False,
) -> list[str]:
    """Logs a run.

    Args:
        record: What goes out.
        project: Where; None: `WANDB_PROJECT`, or "invariscope".
        name: Of the run there; None: model and data.
        output: The folder that gets the folder ``wandb``; None: `WANDB_DIR`, or the current one.
        replace: Logs a run that is there already anew.

    Raises:
        InputError: The package is missing, W&B wants a login, or the run is there already.
    """
    try:
        import wandb
        from wandb.errors import Error as WandbError
    except ImportError as error:
        raise missing_tracker("wandb") from error
    folder = Path(output or os.environ.get("WANDB_DIR") or ".")
    folder.mkdir(parents=True, exist_ok=True)
    earlier = sorted((folder / "wandb").glob(f"*run-*-{record.identity}"))
    if earlier and not replace:
        raise InputError(
            f"this run was logged already, into {earlier[-1]}: give `replace` to log it anew, or "
            "another `output`"
        )
    try:
        run = wandb.init(
            project=project or os.environ.get("WANDB_PROJECT") or PROJECT,
            name=name or record.title,
            id=record.identity,
            resume=None if replace else "never",
            job_type=record.command,
            dir=str(folder),
            config={**record.settings},
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True),
        )
    except WandbError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(
            f"W&B refuses the run ({reason}): log in with `wandb login`, set WANDB_MODE=offline, "
            "or give `replace` where the run is there already"
        ) from error
    try:
        lines = _log(run, record)
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()
    for old in earlier:
        if old.resolve() != Path(run.dir).parent.resolve():
            shutil.rmtree(old)
    where = Path(run.dir).parent if run.offline else run.url
    return [f"wandb: {where}", *lines]


def _log(run: Any, record: Record) -> list[str]:
    import wandb

    names = record.names()
    own_axis: Name = ("iteration" if record.command == "train" else "level",)
    for row in _history(record, names, own_axis, run):
        run.log(row)
    run.summary.update({names[name]: value for name, value in record.numbers.items()})
    for name, draw in record.figures.items():
        with Image.open(io.BytesIO(draw())) as picture:
            run.log({f"figures/{tracker_name(name)}": wandb.Image(picture)})
    notes = []
    changed = pd.DataFrame(list(altered(names).items()), columns=["name", "true name"])
    tables = {"summary": record.summary, "frame": record.table, "names": changed}
    tables |= {} if record.groups is None else {"groups": record.groups}
    for name, table in tables.items():
        if len(table) > _MOST_ROWS:
            notes.append(f"the first {_MOST_ROWS:,} of {len(table):,} rows are in the table {name}")
        shown = table.head(_MOST_ROWS).astype(object)
        shown = shown.where(shown.notna(), None)
        rows: Any = shown.to_numpy().tolist()
        data = wandb.Table(columns=[str(column) for column in shown], data=rows)
        run.log({f"tables/{name}": data})
    with tempfile.TemporaryDirectory() as place:
        if record.page is not None:
            record.page(Path(place))
            run.log({"report": wandb.Html(Path(place) / "report.html", inject=False)})
    manifest = Path(run.dir) / "manifest.json"
    write_json(manifest, record.manifest, allow_nan=True)
    run.save(str(manifest), base_path=run.dir, policy="now")
    return notes


def _history(
    record: Record, names: dict[Name, str], own_axis: Name, run: Any
) -> list[dict[str, float]]:
    """The rows of W&B's history, one a step; charts are drawn over the axis of their curve."""
    axis_name = tracker_name(*own_axis)
    axes = {curve.axis for curve in record.curves if curve.axis}
    rows: dict[int, dict[str, float]] = {}

    def put(curve: Curve) -> None:
        for step, value in curve.points:
            rows.setdefault(step, {axis_name: step})[names[curve.name]] = value

    for curve in record.curves:
        put(curve)
        if curve.name not in axes:
            axis = names[curve.axis] if curve.axis else axis_name
            run.define_metric(names[curve.name], step_metric=axis)
    return [rows[step] for step in sorted(rows)]
