"""Trains a network: one function to read, on `accelerate` (a CPU, a GPU, several; AMP).

A step is: take a batch, augment it on the device, normalise, forward, cross-entropy, backward,
update. The order of the images, what is drawn for them and dropout's generator are functions of
(seed, epoch or iteration). So a training that was killed and goes on from its checkpoint ends, on
the CPU, with the same bits as one that was not; both need the same number of threads.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch

from invariscope.errors import RunError
from invariscope.files import remove_leftovers, writable
from invariscope.models import Probe
from invariscope.runs.lock import locked
from invariscope.seeding import generator
from invariscope.training.checkpoint import (
    CHECKPOINT,
    check_same_recipe,
    save_checkpoint,
    take_up,
)
from invariscope.training.prepare import Training, accelerator_on, prepare
from invariscope.training.recipe import Recipe
from invariscope.training.run import RECIPE, TrainedRun, is_done, read_run
from invariscope.training.trackers import Tracker

CHECKPOINT_SECONDS = 60.0
#: In the history, at the end: the test accuracy of the network with Augerino switched off.
ALONE = "test accuracy without augerino"
_LOGS_PER_EPOCH = 10


class DivergedError(RunError):
    """The loss is no finite number any more."""


Hook = Callable[[Probe, int], Mapping[str, float]]


def train(
    recipe: Recipe,
    *,
    output: str | Path | None = None,
    device: str = "auto",
    mixed_precision: str = "no",
    evaluate_every: float | None = None,
    hook: Hook | None = None,
    every: int | None = None,
    tracker: Tracker | None = None,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    stop: Callable[[], bool] | None = None,
    workers: int | None = None,
) -> TrainedRun:
    """Trains a network and tests it.

    Args:
        recipe: What to train on what, and how.
        output: The folder; None keeps everything in memory. A folder with the finished training of
            this recipe is read, one with its checkpoint is gone on with.
        device: ``auto``, ``cpu``, ``cuda``, …. Under ``accelerate launch``, that command decides.
        mixed_precision: ``no``, ``bf16`` or ``fp16``.
        evaluate_every: Test accuracy every so many epochs; None only at the end.
        hook: Called with the network as it is, in eval mode, and the iteration; the numbers that it
            returns go into the history. This is how invariance is measured during training.
        every: The hook's interval in iterations; it is called at iteration 0 and at the end too.
        tracker: Where numbers go while it runs, beside the history.
        progress: Called after each step with the iteration, how many there are, and the numbers
            that were logged at this step.
        checkpoint_seconds: How long what was computed may be without a checkpoint; there is one
            after the first epoch in any case.
        stop: Asked after each step; True ends the training with a checkpoint.
        workers: Decoding, as for `invariscope.measure`; it changes no number.

    Returns:
        The finished training.

    Raises:
        InputError: A spec or a value of the recipe does not work, or the folder is another's or in
            use by another process.
        RunError: The loss is no number any more, memory ran out, the disk is full, or `stop`.

    Example:
        >>> data = "torchvision:FakeData?size=40&image_size=3,8,8&num_classes=2"
        >>> recipe = Recipe(data, "small:cnn7?width=0.2", size=8, epochs=2, batch_size=16)
        >>> run = train(recipe)
        >>> len(run.correct), 0 <= run.accuracy <= 1, int(run.history["iteration"].max())
        (8, True, 4)
    """
    folder = None if output is None else Path(output)
    if folder is not None and is_done(folder):
        run = read_run(folder)
        check_same_recipe(folder / RECIPE, run.recipe, recipe)
        (folder / CHECKPOINT).unlink(missing_ok=True)  # of one that was killed when it was done
        return run
    accelerator = accelerator_on(device, mixed_precision)
    drawn_on = [accelerator.device] if accelerator.device.type == "cuda" else []
    writing = folder if accelerator.is_main_process else None
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.random.fork_rng(devices=drawn_on),
    ):
        training = prepare(recipe, accelerator, workers)
        with held(writing):
            if folder is not None:
                take_up(folder, training)
            try:
                if tracker is not None:
                    tracker.start(recipe.as_dict())
                do_steps(
                    training, folder, hook=hook, every=every, evaluate_every=evaluate_every,
                    tracker=tracker, progress=progress, checkpoint_seconds=checkpoint_seconds,
                    stop=stop,
                )  # fmt: skip
            except torch.OutOfMemoryError as error:
                raise RunError(
                    f"the device ran out of memory at batches of {recipe.batch_size} images: give "
                    "a smaller batch size, or a smaller width"
                ) from error
            finally:
                if tracker is not None:
                    tracker.finish()
            run = _finished(training)
            run = run if writing is None else _saved(run, writing)
    accelerator.wait_for_everyone()
    return run


@contextmanager
def held(folder: Path | None) -> Iterator[None]:
    """Keeps other processes out of a training's folder; what killed writes have left there goes."""
    if folder is None:
        yield
        return
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        remove_leftovers(folder)
        yield


def _saved(run: TrainedRun, folder: Path) -> TrainedRun:
    try:
        return run.save(folder)
    except RunError as error:
        kept = f"; its {CHECKPOINT} is kept" if (folder / CHECKPOINT).exists() else ""
        raise RunError(f"{error}{kept}") from error


