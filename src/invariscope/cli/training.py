"""The runs of `invariscope train`: the choice of hyperparameters, the seeds, the bar, the table."""

import hashlib
import json
import signal
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from invariscope.cli.measure import joined, slug
from invariscope.cli.memory import keep_freed_memory
from invariscope.cli.terminal import show_notes
from invariscope.files import write_csv, write_parquet
from invariscope.registry import unknown_name
from invariscope.training import Recipe, TrainedRun, cross_validate, mean_over_seeds, train
from invariscope.training.during import measuring as measuring_hook
from invariscope.training.loop import ALONE
from invariscope.training.splits import open_splits
from invariscope.training.trackers import CsvTracker, TensorBoardTracker, Tracker, Trackers

ACCURACIES, CORRECT, GRID = "accuracies.csv", "correct.parquet", "cross-validation.csv"
_MEASURED_IMAGES = 50  # as paper 003
_TRACKERS = ("csv", "tensorboard")


def train_all(
    values: Mapping[str, Any],
    *,
    seeds: int,
    rates: Sequence[float],
    decays: Sequence[float],
    measuring: Mapping[str, Any],
    trackers: Sequence[str],
    folder: Path | None,
    how: dict[str, Any],
) -> None:
    """Trains, tests, writes the folder and shows the table."""
    console = Console(highlight=False, soft_wrap=False)
    keep_freed_memory()
    recipe = Recipe(**values, learning_rate=rates[0], weight_decay=decays[0])
    names = [name for text in trackers for name in text.split(",")]
    for name in names:
        if name not in _TRACKERS:
            raise unknown_name("tracker", name, _TRACKERS)
    folder = folder or _default_folder(recipe, rates, decays)
    hook = _hook(recipe, measuring)
    every = measuring["every"]
    title = f"{recipe.model} on {recipe.data}, augmentation {recipe.augment}"
    console.print(textwrap.fill(title, 80), style="bold")
    with _stopping() as stop, _bar(console) as bar:

        def one(recipe: Recipe, output: Path, title: str, **more: Any) -> TrainedRun:
            with bar(title) as show:
                return train(recipe, output=output, progress=show, stop=stop, **how, **more)

        if len(rates) * len(decays) > 1:
            recipe = _chosen(console, recipe, rates, decays, folder, one)
        runs = []
        for seed in range(recipe.seed, recipe.seed + seeds):
            place = folder / f"seed-{seed}"
            runs.append(
                one(
                    recipe.with_(seed=seed),
                    place,
                    f"seed {seed}",
                    hook=hook,
                    every=every,
                    tracker=_tracker(names, place),
                )
            )
    _write(folder, runs)
    _show(console, runs, folder)


def _chosen(
    console: Console,
    recipe: Recipe,
    rates: Sequence[float],
    decays: Sequence[float],
    folder: Path,
    one: Callable[..., TrainedRun],
) -> Recipe:
    """The recipe with the best learning rate and weight decay."""

    def trained(tried: Recipe, output: Path) -> TrainedRun:
        title = f"rate {tried.learning_rate:g}, decay {tried.weight_decay:g}"
        return one(tried, output, title)

    found = cross_validate(
        recipe, rates, decays, output=folder / "cross-validation", trainer=trained
    )
    write_csv(folder / GRID, found.table)
    best = found.best
    text = (
        f"chosen on held-out training images: learning rate {best.learning_rate:g}, weight decay "
        f"{best.weight_decay:g}"
    )
    console.print(textwrap.fill(text, 80))
    return best


def _hook(recipe: Recipe, measuring: Mapping[str, Any]):
    if measuring["every"] is None:
        return None
    names = ("transformations", "groups", "metrics", "layers")
    settings = {name: joined(measuring[name]) for name in names if measuring[name]}
    _, test, _ = open_splits(recipe)
    return measuring_hook(test.source, num_images=_MEASURED_IMAGES, **settings)


