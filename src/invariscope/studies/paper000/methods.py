"""Training methods side by side: the same network, data and optimiser, another augmentation each.

The studies of paper 000 §2 train the same methods, so their recipes are made in one place: a
training that one of them has done is the same job for the others. Learning rate and weight decay
are chosen for each method by cross-validation on the first seed where the settings name several
(App. A); the paper's grid is not in its text.

The laptop preset trains on cut-outs anywhere before photographs. On clothes, which fill their
frame, RandomResizedCrop gained 0.003 ± 0.01 of accuracy, so that nothing could be said of its
halves; on one seed of these, after 20 epochs, FixedSizeRandomCrop gained 0.19.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from invariscope.errors import RunError
from invariscope.studies.claims import (
    Evidence,
    accuracy_over_seeds,
    image_step,
    interval,
    over_seeds,
)
from invariscope.studies.claims.evidence import CONFIDENCE
from invariscope.studies.lab.figures import Dot, dots
from invariscope.studies.lab.findings import Figure
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import needed

if TYPE_CHECKING:
    from invariscope.training import Recipe, TrainedRun

NONE, RRC = "none", "RandomResizedCrop"
HALVES = ("RandomSizeCenterCrop", "FixedSizeRandomCrop")
SHIFT, SHIFT_AND_SCALE = "T.(30%)", "T.(30%) + RandomSizeCenterCrop"
#: Paper 000, Table 1(a), from the top.
METHODS = (RRC, *HALVES, SHIFT, SHIFT_AND_SCALE, f"{SHIFT_AND_SCALE} w/o a.r.", NONE)
#: Twenty objects, each anywhere and of any size before a photograph: what the laptop trains on.
STAMPS = "transforms2d:stamps?transformations=scale+translation&classes=20&size=28"
#: A method is an augmentation, or (augmentation, Augerino's settings).
Method = str | tuple[str, str]


@dataclass(frozen=True)
class TrainingSettings:
    """Says what the methods are trained on; `--set NAME=VALUE` changes one.

    Attributes:
        train: Images to train on.
        test: Images to test on; "held out" is a fifth of those to train on.
        model: The network.
        size: Side of its input; None takes the network's own.
        seeds: Training seeds.
        num_train: How many images to train on; None takes all.
        num_test: How many to test on.
        epochs: Passes over the images.
        batch_size: Images per step.
        learning_rates: Of several, each method takes the best on held-out images.
        weight_decays: Likewise.
        schedule: How the learning rate falls.
    """

    train: str = f"{STAMPS}&split=train&num=1000"
    test: str = f"{STAMPS}&split=test&num=1000"
    model: str = "small:resnet18?width=0.125"
    size: int | None = 20
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    num_train: int | None = 1000
    num_test: int | None = 1000
    epochs: float = 40.0
    batch_size: int = 50
    learning_rates: tuple[float, ...] = (0.05,)
    weight_decays: tuple[float, ...] = (5e-4,)
    schedule: str = "cosine"


#: Values of the presets that the studies share.
SMOKE: Mapping[str, Any] = {
    "train": "transforms2d:shapes?transformations=rotation+scale&classes=4&size=16&num=150",
    "test": "held out",
    "model": "small:cnn7?width=0.2",
    "size": 16,
    "seeds": (0, 1),
    "num_train": 100,
    "num_test": None,
    "epochs": 1.0,
}
PAPER: Mapping[str, Any] = {
    "train": "",
    "test": "",
    "model": "timm:resnet18",
    "size": None,
    "num_train": None,
    "num_test": None,
    "epochs": 150.0,
    "batch_size": 256,
    "learning_rates": (0.1, 0.03, 0.01),
    "weight_decays": (1e-3, 1e-4, 1e-5),
    "schedule": "step(30, 0.1)",
}


def recipe_of(settings: TrainingSettings) -> "Recipe":
    """The recipe of no augmentation on the first seed.

    Raises:
        InputError: The preset does not know where its images are.
    """
    from invariscope.training import Recipe

    return Recipe(
        needed(settings.train, "train", "ImageNet's training images, a folder per class"),
        settings.model,
        test=needed(settings.test, "test", "ImageNet's validation images, a folder per class"),
        num_train=settings.num_train,
        num_test=settings.num_test,
        size=settings.size,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rates[0],
        weight_decay=settings.weight_decays[0],
        schedule=settings.schedule,
        seed=settings.seeds[0],
    )


def described(settings: TrainingSettings) -> str:
    """Data, network and seeds, for the record of a claim."""
    return f"{settings.train}: {settings.model}, {len(settings.seeds)} seeds"


def train_methods(
    lab: Lab,
    settings: TrainingSettings,
    methods: Sequence[Method],
    like: Mapping[Method, str] | None = None,
) -> "dict[Method, list[TrainedRun]]":
    """Trains each method on all seeds.

    Args:
        lab: Where.
        settings: On what.
        methods: Augmentations, or pairs of one and Augerino's settings.
        like: Methods that take the learning rate and weight decay of another one.

    Returns:
        By method, a run for each seed.
    """
    like = like or {}
    base = recipe_of(settings)
    models = list(dict.fromkeys(like.get(method, method) for method in methods))
    rates = _cross_validated(lab, settings, base, models)
    recipes = [
        _with(base, method).with_(seed=seed, **rates[like.get(method, method)])
        for method in methods
        for seed in settings.seeds
    ]
    runs, count = lab.train(recipes), len(settings.seeds)
    return {method: runs[k * count : (k + 1) * count] for k, method in enumerate(methods)}


def _with(recipe: "Recipe", method: Method) -> "Recipe":
    augment, augerino = (method, None) if isinstance(method, str) else method
    return recipe.with_(augment=augment, augerino=augerino)


def _cross_validated(
    lab: Lab, settings: TrainingSettings, base: "Recipe", methods: Sequence[Method]
) -> dict[Method, dict[str, float]]:
    """Learning rate and weight decay of each method: the best on held-out training images."""
    from invariscope.training.splits import HELD_OUT_NAME

    grid = [
        {"learning_rate": rate, "weight_decay": decay}
        for rate in settings.learning_rates
        for decay in settings.weight_decays
    ]
    if len(grid) == 1:
        return dict.fromkeys(methods, grid[0])
    tried = [
        _with(base, method).with_(test=HELD_OUT_NAME, **pair) for method in methods for pair in grid
    ]
    scores = np.array(_held_out(lab, tried)).reshape(len(methods), len(grid))
    return {
        method: grid[int(np.nanargmax(row))] for method, row in zip(methods, scores, strict=True)
    }


def _held_out(lab: Lab, recipes: "Sequence[Recipe]") -> list[float]:
    """The accuracy of each; NaN where the loss diverges."""
    try:
        return [run.accuracy for run in lab.train(recipes, what="cross-validation")]
    except RunError as error:
        if "the loss is" not in str(error) or len(recipes) == 1:
            if "the loss is" in str(error):
                return [math.nan]
            raise
        return [_held_out(lab, [recipe])[0] for recipe in recipes]


def accuracies(trained: "Mapping[Method, Sequence[TrainedRun]]") -> pd.DataFrame:
    """One row per run: method, seed, accuracy, num_test, learning_rate, weight_decay."""
    rows = [
        {
            "method": name_of(method),
            "seed": run.recipe.seed,
            "accuracy": run.accuracy,
            "num_test": len(run.correct),
            "learning_rate": run.recipe.learning_rate,
            "weight_decay": run.recipe.weight_decay,
        }
        for method, runs in trained.items()
        for run in runs
    ]
    return pd.DataFrame(rows)


def name_of(method: Method) -> str:
    """The method as tables name it."""
    return method if isinstance(method, str) else f"{method[0]}, augerino {method[1]}"


def by_seed(table: pd.DataFrame, method: str, column: str = "accuracy") -> np.ndarray:
    """One method's numbers, in the order of the seeds."""
    rows = table[table["method"] == method].sort_values("seed")
    return rows[column].to_numpy(dtype=np.float64)


