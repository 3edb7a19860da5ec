"""Where runs go: three trackers and three kinds of file.

The packages of trackers are loaded when they are wanted. Whatever the destination, what is there
already is left alone: exporting a run twice is refused unless `replace` is given.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from invariscope.errors import InputError
from invariscope.export.files import NAMES, to_file
from invariscope.export.of_run import Choice
from invariscope.export.opening import joined, open_record
from invariscope.export.record import Record
from invariscope.registry import unknown_name

DESTINATIONS = ("mlflow", "wandb", "tensorboard", "csv", "latex", "parquet")
#: The options that each destination has besides those of all.
OPTIONS = {
    "mlflow": ("experiment", "tracking_uri", "name"),
    "wandb": ("project", "name", "output"),
    "tensorboard": ("output",),
    "csv": ("output",),
    "parquet": ("output",),
    "latex": ("output", "caption", "label"),
}


def export_run(
    runs: Sequence[Path | str] | Path | str,
    to: str,
    *,
    choice: Choice | None = None,
    replace: bool = False,
    **options: str | Path | None,
) -> list[str]:
    """Hands a finished run on.

    Args:
        runs: A run folder of `measure`, `factors` or `train`; several of `measure`: their
            comparison.
        to: One of `DESTINATIONS`.
        choice: What of a measurement goes out.
        replace: Whether it replaces what is there already.
        options: Those of the destination (`OPTIONS`): ``experiment``, ``tracking_uri`` (MLflow),
            ``project`` (W&B), ``name`` (of the run there), ``output`` (a file; for TensorBoard
            and W&B a folder), ``caption``, ``label`` (LaTeX).

    Returns:
        Lines that say where it is.

    Raises:
        InputError: An unknown destination, an option that it has not, a missing package, a run that
            cannot be exported, or one that is there already.
    """
    if to not in DESTINATIONS:
        raise unknown_name("destination", to, DESTINATIONS)
    given = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in OPTIONS[to]:
            having = [name for name, keys in OPTIONS.items() if key in keys]
            raise InputError(f"`{key}` belongs to {', '.join(having)}: leave it out for {to}")
    folders = [Path(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
    if to in NAMES:
        record = joined(open_record(folders, choice), folders)
        path = _file(folders, to, given.get("output"))
        texts = {key: str(given[key]) for key in ("caption", "label") if key in given}
        return [f"{to}: {to_file(record, to, path, replace=replace, **texts)}", *record.notes]
    send = _tracker(to)
    lines: list[str] = []
    records = open_record(folders, choice)
    for record in records:
        own = dict(given)
        if to == "tensorboard":
            own["output"] = _events(folders, record, given.get("output"), several=len(records) > 1)
        lines += [*send(record, replace=replace, **own), *record.notes]
    return lines


def _tracker(name: str) -> Callable[..., list[str]]:
    if name == "mlflow":
        from invariscope.export.to_mlflow import to_mlflow

        return to_mlflow
    if name == "wandb":
        from invariscope.export.to_wandb import to_wandb

        return to_wandb
    from invariscope.export.to_tensorboard import to_tensorboard

    return to_tensorboard


def _file(folders: Sequence[Path], to: str, output: str | Path | None) -> Path:
    if output is None:
        if len(folders) > 1:
            raise InputError("a comparison has no folder of its own: give its `output`, a file")
        return folders[0] / NAMES[to]
    path = Path(output)
    return path / NAMES[to] if path.is_dir() else path


def _events(
    folders: Sequence[Path], record: Record, output: str | Path | None, *, several: bool
) -> Path:
    if output is None and len(folders) > 1:
        raise InputError("a comparison has no folder of its own: give its `output`, a folder")
    folder = Path(output) if output is not None else folders[0] / "tensorboard"
    return folder / f"seed-{record.settings['seed']}" if several else folder
