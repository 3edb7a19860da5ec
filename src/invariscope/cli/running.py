"""One run of `invariscope measure`: the progress bar, the plan, the table at the end."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from invariscope.cli.folders import default_folder
from invariscope.cli.memory import keep_freed_memory
from invariscope.cli.progress import RunBar
from invariscope.cli.screen import Screen
from invariscope.cli.showing import show_plan, show_result
from invariscope.errors import InputError, RunError
from invariscope.sweep import carry_out, estimate, prepare
from invariscope.transformations import Resampling


def measure_one(
    spec: str,
    data: str,
    *,
    folder: Path | None,
    dry_run: bool,
    carry: dict[str, Any],
    resampling: tuple[str, float, str],
    **settings: Any,
) -> Path:
    """Measures one model and writes its run folder, which is returned."""
    screen = Screen()
    keep_freed_memory()
    with screen.status(f"loading {spec} and {data}"):
        run = prepare(spec, data, resampling=_resampling(*resampling), **settings)
    folder = folder or default_folder(run.manifest, run.source.name)
    if dry_run:
        with screen.status("timing one batch"):
            cost = estimate(run, carry["batch_size"])
        show_plan(screen, run, cost, folder)
        return folder
    with interruptible():
        with RunBar(screen, f"{run.probe.spec} on {run.source.name}") as bar:
            result = carry_out(run, output=folder, progress=bar, **carry)
        path = result.to_html(folder / "report.html")
    show_result(screen, result)
    screen.line(f"report: {path}")
    return folder


def check_all(
    specs: Sequence[str], data: str, *, resampling: tuple[str, float, str], **settings: Any
) -> None:
    """Loads every model once and runs it on one image, so that no spec fails after hours.

    Raises:
        InputError: The first model that cannot be measured as asked, by name.
    """
    screen = Screen()
    how = _resampling(*resampling)
    for number, spec in enumerate(specs, 1):
        with screen.status(f"checking {spec} ({number} of {len(specs)})"):
            try:
                prepare(spec, data, resampling=how, **settings)
            except InputError as problem:
                raise InputError(f"{problem} (model {spec}; none is measured yet)") from problem


def _resampling(border: str, fill: float, interpolation: str) -> Resampling | None:
    how = Resampling(interpolation, border, fill)  # type: ignore[arg-type]
    return None if how == Resampling() else how


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the run with one line, also where a library makes an error of its own of it."""
    asked = threading.Event()

    def stop(signum: int, frame: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    except BaseException as problem:
        # pyarrow takes the signal itself while it reads and raises ArrowCancelled.
        cancelled = type(problem).__name__ == "ArrowCancelled"
        if asked.is_set() or cancelled or isinstance(problem, KeyboardInterrupt):
            raise RunError("interrupted; the same command goes on where it stopped") from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
