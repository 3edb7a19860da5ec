"""Carries out a run of `invariscope measure`: the progress bar, the plan, the table at the end."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from invariscope.cli.folders import default_folder
from invariscope.cli.progress import RunBar
from invariscope.cli.screen import Screen
from invariscope.cli.showing import show_plan, show_result
from invariscope.errors import InputError, RunError
from invariscope.memory import keep_freed_memory
from invariscope.runs import carry_out, estimate
from invariscope.sweep import SweepRequest, prepare
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
        how = _resampling(*resampling)
        sweep = prepare(SweepRequest(model=spec, images=data, resampling=how, **settings))
    folder = folder or default_folder(sweep.manifest, sweep.source.name)
    if dry_run:
        with screen.status("timing one batch"):
            layers = [layer.name for layer in sweep.setup.layers]
            cost = estimate(sweep, sweep.probe, layers, carry["batch_size"])
        show_plan(screen, sweep, cost, folder)
        return folder
    with interruptible():
        with RunBar(screen, f"{sweep.probe.spec} on {sweep.source.name}") as bar:
            result = carry_out(sweep, output=folder, progress=bar, **carry)
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
                prepare(SweepRequest(model=spec, images=data, resampling=how, **settings))
            except InputError as problem:
                raise InputError(f"{problem} (model {spec}; none is measured yet)") from problem


def _resampling(border: str, fill: float, interpolation: str) -> Resampling | None:
    how = Resampling(interpolation, border, fill)  # type: ignore[arg-type]
    return None if how == Resampling() else how


@contextmanager
def interruptible() -> Iterator[None]:
    """Ends the run with one line on Ctrl-C, also where a library turns it into its own error."""
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


@contextmanager
def after_the_step(training: Callable[[], bool] = lambda: True) -> Iterator[Callable[[], bool]]:
    """Ends a training on Ctrl-C after the step under way, with a checkpoint; on a second, at once.

    Args:
        training: Whether a training is under way; otherwise Ctrl-C does what it did before.

    Yields:
        Whether the user wants it to stop.
    """
    asked = threading.Event()

    def ask(signum: int, frame: FrameType | None) -> None:
        if training() and not asked.is_set():
            asked.set()
        elif callable(before):
            before(signum, frame)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
