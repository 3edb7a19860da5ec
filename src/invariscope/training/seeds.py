"""Trains one recipe under several seeds, and chooses learning rate and weight decay before."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from invariscope.errors import InputError, RunError
from invariscope.training.loop import DivergedError, train
from invariscope.training.recipe import Recipe
from invariscope.training.run import TrainedRun
from invariscope.training.splits import HELD_OUT_NAME

Trainer = Callable[..., TrainedRun]


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Args:
        value: The mean.
        sem: Its standard error, s / √n with the divisor n - 1 in s; NaN for one seed.
        low: Lower end of the 95 % interval of Student's t; NaN for one seed.
        high: Its upper end.
        n: How many seeds.
    """

    value: float
    sem: float
    low: float
    high: float
    n: int


def mean_over_seeds(values: Iterable[float]) -> Mean:
    """Computes mean, standard error and 95 % interval of Student's t.

    Raises:
        InputError: There is no value.

    Example:
        >>> found = mean_over_seeds([0.7, 0.8, 0.9])
        >>> round(found.value, 3), round(found.sem, 4), round(found.low, 3)
        (0.8, 0.0577, 0.552)
    """
    numbers = np.array(list(values), dtype=np.float64)
    n = len(numbers)
    if not n:
        raise InputError("a mean over no seeds: train at least one")
    mean = float(numbers.mean())
    if n == 1:
        return Mean(mean, math.nan, math.nan, math.nan, 1)
    sem = float(numbers.std(ddof=1)) / math.sqrt(n)
    reach = float(stats.t.ppf(0.975, n - 1)) * sem
    return Mean(mean, sem, mean - reach, mean + reach, n)


def train_seeds(
    recipe: Recipe, seeds: int | Sequence[int], *, output: str | Path | None = None, **how: Any
) -> list[TrainedRun]:
    """Trains the same recipe under several seeds.

    Args:
        recipe: Its own seed is the first, where `seeds` is a number.
        seeds: How many, or which.
        output: A folder that gets one folder per seed, ``seed-0`` ….
        how: What `train` takes besides.

    Raises:
        InputError: No seeds, or one twice; and what `train` raises.
    """
    chosen = (
        list(range(recipe.seed, recipe.seed + seeds)) if isinstance(seeds, int) else list(seeds)
    )
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"seeds are {seeds!r}: give at least one, and each once")
    return [
        train(
            recipe.with_(seed=seed),
            output=None if output is None else Path(output) / f"seed-{seed}",
            **how,
        )
        for seed in chosen
    ]


@dataclass(frozen=True)
class CrossValidation:
    """The results of a grid of learning rates and weight decays.

    Args:
        best: The recipe with the best pair, and with its own test images.
        table: One row per pair: ``learning_rate``, ``weight_decay``, ``accuracy`` on held-out
            training images (NaN where the loss diverged), ``n``.
    """

    best: Recipe
    table: pd.DataFrame


def cross_validate(
    recipe: Recipe,
    learning_rates: Sequence[float],
    weight_decays: Sequence[float],
    *,
    output: str | Path | None = None,
    trainer: Trainer = train,
    **how: Any,
) -> CrossValidation:
    """Tries all pairs on one seed and takes the best (paper 000, App. A).

    The accuracy that decides is that on a fifth of the training images, held out; the paper took
    its test images, which flatters the winner. Of equal pairs the first one wins.

    Args:
        recipe: Everything but the two.
        learning_rates: To try.
        weight_decays: To try.
        output: A folder that gets one folder per pair.
        trainer: What trains: `train`, or a function around it that shows a bar.
        how: What it takes besides the recipe and ``output``.

    Raises:
        InputError: Nothing to try.
        RunError: All pairs diverge.
    """
    if not learning_rates or not weight_decays:
        raise InputError("nothing to try: give learning rates and weight decays")
    rows = []
    for rate in learning_rates:
        for decay in weight_decays:
            tried = recipe.with_(test=HELD_OUT_NAME, learning_rate=rate, weight_decay=decay)
            folder = None if output is None else Path(output) / f"rate-{rate:g}-decay-{decay:g}"
            try:
                run = trainer(tried, output=folder, **how)
                accuracy, count = run.accuracy, len(run.correct)
            except DivergedError:
                accuracy, count = math.nan, 0
            rows.append((rate, decay, accuracy, count))
    table = pd.DataFrame(rows, columns=["learning_rate", "weight_decay", "accuracy", "n"])
    if table["accuracy"].isna().all():
        raise RunError(
            "the loss diverges for every learning rate that was tried: try smaller ones than "
            f"{min(learning_rates):g}"
        )
    rate, decay, _, _ = rows[int(table["accuracy"].argmax())]
    chosen = recipe.with_(learning_rate=rate, weight_decay=decay)
    return CrossValidation(chosen, table)