def means_of(table: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard error and 95 % interval of each method, the best first."""
    rows = []
    for method in dict.fromkeys(table["method"]):
        mean = accuracy_over_seeds(by_seed(table, method), resolution=image_step(table))
        rows.append(
            {"method": method, "accuracy": mean.value, "sem": mean.error, "low": mean.low,
             "high": mean.high, "n": mean.n}
        )  # fmt: skip
    return pd.DataFrame(rows).sort_values("accuracy", ascending=False, ignore_index=True)


def accuracy_figure(title: str, caption: str, table: pd.DataFrame) -> Figure:
    """A row for each method of `accuracies`."""
    rows = []
    for method in dict.fromkeys(table["method"]):
        seeds = by_seed(table, method)
        mean = accuracy_over_seeds(seeds, resolution=image_step(table))
        rows.append(Dot.of(method, mean, seeds))
    return dots(title, caption, rows, x_label="accuracy", line=None)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> Evidence:
    """The ratio of two means over the same seeds, with Fieller's 95 % interval.

    It is undefined, and has no interval, unless the denominator's mean is surely above 0: then the
    values that a t test of numerator − ratio · denominator = 0 does not reject are an interval.

    Example:
        >>> evidence = ratio(np.array([0.5, 0.6, 0.55]), np.array([1.0, 1.1, 1.05]))
        >>> round(evidence.value, 3), evidence.low < evidence.value < evidence.high
        (0.524, True)
    """
    from scipy import stats

    below = over_seeds(denominator)
    n = len(numerator)
    if n < 2 or not below.low > 0:
        reason = "one seed has no interval" if n < 2 else "the gain is not surely above 0"
        value = (
            float(numerator.mean() / denominator.mean()) if n and denominator.mean() else math.nan
        )
        return Evidence(value, math.nan, math.nan, n, "seeds", note=reason)
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    x, y = float(numerator.mean()), float(denominator.mean())
    covariance = np.cov(numerator, denominator) / n
    a = y**2 - t**2 * covariance[1, 1]
    b = -2 * (x * y - t**2 * covariance[0, 1])
    c = x**2 - t**2 * covariance[0, 0]
    half = math.sqrt(max(0.0, b**2 - 4 * a * c))
    return interval(x / y, (-b - half) / (2 * a), (-b + half) / (2 * a), n=n, unit="seeds")