def do_steps(
    training: Training,
    folder: Path | None,
    *,
    hook: Hook | None = None,
    every: int | None = None,
    evaluate_every: float | None = None,
    tracker: Tracker | None = None,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
    checkpoint_seconds: float,
    stop: Callable[[], bool] | None,
) -> None:
    """Does the steps that are left; arguments as for `train`.

    Raises:
        RunError: The loss is no number any more, the disk is full, or `stop`.
    """
    total, per_epoch = training.total, training.per_epoch
    log_every = max(1, per_epoch // _LOGS_PER_EPOCH)
    saved = time.monotonic()

    def record(values: Mapping[str, float]) -> None:
        for name, value in values.items():
            training.history.append((training.iteration, name, float(value)))
        if tracker is not None and values and training.accelerator.is_main_process:
            tracker.log(training.iteration, values)

    if hook is not None and training.iteration == 0:
        record(_measured(training, hook))
    steps = training.steps()
    for batch in training.images.batches(steps):
        if len(batch.labels) > 1:
            training.losses.append(one_step(training, batch.pixels, batch.labels))
        training.iteration += 1
        at_end = training.iteration == total
        values: dict[str, float] = {}
        if training.iteration % log_every == 0 or at_end:
            values = _logged(training)
        if evaluate_every and (_passed(training.iteration, evaluate_every * per_epoch) or at_end):
            values["test accuracy"] = training.test_accuracy()
        if hook is not None and every and (training.iteration % every == 0 or at_end):
            values.update(_measured(training, hook))
        record(values)
        if progress is not None:
            progress(training.iteration, total, values)
        stopping = stop is not None and not at_end and stop()
        due = training.iteration == per_epoch or time.monotonic() - saved >= checkpoint_seconds
        due = stopping or (due and not at_end)
        if folder is not None and due and training.accelerator.is_main_process:
            save_checkpoint(folder, training)
            saved = time.monotonic()
        if stopping:
            where = "" if folder is None else f"; {folder / CHECKPOINT} is kept"
            raise RunError(
                f"stopped at iteration {training.iteration} of {total}{where}: the same command "
                "goes on from there"
            )


def one_step(training: Training, pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Makes one update; returns the loss, still on the device."""
    recipe, accelerator = training.recipe, training.accelerator
    iteration = training.iteration
    # Dropout and mixing draw from torch's generators: seeded by the iteration, they need no state.
    seed = int(generator(recipe.seed, f"iteration {iteration}").integers(2**62))
    seed += accelerator.process_index
    torch.manual_seed(seed)
    factor = training.schedule(iteration / training.per_epoch, recipe.epochs)
    for group in training.optimizer.param_groups:
        group["lr"] = factor * group["initial_lr"]
    targets: torch.Tensor = labels
    if training.mixing is not None:
        pixels, targets = training.mixing(
            pixels, labels, num_classes=len(training.classes), seed=seed
        )
    batch = training.preprocessing.normalise(pixels).contiguous(memory_format=torch.channels_last)
    loss = training.loss(training.model(batch), targets)
    training.optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss)
    training.optimizer.step()
    return loss.detach()


def _measured(training: Training, hook: Hook) -> Mapping[str, float]:
    """The hook's numbers; the network is in training mode again afterwards."""
    values = hook(training.probe(), training.iteration)
    training.model.train()
    return values


def _logged(training: Training) -> dict[str, float]:
    """Mean loss since the last time, learning rate; empties the list of losses."""
    if not training.losses:
        return {}
    mean = torch.stack(training.losses).double().mean()
    loss = float(training.accelerator.reduce(mean, reduction="mean"))
    training.losses.clear()
    if loss != loss or loss in (float("inf"), float("-inf")):
        raise DivergedError(
            f"the loss is {loss} at iteration {training.iteration}: a smaller learning rate than "
            f"{training.recipe.learning_rate:g} works"
        )
    rate = training.optimizer.param_groups[0]["lr"]
    widths = {} if training.augerino is None else training.augerino.numbers()
    return {"loss": loss, "learning rate": rate, **widths}


def _finished(training: Training) -> TrainedRun:
    """The run in memory."""
    correct = training.correct()
    notes = [*training.images.notes, *(training.test.notes if training.test else [])]
    if training.test is not None and (lost := training.test.unanswered):
        if lost == len(correct):
            raise DivergedError(
                "the network gives NaN for every test image: a smaller learning rate than "
                f"{training.recipe.learning_rate:g} works"
            )
        notes.append(f"the network gives NaN for {lost} test images, which count as wrong")
    alone = training.accuracy_without_augerino()
    if alone is not None:
        training.history.append((training.iteration, ALONE, alone))
    rows = [
        (iteration, iteration / training.per_epoch, name, value)
        for iteration, name, value in training.history
    ]
    return TrainedRun(
        recipe=training.recipe,
        module=training.network.eval().cpu(),
        preprocessing=training.preprocessing,
        class_names=training.classes,
        correct=correct,
        history=pd.DataFrame(rows, columns=["iteration", "epoch", "name", "value"]),
        notes=notes,
        facts=training.facts(),
    )


def _passed(iteration: int, interval: float) -> bool:
    """Says whether a multiple of the interval lies in the step that led to this iteration."""
    return int(iteration / interval) > int((iteration - 1) / interval)
