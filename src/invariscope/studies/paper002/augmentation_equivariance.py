"""Augmentations (002 §4.4, figures 2(b), 6(a)): which make features translation-equivariant?

ResNet-44 learns small images with no augmentation, random crops, horizontal flips, CutMix or
RandAugment, and is measured under diagonal shifts. Expected: random crops and RandAugment raise
equivariance in Middle, Late and Final, the other two do not; invariance and equivariance agree.
The networks without augmentation also show why similarity is Pearson's correlation: over their
blocks, cosine similarity goes with the mean of the activations (§3.3: r = 0.63 against 0.11).

    invariscope study run augmentation-equivariance --preset laptop
    invariscope study run augmentation-equivariance --preset paper --set data=torchvision:CIFAR10
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from invariscope.data import open_source, select
from invariscope.models import EMBEDDING, LOGITS, PARTS
from invariscope.results import Result
from invariscope.studies.claims import ClaimResult, above, decide, not_above, within
from invariscope.studies.claims.evidence import over_seeds, paired
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper002.parts import (
    EQUIVARIANCE,
    INVARIANCE,
    METRICS,
    by_part_of_each,
    parts_figure,
    per_seed,
)
from invariscope.studies.paper002.small_images import SmallImages
from invariscope.training import TrainedRun

NONE = "whole image"
SHIFTING = ("random crop", "RandAugment")
OTHERS = ("horizontal flip", "CutMix")
AUGMENTATIONS = (NONE, *SHIFTING, *OTHERS)
_MEANS_OVER = 32


@dataclass(frozen=True)
class Settings(SmallImages):
    """`SmallImages`, and how wide the network is.

    Args:
        width: Factor on the channels of ResNet-44.
    """

    width: float = 1.0


@study(
    "augmentation-equivariance",
    paper="002 §4.4",
    question="Which augmentations make intermediate features translation-equivariant?",
    expected="Random crops and RandAugment in Middle, Late and Final; flips and CutMix do not.",
    cost={"smoke": "9 s", "laptop": "12 min", "paper": "15 trainings of 200 epochs: 12 h on a GPU"},
    presets={
        "smoke": Settings(
            data="mnist6:plain?of=digits", size=20, width=0.25, num_train=96, num_test=50,
            epochs=1, batch_size=32, schedule="constant", seeds=(0, 1), num_images=16,
            shifts="shift(4..10:6)",
        ),
        "laptop": Settings(
            data="fashion-mnist", size=28, width=0.25, num_train=8000, num_test=2000,
            epochs=5,
            schedule="milestones(2.5, 4; 0.1)", num_images=160, shifts="shift(2..14:4)",
        ),
        "paper": Settings(),
    },
)  # fmt: skip
def augmentation_equivariance(lab: Lab, settings: Settings) -> Findings:
    """Trains ResNet-44 with each augmentation and measures it under diagonal shifts."""
    data = settings.where()
    recipes = [
        settings.recipe(f"small:resnet44?width={settings.width:g}", augment, seed)
        for augment in AUGMENTATIONS
        for seed in settings.seeds
    ]
    runs = lab.train(recipes)
    about = [{"augmentation": recipe.augment, "seed": recipe.seed} for recipe in recipes]
    asked = {"metrics": list(METRICS), "num_images": settings.num_images}
    table = by_part_of_each(lab.measure(runs, data, groups=[settings.shifts], **asked), about)
    plain = runs[: len(settings.seeds)]
    similarity = ["channel_invariance", "channel_invariance:cosine"]
    turned = lab.measure(
        plain, data, groups=["C4"], metrics=similarity, num_images=settings.num_images
    )
    layers = similarities(plain, turned, data)
    accuracy = pd.DataFrame(about).assign(accuracy=[run.accuracy for run in runs])
    ran_on = f"small:resnet44?width={settings.width:g} on {data}, {len(runs)} trainings"
    return Findings(
        tables={"parts": table, "similarities": layers, "accuracy": accuracy},
        figures=[
            parts_figure(
                f"Translation {kind} by augmentation",
                f"Mean over {settings.shifts}, diagonal; bands are 95 % intervals over seeds.",
                table,
                "augmentation",
                kind,
            )
            for kind in (EQUIVARIANCE, INVARIANCE)
        ],
        claims=[
            similarity_claim(layers, ran_on),
            augmentation_claim(table, ran_on),
            agreement_claim(table, ran_on),
        ],
        notes=["No augmentation is the whole image, resized to the network's input."],
    )


def augmentation_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """002.c6: each augmentation against none, in Middle, Late and Final."""
    parts = []
    for augment in (*SHIFTING, *OTHERS):
        rule = above if augment in SHIFTING else not_above
        for part in ("Middle", "Late", "Final"):
            own, none = (
                per_seed(table, part, EQUIVARIANCE, augmentation=name) for name in (augment, NONE)
            )
            parts.append(rule(paired(own, none), 0.0, name=f"{augment} − none in {part}"))
    return decide("002.c6", parts, ran_on=ran_on)


def agreement_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """002.c7: equivariance − invariance, less the same of shuffled pairs, at the same shifts."""
    parts = []
    for part in PARTS:
        own, null = (
            per_seed(table, part, EQUIVARIANCE, column) - per_seed(table, part, INVARIANCE, column)
            for column in ("matched", "null")
        )
        parts.append(within(paired(own, null), -0.05, 0.05, name=part))
    note = "Mean over the augmentations; at the shifts at which shuffled pairs were measured."
    return decide("002.c7", parts, ran_on=ran_on, note=note)


def similarities(runs: Sequence[TrainedRun], results: Sequence[Result], data: str) -> pd.DataFrame:
    """Both similarities under a quarter turn and the mean activation, block by block."""
    tables = []
    for run, result in zip(runs, results, strict=True):
        frame = result.frame
        frame = frame[(frame["level"] == 1) & frame["class"].isna()]
        table = frame.pivot_table(index="layer", columns="metric", values="value", observed=True)
        table = table.drop(index=[EMBEDDING, LOGITS], errors="ignore")
        means = mean_activations(run, data, [str(name) for name in table.index])
        table["mean_activation"] = [means[str(name)] for name in table.index]
        tables.append(table.reset_index().assign(seed=run.recipe.seed))
    columns = {"channel_invariance": "pearson", "channel_invariance:cosine": "cosine"}
    kept = ["seed", "layer", "pearson", "cosine", "mean_activation"]
    return pd.concat(tables, ignore_index=True).rename(columns=columns)[kept]


def mean_activations(run: TrainedRun, data: str, layers: Sequence[str]) -> dict[str, float]:
    """The mean of each layer's output over some test images, channels and places."""
    probe, source = run.probe, open_source(data)
    pictures = [
        probe.preprocessing.geometry(source.load(index)) for index in select(source, _MEANS_OVER)
    ]
    batch = torch.stack(pictures).float()
    batch = batch / 255 if pictures[0].dtype == torch.uint8 else batch

    def mean(layer: str, activation) -> Tensor:
        return activation.values.mean()

    means = probe.forward(batch, list(layers), mean).vectors
    return {name: float(value) for name, value in means.items()}


def similarity_claim(layers: pd.DataFrame, ran_on: str) -> ClaimResult:
    """002.c1: |r(cosine, mean)| − |r(Pearson, mean)| over the blocks, one per seed."""
    differences, shown = [], []
    for _, table in layers.groupby("seed", sort=True):
        mean = table["mean_activation"]
        cosine, pearson = (
            float(np.corrcoef(table[name], mean)[0, 1]) for name in ("cosine", "pearson")
        )
        differences.append(abs(cosine) - abs(pearson))
        shown.append(f"{cosine:.2f} and {pearson:.2f}")
    part = above(over_seeds(differences), 0.0, name="|r(cosine, mean)| − |r(Pearson, mean)|")
    note = "r of cosine and of Pearson with the mean activation, by seed: " + "; ".join(shown)
    return decide("002.c1", part, ran_on=ran_on, note=note)
