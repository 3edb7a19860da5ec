"""Carries out `invariscope train`: the choice of hyperparameters, the seeds, the bar, the table."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from invariscope.cli.folders import folder_for
from invariscope.cli.options import joined
from invariscope.cli.progress import TrainingBar
from invariscope.cli.running import after_the_step
from invariscope.cli.screen import Screen
from invariscope.cli.showing import show_notes
from invariscope.files import write_csv, write_parquet
from invariscope.memory import keep_freed_memory
from invariscope.registry import unknown_name
from invariscope.terminal import table
from invariscope.training import Recipe, TrainedRun, cross_validate, mean_over_seeds, train
from invariscope.training.during import measuring as measuring_hook
from invariscope.training.loop import ALONE
from invariscope.training.prepare import check_recipe
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
    screen = Screen()
    keep_freed_memory()
    recipe = Recipe(**values, learning_rate=rates[0], weight_decay=decays[0])
    names = [name for text in trackers for name in text.split(",")]
    for name in names:
        if name not in _TRACKERS:
            raise unknown_name("tracker", name, _TRACKERS)
    with screen.status(f"opening {recipe.data}"):
        check_recipe(recipe)
    folder = folder or _default_folder(recipe, rates, decays)
    hook = _hook(recipe, measuring)
    every = measuring["every"]
    title = f"{recipe.model} on {recipe.data}, augmentation {recipe.augment}"
    screen.say(title, style="bold")
    with after_the_step() as stop, TrainingBar(screen) as bar:

        def train_one(recipe: Recipe, output: Path, title: str, **more: Any) -> TrainedRun:
            with bar.of(title) as show:
                return train(recipe, output=output, progress=show, stop=stop, **how, **more)

        if len(rates) * len(decays) > 1:
            recipe = _chosen(screen, recipe, rates, decays, folder, train_one)
        runs = []
        for seed in range(recipe.seed, recipe.seed + seeds):
            own = folder / f"seed-{seed}"
            runs.append(
                train_one(
                    recipe.with_(seed=seed),
                    own,
                    f"seed {seed}",
                    hook=hook,
                    every=every,
                    tracker=_tracker(names, own),
                )
            )
    _write(folder, runs)
    _show(screen, runs, folder)


def _chosen(
    screen: Screen,
    recipe: Recipe,
    rates: Sequence[float],
    decays: Sequence[float],
    folder: Path,
    train_one: Callable[..., TrainedRun],
) -> Recipe:
    """Chooses the recipe with the best learning rate and weight decay."""

    def trained(tried: Recipe, output: Path) -> TrainedRun:
        title = f"rate {tried.learning_rate:g}, decay {tried.weight_decay:g}"
        return train_one(tried, output, title)

    grid = cross_validate(
        recipe, rates, decays, output=folder / "cross-validation", trainer=trained
    )
    write_csv(folder / GRID, grid.table)
    best = grid.best
    text = (
        f"chosen on held-out training images: learning rate {best.learning_rate:g}, weight decay "
        f"{best.weight_decay:g}"
    )
    screen.say(text)
    return best


def _hook(recipe: Recipe, measuring: Mapping[str, Any]):
    if measuring["every"] is None:
        return None
    names = ("transformations", "groups", "metrics", "layers")
    settings = {name: joined(measuring[name]) for name in names if measuring[name]}
    _, test, _ = open_splits(recipe)
    return measuring_hook(test.source, num_images=_MEASURED_IMAGES, **settings)


def _tracker(names: Sequence[str], folder: Path) -> Tracker | None:
    trackers: list[Tracker] = []
    if "csv" in names:
        trackers.append(CsvTracker(folder / "log.csv"))
    if "tensorboard" in names:
        trackers.append(TensorBoardTracker(folder / "tensorboard"))
    return Trackers(trackers) if trackers else None


def _write(folder: Path, runs: Sequence[TrainedRun]) -> None:
    rows = [(run.recipe.seed, run.accuracy, len(run.correct)) for run in runs]
    table = pd.DataFrame(rows, columns=["seed", "accuracy", "n"])
    write_csv(folder / ACCURACIES, table)
    write_parquet(folder / CORRECT, pd.concat([run.correct for run in runs]))


def _show(screen: Screen, runs: Sequence[TrainedRun], folder: Path) -> None:
    rows = (
        (
            run.recipe.seed, f"{run.accuracy:.2%}", f"{len(run.correct):,}",
            f"{run.values('loss').iloc[-1]:.3f}", f"{run.facts['seconds']:.0f} s",
        )
        for run in runs
    )  # fmt: skip
    screen.print(table((">seed", ">test accuracy", ">n", ">last loss", ">time"), rows))
    if len(runs) > 1:
        mean = mean_over_seeds(run.accuracy for run in runs)
        low, high = max(mean.low, 0.0), min(mean.high, 1.0)  # few seeds: t may reach beyond
        text = (
            f"mean {mean.value:.2%}, standard error {mean.sem:.2%}, 95 % interval over {mean.n} "
            f"seeds {low:.2%} to {high:.2%}"
        )
        screen.say(text)
    _show_widths(screen, runs)
    show_notes(screen, sorted({note for run in runs for note in run.notes}))
    first = folder / f"seed-{runs[0].recipe.seed}"
    screen.unbroken(f"networks: {folder}")
    screen.unbroken(f"to measure one: invariscope measure trained:{first}")


def _show_widths(screen: Screen, runs: Sequence[TrainedRun]) -> None:
    """Shows what Augerino learned, and its effect in the test."""
    if runs[0].facts.get("augerino") is None:
        return
    for name in runs[0].facts["augerino"]:
        mean = mean_over_seeds(run.facts["augerino"][name] for run in runs)
        screen.say(f"{name}: {mean.value:.3g}" + ("" if mean.n == 1 else f" ± {mean.sem:.2g}"))
    alone = mean_over_seeds(run.values(ALONE).iloc[-1] for run in runs)
    screen.say(f"test accuracy with Augerino switched off: {alone.value:.2%}")


def _default_folder(recipe: Recipe, rates: Sequence[float], decays: Sequence[float]) -> Path:
    """Names a folder that belongs to these settings, whatever the number of seeds."""
    names = [recipe.model.partition("?")[0], Path(recipe.data).name, recipe.augment]
    folder = folder_for(names, [recipe.as_dict(), list(rates), list(decays)])
    return folder.with_name(f"train_{folder.name}")
