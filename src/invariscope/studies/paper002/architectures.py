"""Architectures (002 §4.2 and §4.6, figures 4 and 7): does accuracy go with equivariance?

Four CNNs and two networks of tokens (ViT, MLP-Mixer) with their ImageNet weights, under diagonal
shifts and quarter turns. Expected: the more translation-equivariant in Early, Middle and Final, the
more accurate; rotation before pooling says nothing; CNNs are more equivariant than the token
networks in Early and Middle; low rotation equivariance inside goes with a high one in Final.
Equivariance is a maximum over channels, so the same number for shuffled pairs of images is taken
off. Correlations are over the models, and so are their intervals.

Where those weights cannot be had, the laptop preset asks the same of small networks that it trains
itself: twelve, on half of the images, where six could not tell a correlation from 0.5 (with six, 48
of 100 rank correlations of 0.98 are; with twelve, 80 of 100 of 0.94).
Weights are given as specs (``checkpoint:PATH@timm:NAME``); those that cannot be loaded are
left out and named, and claims that need what is missing are not run.

    invariscope study run architectures --preset laptop
    invariscope study run architectures --preset paper --set data=PATH/OF/IMAGENET/VAL
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.models import PARTS, load_model
from invariscope.results import Result
from invariscope.seeding import generator
from invariscope.studies.claims import (
    ClaimResult,
    Evidence,
    above,
    below,
    correlation_over_models,
    decide,
    not_run,
    over_seeds,
    rank_p,
    resampled,
)
from invariscope.studies.claims.over_models import FEWEST_MODELS
from invariscope.studies.lab.figures import Dot, dots
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import needed, study
from invariscope.studies.paper002.parts import (
    BEFORE_POOLING,
    EQUIVARIANCE,
    METRICS,
    by_image,
    by_part,
    known_mean,
)
from invariscope.training import Recipe

TURNS = "C4"
_TOKENS = ("vit", "mixer", "deit", "swin", "beit")
_PAPER = (
    "timm:tf_efficientnet_b6",
    "timm:tf_efficientnet_b7",
    "torchvision:resnext101_32x8d",
    "torchvision:inception_v3",
    "timm:vit_base_patch16_224",
    "timm:mixer_b16_224",
)
_PLACES = tuple((motion, part) for motion in ("shift", "turn") for part in PARTS)
_REPLICATES = 1000
_LESS_CHANCE = "Equivariance less that of shuffled pairs of images, which chance alone gives."
_OVER_MODELS = f"{_LESS_CHANCE} Models are resampled; what narrows the interval is more models."


@dataclass(frozen=True)
class Settings:
    """Says what the study is run with.

    Args:
        data: The images to measure on, and to train on where networks are trained.
        models: Specs with weights; none: networks are trained.
        train: Architectures to train where `models` is empty.
        size: Side of the input of those.
        num_train: Images to train on.
        num_test: Images that the accuracy is taken on.
        epochs: Passes over them.
        batch_size: Images per step.
        seeds: Of the trainings.
        num_images: Images that are measured.
        shifts: The diagonal shifts.
    """

    data: str | None = None
    models: tuple[str, ...] = _PAPER
    train: tuple[str, ...] = ()
    size: int | None = None
    num_train: int | None = None
    num_test: int | None = None
    epochs: float = 5.0
    batch_size: int = 128
    seeds: tuple[int, ...] = (0, 1, 2)
    num_images: int = 2000
    shifts: str = "shift(1..32)"


@dataclass(frozen=True)
class Values:
    """Holds what the claims are made from: one number per model and draw (a seed, or an image).

    Args:
        models: The models.
        unit: "seeds" or "images".
        accuracy: [model, draw], or None where it is not known.
        equivariance: [model, draw] by (motion, part), less that of shuffled pairs of images; the
            motions are "shift" and "turn".
        ran_on: Models and data, in words.
    """

    models: tuple[str, ...]
    unit: str
    accuracy: np.ndarray | None
    equivariance: dict[tuple[str, str], np.ndarray]
    ran_on: str


@study(
    "architectures",
    paper="002 §4.2, 4.6",
    question="Are accurate networks equivariant, and CNNs more than networks of tokens?",
    expected="Accuracy goes with translation equivariance, not with rotation; CNNs have more of "
    "both in Early and Middle.",
    cost={
        "smoke": "11 s",
        "laptop": "15 min",
        "paper": "6 models, 36 motions, 2000 images: 1 h on a GPU",
    },
    presets={
        "smoke": Settings(
            data="mnist6:plain?of=digits", models=(), size=20, num_train=96, num_test=50,
            train=("small:resnet18?width=0.05", "small:vgg11?width=0.05",
                   "small:vit?width=0.1&patch=5"),
            epochs=1, batch_size=32, seeds=(0, 1), num_images=16, shifts="shift(5)",
        ),
        "laptop": Settings(
            data="fashion-mnist", models=(), size=28, num_train=4000, num_test=2000,
            train=("small:resnet18?width=0.125", "small:resnet18?width=0.25",
                   "small:vgg11?width=0.125", "small:vgg11?width=0.25",
                   "small:resnet44?width=0.25", "small:cnn7",
                   "small:wide_resnet40?width=0.125", "small:wide_resnet40?width=0.25",
                   "small:densenet121?width=0.125", "small:vit?width=0.125",
                   "small:vit?width=0.25", "small:vit?width=0.25&patch=7"),
            seeds=(0, 1), num_images=160, shifts="shift(2..14:4)",
        ),
        "paper": Settings(),
    },
)  # fmt: skip
def architectures(lab: Lab, settings: Settings) -> Findings:
    """Measures the models, after training them where no weights are given."""
    data = needed(settings.data, "data", "ImageNet's validation images, a folder per class")
    if settings.models:
        table, values, notes = _given(lab, settings, data)
    else:
        table, values, notes = _trained(lab, settings, data)
    if values is None:
        why = "none of the weights could be loaded: give specs by --set models=…"
        claims = [not_run(name, why) for name in ("002.c3", "002.c9", "002.c10")]
        return Findings({"left_out": pd.DataFrame({"note": notes})}, claims=claims, notes=notes)
    claims = [accuracy_claim(values), kind_claim(values), intermediate_claim(values)]
    return Findings(
        {"parts": table}, [_figure(values, m) for m in ("shift", "turn")], claims, notes
    )


def accuracy_claim(values: Values) -> ClaimResult:
    """002.c3: Spearman of accuracy and equivariance over the models."""
    if values.accuracy is None:
        return not_run("002.c3", "the images have no labels that the models' outputs stand for")
    if len(values.models) < FEWEST_MODELS:
        return not_run("002.c3", f"{len(values.models)} models: a rank correlation needs four")
    parts = []
    for rule, motion, shown in (
        (above, "shift", ("Early", "Middle", "Final")),
        (below, "turn", BEFORE_POOLING),
    ):
        for part in shown:
            number = correlation_over_models(values.accuracy, values.equivariance[motion, part])
            p = rank_p(number.value, number.n, 0.5)
            parts.append(rule(number, 0.5, name=f"Spearman, {motion}s, {part}", p=p))
    return decide("002.c3", parts, ran_on=values.ran_on, note=_OVER_MODELS)


def kind_claim(values: Values) -> ClaimResult:
    """002.c9: CNNs − networks of tokens in Early and Middle."""
    convolutional = np.array([is_convolutional(model) for model in values.models])
    if convolutional.all() or not convolutional.any():
        missing = "networks of tokens (ViT, MLP-Mixer)" if convolutional.all() else "CNNs"
        return not_run("002.c9", f"there are no weights of {missing}: give specs by --set models=…")

    def difference(numbers: np.ndarray) -> float:
        return float(numbers[convolutional].mean() - numbers[~convolutional].mean())

    parts = [
        above(
            evidence(difference, values, values.equivariance[motion, part]),
            0.0,
            name=f"CNNs − networks of tokens, {motion}s, {part}",
        )
        for motion in ("shift", "turn")
        for part in ("Early", "Middle")
    ]
    return decide("002.c9", parts, ran_on=values.ran_on, note=_LESS_CHANCE)


def intermediate_claim(values: Values) -> ClaimResult:
    """002.c10: Spearman of rotation equivariance before pooling and in Final, over the models."""
    if len(values.models) < FEWEST_MODELS:
        return not_run("002.c10", f"{len(values.models)} models: a rank correlation needs four")
    inner = np.mean([values.equivariance["turn", part] for part in BEFORE_POOLING], axis=0)
    number = correlation_over_models(inner, values.equivariance["turn", "Final"])
    p = rank_p(number.value, number.n, 0.0)
    part = below(number, 0.0, name="Spearman, turns, before pooling against Final", p=p)
    return decide("002.c10", part, ran_on=values.ran_on, note=_OVER_MODELS)


def evidence(
    statistic: Callable[[np.ndarray], float], values: Values, numbers: np.ndarray
) -> Evidence:
    """A statistic of the models' numbers: seed by seed, or of means over resampled images.

    Args:
        statistic: From an array [model].
        values: Says what was drawn.
        numbers: [model, draw].
    """
    count = numbers.shape[1]
    if values.unit == "seeds":
        return over_seeds([statistic(numbers[:, k]) for k in range(count)])
    chosen = generator(0, "architectures").integers(count, size=(_REPLICATES, count))
    drawn = [statistic(known_mean(numbers[:, rows], axis=1)) for rows in chosen]
    value = statistic(known_mean(numbers, axis=1))
    return resampled(value, np.array(drawn), n=count, unit=values.unit)


def is_convolutional(spec: str) -> bool:
    """Says whether a spec names a CNN; the others are networks of tokens.

    Example:
        >>> is_convolutional("small:vgg11"), is_convolutional("timm:vit_base_patch16_224")
        (True, False)
    """
    return not any(word in spec.lower() for word in _TOKENS)


def _trained(
    lab: Lab, settings: Settings, data: str
) -> tuple[pd.DataFrame, Values | None, list[str]]:
    recipes = [
        _recipe(architecture, settings, data, seed)
        for architecture in settings.train
        for seed in settings.seeds
    ]
    runs = lab.train(recipes)
    results = lab.measure(
        runs, data, groups=[settings.shifts, TURNS], metrics=list(METRICS),
        num_images=settings.num_images,
    )  # fmt: skip
    tables = [
        _table(result, settings.shifts).assign(
            model=run.recipe.model, seed=run.recipe.seed, accuracy=run.accuracy
        )
        for run, result in zip(runs, results, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    shape = (len(settings.train), len(settings.seeds))
    equivariance = {}
    for motion, part in _PLACES:
        chosen = table[(table["motion"] == motion) & (table["part"] == part)]
        chosen = chosen[chosen["kind"] == EQUIVARIANCE]
        net = (chosen["matched"] - chosen["null"]).to_numpy(dtype=float)
        equivariance[motion, part] = net.reshape(shape)
    accuracy = np.array([run.accuracy for run in runs]).reshape(shape)
    ran_on = f"{len(settings.train)} small architectures trained on {data}"
    values = Values(settings.train, "seeds", accuracy, equivariance, ran_on)
    note = "Trained here on small images, not the paper's ImageNet models: give them by models=…"
    return table, values, [note]


def _given(
    lab: Lab, settings: Settings, data: str
) -> tuple[pd.DataFrame, Values | None, list[str]]:
    usable, notes = [], []
    for spec in settings.models:
        try:
            load_model(spec)
            usable.append(spec)
        except InputError as problem:
            notes.append(f"left out: {problem}")
    if not usable:
        return pd.DataFrame(), None, notes
    results = lab.measure(
        usable, data, groups=[settings.shifts, TURNS], metrics=[*METRICS, "accuracy"],
        num_images=settings.num_images,
    )  # fmt: skip
    pairs = list(zip(usable, results, strict=True))
    tables = [_table(result, settings.shifts).assign(model=spec) for spec, result in pairs]
    table = pd.concat(tables, ignore_index=True)
    right = [_right(result) for result in results]
    accuracy = None if any(answers is None for answers in right) else np.array(right)
    names = {"shift": settings.shifts, "turn": TURNS}
    equivariance = {
        (motion, part): np.array([by_image(r, names[motion], part, EQUIVARIANCE) for r in results])
        for motion, part in _PLACES
    }
    ran_on = f"{len(usable)} models on {settings.num_images} images of {data}"
    return table, Values(tuple(usable), "images", accuracy, equivariance, ran_on), notes


def _table(result: Result, shifts: str) -> pd.DataFrame:
    both = [by_part(result, shifts).assign(motion="shift"), by_part(result, TURNS)]
    return pd.concat([both[0], both[1].assign(motion="turn")], ignore_index=True)


def _right(result: Result) -> np.ndarray | None:
    """Marks the images that the model classifies correctly untransformed; None without labels."""
    for series in result.store.dense("logits", only=[("accuracy", "")]):
        if "identity" in series.cells:
            return series.values[:, series.cells.index("identity")].astype(np.float64)
    return None


def _recipe(architecture: str, settings: Settings, data: str, seed: int) -> Recipe:
    """CNNs by SGD, as 002 §4.4 has it; networks of tokens by Adam, without which they stall."""
    plain = is_convolutional(architecture)
    return Recipe(
        data=data,
        model=architecture,
        augment="whole image",
        num_train=settings.num_train,
        num_test=settings.num_test,
        size=settings.size,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer="sgd" if plain else "adam",
        learning_rate=0.1 if plain else 1e-3,
        weight_decay=1e-4 if plain else 0.0,
        schedule=f"milestones({settings.epochs / 2:g}, {0.8 * settings.epochs:g}; 0.1)",
        seed=seed,
    )


def _figure(values: Values, motion: str) -> Figure:
    rows = []
    for part in PARTS:
        for index, model in enumerate(values.models):
            numbers = values.equivariance[motion, part][index : index + 1]
            number = evidence(lambda array: float(array[0]), values, numbers)
            name = model.partition(":")[2]
            rows.append(Dot.of(f"{part}: {name}", number, group=name))
    word = "Translation" if motion == "shift" else "Rotation"
    caption = (
        "By part and model, less that of shuffled pairs of images; whiskers are 95 % intervals "
        f"over {values.unit}."
    )
    return dots(f"{word} equivariance", caption, rows, x_label="equivariance − chance", line=0.0)
