"""Carries out a run of `invariscope measure`: the progress bar, the plan, the table at the end."""

import signal
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
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
from invariscope.runs import carry_out_each, estimate
from invariscope.sweep import Sweep, SweepRequest, prepare
from invariscope.transformations import Resampling

#: Weights of models, with those of their twins, that are measured together.
TOGETHER_BYTES = 512 << 20


def measure_models(
    specs: Sequence[str],
    data: str,
    *,
    folders: Sequence[Path | None],
    dry_run: bool,
    carry: dict[str, Any],
    resampling: tuple[str, float, str],
    **settings: Any,
) -> list[Path]:
    """Measures models and writes their run folders, which are returned.

    Every model is loaded and runs on one image before the first is measured, so that no spec fails
    after hours. Models that are shown the same pictures are measured together, as many as have
    `TOGETHER_BYTES` of weights: pictures are decoded and moved once for all of them.

    Raises:
        InputError: A model cannot be measured as asked; the first one, by name.
    """
    screen, how = Screen(), _resampling(*resampling)
    requests = [SweepRequest(model=s, images=data, resampling=how, **settings) for s in specs]
    keep_freed_memory()
    shared: list[tuple[Hashable, int]] = []
    held: dict[int, Sweep] = {}
    for position, request in enumerate(requests):
        sweep = _checked(screen, request, position, len(specs))
        shared.append((sweep.shared, sweep.setup.weight_bytes))
        if not held or sum(shared[k][1] for k in [*held, position]) <= TOGETHER_BYTES:
            held[position] = sweep
    made: dict[int, Path] = {}
    for group in _together(shared):
        sweeps = [held.pop(k, None) or _loaded(screen, requests[k]) for k in group]
        for k, sweep in zip(group, sweeps, strict=True):
            made[k] = folders[k] or default_folder(sweep.manifest, sweep.source.name)
        if dry_run:
            for k, sweep in zip(group, sweeps, strict=True):
                _show_plan(screen, sweep, made[k], carry["batch_size"])
        else:
            _measure(screen, sweeps, [made[k] for k in group], carry)
    return [made[position] for position in range(len(specs))]


def _checked(screen: Screen, request: SweepRequest, position: int, count: int) -> Sweep:
    """Loads a model; of several, an error says which one it is."""
    if count == 1:
        return _loaded(screen, request)
    with screen.status(f"checking {request.model} ({position + 1} of {count})"):
        try:
            return prepare(request)
        except InputError as problem:
            raise InputError(
                f"{problem} (model {request.model}; none is measured yet)"
            ) from problem


def _loaded(screen: Screen, request: SweepRequest) -> Sweep:
    with screen.status(f"loading {request.model} and {request.images}"):
        return prepare(request)


def _together(shared: Sequence[tuple[Hashable, int]]) -> list[list[int]]:
    """Groups positions of models by what they share, as many as have `TOGETHER_BYTES`.

    Args:
        shared: What a model shares with others (None: nothing), and the bytes of its weights.

    Example:
        >>> _together([("224", 9), ("384", 9), ("224", 9), (None, 9), (None, 9)])
        [[0, 2], [1], [3], [4]]
    """
    groups: list[list[int]] = []
    for position, (key, size) in enumerate(shared):
        for group in groups:
            own = [shared[k] for k in group]
            if own[0][0] == key is not None and sum(s for _, s in own) + size <= TOGETHER_BYTES:
                group.append(position)
                break
        else:
            groups.append([position])
    return groups


def _show_plan(screen: Screen, sweep: Sweep, folder: Path, batch_size: int | None) -> None:
    with screen.status("timing one batch"):
        layers = [layer.name for layer in sweep.setup.layers]
        cost = estimate(sweep, sweep.probe, layers, batch_size)
    show_plan(screen, sweep, cost, folder)


def _measure(
    screen: Screen, sweeps: Sequence[Sweep], folders: Sequence[Path], carry: dict[str, Any]
) -> None:
    """Measures models that are shown the same pictures, and shows what came out."""
    titles = [f"{sweep.probe.spec} on {sweep.source.name}" for sweep in sweeps]
    several = len(sweeps) > 1
    title = f"{len(sweeps)} models together on {sweeps[0].source.name}" if several else titles[0]
    with interruptible():
        with RunBar(screen, title) as bar:
            results = carry_out_each(sweeps, folders, progress=bar, **carry)
        for result, folder, own in zip(results, folders, titles, strict=True):
            path = result.to_html(folder / "report.html")
            if several:
                screen.print()
                screen.unbroken(own, style="bold")
            show_result(screen, result)
            screen.unbroken(f"report: {path}")


def _resampling(border: str, fill: float, interpolation: str) -> Resampling | None:
    how = Resampling(interpolation, border, fill)
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