def _tracker(names: Sequence[str], folder: Path) -> Tracker | None:
    made: list[Tracker] = []
    if "csv" in names:
        made.append(CsvTracker(folder / "log.csv"))
    if "tensorboard" in names:
        made.append(TensorBoardTracker(folder / "tensorboard"))
    return Trackers(made) if made else None


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Ctrl-C ends the training after the step under way, with a checkpoint; a second one at once.

    Yields:
        Whether the user wants it to stop.
    """
    asked = threading.Event()

    def ask(signum: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(console: Console) -> Iterator[Callable[..., Any]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[seen]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, expand=True) as progress:

        @contextmanager
        def bar(title: str) -> Iterator[Callable[[int, int, Mapping[str, float]], None]]:
            task = progress.add_task(title, total=1, seen="")
            seen: dict[str, float] = {}

            def show(iteration: int, total: int, values: Mapping[str, float]) -> None:
                seen.update(values)
                text = f"loss {seen['loss']:.3f}" if "loss" in seen else ""
                if "test accuracy" in seen:
                    text += f", {seen['test accuracy']:.1%}"
                progress.update(task, completed=iteration, total=total, seen=text)

            yield show
            progress.remove_task(task)

        yield bar


def _write(folder: Path, runs: Sequence[TrainedRun]) -> None:
    rows = [(run.recipe.seed, run.accuracy, len(run.correct)) for run in runs]
    table = pd.DataFrame(rows, columns=["seed", "accuracy", "n"])
    write_csv(folder / ACCURACIES, table)
    write_parquet(folder / CORRECT, pd.concat([run.correct for run in runs]))


def _show(console: Console, runs: Sequence[TrainedRun], folder: Path) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("seed", "test accuracy", "n", "last loss", "time"):
        table.add_column(column, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            str(run.recipe.seed),
            f"{run.accuracy:.2%}",
            f"{len(run.correct):,}",
            f"{run.values('loss').iloc[-1]:.3f}",
            f"{run.facts['seconds']:.0f} s",
        )
    console.print(table)
    if len(runs) > 1:
        mean = mean_over_seeds(run.accuracy for run in runs)
        low, high = max(mean.low, 0.0), min(mean.high, 1.0)  # few seeds: t may reach beyond
        text = (
            f"mean {mean.value:.2%}, standard error {mean.sem:.2%}, 95 % interval over {mean.n} "
            f"seeds {low:.2%} to {high:.2%}"
        )
        console.print(textwrap.fill(text, 80))
    _show_widths(console, runs)
    show_notes(console, sorted({note for run in runs for note in run.notes}))
    first = folder / f"seed-{runs[0].recipe.seed}"
    console.print(f"networks: {folder}", soft_wrap=True)
    console.print(f"to measure one: invariscope measure trained:{first}", soft_wrap=True)


def _show_widths(console: Console, runs: Sequence[TrainedRun]) -> None:
    """What Augerino learned, and what it is worth in the test."""
    if runs[0].facts.get("augerino") is None:
        return
    for name in runs[0].facts["augerino"]:
        mean = mean_over_seeds(run.facts["augerino"][name] for run in runs)
        console.print(f"{name}: {mean.value:.3g}" + ("" if mean.n == 1 else f" ± {mean.sem:.2g}"))
    alone = mean_over_seeds(run.values(ALONE).iloc[-1] for run in runs)
    console.print(f"test accuracy with Augerino switched off: {alone.value:.2%}")


def _default_folder(recipe: Recipe, rates: Sequence[float], decays: Sequence[float]) -> Path:
    """A folder that belongs to these settings, whatever the number of seeds."""
    said = json.dumps([recipe.as_dict(), list(rates), list(decays)], sort_keys=True)
    mark = hashlib.sha256(said.encode()).hexdigest()[:8]
    parts = [recipe.model.partition("?")[0], Path(recipe.data).name, recipe.augment]
    return Path("runs") / f"train_{'_'.join(slug(part) for part in parts)}_{mark}"
