"""`improve`: from a failed rule to a network that keeps it, or the reason why not."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from invariscope.data.labels import distinct_names
from invariscope.devices import as_float, choose_device
from invariscope.errors import InputError
from invariscope.files import read_parquet, write_parquet
from invariscope.gate import Rule, Verdict, parse_rule
from invariscope.gate.checking import verdict_of
from invariscope.gate.judging import judge
from invariscope.gate.measuring import SweepNeed, sweeps_of
from invariscope.gate.rule import EXAMPLE
from invariscope.improving.accuracy import answers, right_outputs
from invariscope.improving.evidence import (
    ClassEvidence,
    DataEvidence,
    measured_for,
    of_classes,
    of_data,
    weak_classes,
)
from invariscope.improving.improvement import Improvement
from invariscope.improving.parts import Parts, split_in_two
from invariscope.improving.policy import Ingredient, check_can_augment, ingredients
from invariscope.improving.record import IMPROVED, write_record
from invariscope.improving.tuning import Tuned, forget_checkpoint, recipe_of, tune
from invariscope.models import PreprocessingLike, Probe, for_bands, load_model
from invariscope.models.improved import DESCRIPTION, improved_state, read_improved, save_improved
from invariscope.models.trainable import check_trainable, with_weights
from invariscope.results import Result
from invariscope.runs.first_pictures import FirstPictures
from invariscope.runs.manifest import own_command
from invariscope.runs.progress import Silent
from invariscope.statistics.non_inferiority import non_inferiority
from invariscope.training.recipe import Recipe
from invariscope.transformations import Transformation

HELD_OUT, MARGIN = 0.3, 0.01
HISTORY, CORRECT = "history.parquet", "held-out.parquet"


class Watching(Silent):
    """Told what goes on: a `Progress` of measurements that also hears of stages and steps."""

    def stage(self, words: str) -> None:
        """Begins a stage."""

    def step(self, iteration: int, total: int, values: Mapping[str, float]) -> None:
        """Told after each step of the tuning."""


@dataclass(frozen=True)
class _Work:
    """What all stages share."""

    probe: Probe
    parts: Parts
    rules: Sequence[Rule]
    sweeps: Sequence[SweepNeed]
    example: Tensor
    right: np.ndarray
    folder: Path | None
    table: str
    seed: int
    how: Mapping[str, Any]
    watching: Watching

    @property
    def classes(self) -> list[str]:
        """The names of the classes, as rules name them."""
        names = self.parts.tuning.class_names
        return [str(k) for k in range(len(self.right))] if names is None else distinct_names(names)

    def below(self, name: str) -> Path | None:
        return None if self.folder is None else self.folder / name

    def measured(self, probe: Probe, name: str) -> tuple[Verdict, list[Result]]:
        """Checks the rules on the held-out images, all of those that are measured."""
        results, found = [], {}
        for sweep in self.sweeps:
            result = measured_for(
                sweep, probe, self.parts.held_out, self.below(name), table=self.table,
                seed=self.seed, how={**self.how, "progress": self.watching},
            )  # fmt: skip
            asked = sweep.asked(result.manifest, True)
            findings = judge(asked, result.store, result.manifest)
            found |= {id(one.rule): finding for one, finding in zip(asked, findings, strict=True)}
            results.append(result)
        return verdict_of([found[id(rule)] for rule in self.rules], results), results


def improve(
    model: Any,
    images: Any,
    rules: str | Rule | Sequence[str | Rule],
    *,
    num_images: int | None = None,
    held_out: float = HELD_OUT,
    margin: float = MARGIN,
    epochs: float = 5.0,
    lr: float = 5e-4,
    tuning_batch: int = 64,
    seed: int = 0,
    device: str = "auto",
    output: str | Path | None = None,
    table: str = "standard",
    transformations: Sequence[Transformation] = (),
    preprocessing: PreprocessingLike | None = None,
    task: str | None = None,
    embedding: str | None = None,
    output_key: str | None = None,
    model_classes: str | Sequence[str] | None = None,
    value_range: Sequence[float] | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    watching: Watching | None = None,
    stop: Callable[[], bool] | None = None,
) -> Improvement:
    """Tunes a classifier until it keeps to rules, and shows what that cost.

    The images are split. On those held out the rules are checked; if all hold, nothing is tuned. On
    the others each class is measured, factors are searched for, and a copy of the network is tuned
    with the augmentation that follows (`improving.policy`). Then the rules are checked again, and
    the accuracy is compared, image by image, on the held-out images, which nothing else has seen.

    Args:
        model: As for `measure`: a module (it is copied), or a spec; a classifier.
        images: Labelled images, as for `measure`.
        rules: One or several, as for `check`.
        num_images: The most images, tuned on and held out together; None: all.
        held_out: The share of each class that is held out.
        margin: How much accuracy may be lost, as a share: 0.01 is one point.
        epochs: Passes over the images that are tuned on.
        lr: The learning rate of Adam, at the start; it falls to 0 by a cosine.
        tuning_batch: Images per step.
        seed: Of the split, the order of the images, what is drawn for them.
        device: Where the network runs.
        output: A folder for the weights, the runs, the manifest; it is gone on with. Without it
            everything stays in memory.
        table: The table of magnitudes.
        transformations: Of your own, which rules name.
        preprocessing: As for `measure`.
        task: As for `measure`.
        embedding: As for `measure`.
        output_key: As for `measure`.
        model_classes: As for `measure`.
        value_range: As for `measure`.
        batch_size: Images per forward pass of the measurements.
        workers: As for `measure`.
        watching: Told what goes on.
        stop: Asked after each step; True ends the tuning with a checkpoint.

    Returns:
        The `Improvement`: verdicts before and after, `accuracy`, `module`, `to_text`, `to_html`.

    Raises:
        InputError: Images without labels, a model that is no classifier or cannot be trained, a
            rule that cannot be read or augmented for, a folder of another improvement.
        RunError: It could not finish; what it wrote is kept.

    Example:
        >>> import torch, invariscope
        >>> pictures, labels = torch.rand(40, 3, 8, 8), [0, 1] * 20
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
        >>> rule = "brightness_down@>=0.9 prediction_consistency >= 10%"
        >>> invariscope.improve(network, (pictures, labels), rule)
        <Improvement: held already: module:Sequential on array (held out)>
    """
    # wrong numbers, before any work
    for name, value in (("epochs", epochs), ("lr", lr)):
        if not 0 < value < math.inf:
            raise InputError(f"`{name}` is {value:g}; it must be above 0")
    if tuning_batch < 2:
        raise InputError(f"`tuning_batch` is {tuning_batch}; batch norms need 2 or more")
    non_inferiority(np.ones(2), np.ones(2), margin)
    work = _opened(
        model, images, rules, output, transformations, table, num_images, held_out, seed,
        preprocessing, model_classes, value_range, watching or Watching(),
        wishes={"task": task, "embedding": embedding, "output_key": output_key},
        how={"device": device, "batch_size": batch_size, "workers": workers},
    )  # fmt: skip
    settings = {
        "model": work.probe.spec, "weights": work.probe.weights_hash,
        "data": work.parts.held_out.name.removesuffix(" (held out)"), "seed": seed,
        "held_out": held_out, "margin": margin, "epochs": epochs, "learning_rate": lr,
        "tuning_batch": tuning_batch, "table": table,
    }  # fmt: skip
    work.watching.stage("checking the rules on the held-out images")
    before, runs_before = work.measured(work.probe, "before")
    found = Improvement(
        before.subject, work.parts.words, before, runs_before, settings=settings,
        folder=work.folder, command=_command(), notes=list(work.parts.tuning.notes),
    )  # fmt: skip
    if before.outcome != "held":
        made, classes, data, note = _asked_for(work)
        found.ingredients, found.classes, found.data = made, classes, data
        found.notes += [f"no search for factors: {note}"] if note else []
        recipe = recipe_of(
            work.probe, work.parts, made, epochs=epochs, learning_rate=lr,
            batch_size=tuning_batch, seed=seed,
        )  # fmt: skip
        tuned = _tuned(work, made, recipe, device, workers, stop)
        _judged(work, found, tuned, margin, workers)
    if work.folder is not None:
        write_record(work.folder, found)
    return found


def _opened(
    model: Any,
    images: Any,
    rules: str | Rule | Sequence[str | Rule],
    output: str | Path | None,
    transformations: Sequence[Transformation],
    table: str,
    num_images: int | None,
    held_out: float,
    seed: int,
    preprocessing: PreprocessingLike | None,
    model_classes: str | Sequence[str] | None,
    value_range: Sequence[float] | None,
    watching: Watching,
    wishes: Mapping[str, Any],
    how: Mapping[str, Any],
) -> _Work:
    """Opens model and images and refuses what cannot be done, before anything is measured."""
    asked = [rules] if isinstance(rules, str | Rule) else list(rules)
    every = [rule if isinstance(rule, Rule) else parse_rule(rule) for rule in asked]
    if not every:
        raise InputError(f"there is no rule to improve by: give one, such as {EXAMPLE!r}")
    sweeps = sweeps_of(every, table, {own.name: own for own in transformations})
    check_can_augment([need for sweep in sweeps for need in sweep.needs])
    watching.stage("opening the model and the images")
    probe = load_model(model, preprocessing=preprocessing, seed=seed, **wishes)
    probe = probe.to(choose_device(how["device"]))
    parts = split_in_two(
        images, probe.preprocessing, share=held_out, seed=seed, num_images=num_images,
        value_range=value_range,
    )  # fmt: skip
    tuning = parts.tuning
    picture = FirstPictures(tuning, probe.preprocessing, range(len(tuning))).example()
    assert picture.pixels is not None
    probe = for_bands(probe, len(picture.pixels))
    example = as_float(picture.pixels)[None].to(probe.device)
    check_trainable(probe, example)
    right, _ = right_outputs(probe, tuning, model_classes)
    right_outputs(probe, parts.held_out, model_classes)
    folder = None if output is None else Path(output)
    how = {**how, "model_classes": model_classes}
    return _Work(probe, parts, every, sweeps, example, right, folder, table, seed, how, watching)


def _command() -> str:
    words = own_command()
    return "" if words is None else join(["invariscope", *words])


def _asked_for(
    work: _Work,
) -> tuple[list[Ingredient], list[ClassEvidence], list[DataEvidence], str]:
    """Gathers the evidence and makes the augmentation that it asks for."""
    classes: list[ClassEvidence] = []
    vectors: Result | None = None
    work.watching.stage("measuring each class on the images to tune on")
    for sweep in work.sweeps:
        result = measured_for(
            sweep, work.probe, work.parts.tuning, work.below("evidence"), table=work.table,
            seed=work.seed, how={**work.how, "progress": work.watching},
        )  # fmt: skip
        classes += of_classes(sweep, result, work.classes)
        vectors = result if "relative_invariance" in result.manifest["metrics"] else vectors
    needs = [need for sweep in work.sweeps for need in sweep.needs]
    made = ingredients(needs, weak_classes(work.sweeps, classes, work.classes), work.classes)
    work.watching.stage("searching for what varies in the data")
    how = {name: value for name, value in work.how.items() if name != "model_classes"}
    data, note = of_data(
        [one.transformation for one in made], work.probe, work.parts.tuning, vectors, work.folder,
        seed=work.seed, progress=work.watching, how=how,
    )  # fmt: skip
    return made, classes, data, note


def _tuned(
    work: _Work,
    made: Sequence[Ingredient],
    recipe: Recipe,
    device: str,
    workers: int | None,
    stop: Callable[[], bool] | None,
) -> Tuned:
    """Tunes the network, or reads what an earlier run of the same command has tuned."""
    weights = work.below(IMPROVED)
    if weights is not None and (weights / DESCRIPTION).exists():
        about = read_improved(weights, whole=True).about
        if about["recipe"] != recipe.as_dict():
            raise InputError(
                f"{work.folder} holds another improvement, by its {DESCRIPTION}: give another "
                "`output`"
            )
        history = read_parquet(weights / HISTORY, "delete the folder and run the command again")
        told = (about["notes"], about["seconds"], about["iterations"])
        return Tuned(improved_state(weights), history.to_pandas(), *told)
    work.watching.stage("tuning")
    tuned = tune(
        work.probe, work.example, work.parts, made, work.right, recipe, folder=weights,
        device=device, workers=workers, progress=work.watching.step, stop=stop,
    )  # fmt: skip
    if weights is not None:
        write_parquet(weights / HISTORY, tuned.history)
        save_improved(
            weights, tuned.state, base=work.probe.spec if _is_spec(work.probe) else "",
            preprocessing=work.probe.preprocessing,
            about={"recipe": recipe.as_dict(), "notes": list(tuned.notes),
                   "seconds": tuned.seconds, "iterations": tuned.iterations},
            beside=[HISTORY],
        )  # fmt: skip
        forget_checkpoint(weights)
    return tuned


def _is_spec(probe: Probe) -> bool:
    return not probe.spec.startswith(("module:", "callable:"))


def _judged(
    work: _Work, found: Improvement, tuned: Tuned, margin: float, workers: int | None
) -> None:
    """Checks the rules again, and compares the accuracies, on the held-out images."""
    weights = work.below(IMPROVED)
    spec = f"improved:{weights}" if weights is not None else f"{work.probe.spec}, improved"
    improved = with_weights(work.probe, tuned.state, spec)
    work.watching.stage("checking the rules again")
    found.after, found.runs_after = work.measured(improved, "after")
    work.watching.stage("comparing the accuracy on the held-out images")
    held = work.parts.held_out
    ids, labels, before = answers(work.probe, held, work.right, workers)
    _, _, after = answers(improved, held, work.right, workers)
    found.accuracy = non_inferiority(before, after, margin)
    names = np.array(work.classes, dtype=object)
    found.correct = pd.DataFrame(
        {"image": ids, "class": names[labels], "before": before, "after": after}
    )
    found.history, found.module = tuned.history, improved.to("cpu").module
    found.notes += tuned.notes
    found.settings = {
        **found.settings, "seconds": tuned.seconds, "iterations": tuned.iterations,
        "tuned_on": len(work.parts.tuning), "held": len(ids),
    }  # fmt: skip
    if work.folder is not None:
        write_parquet(work.folder / CORRECT, found.correct)
