"""Traces where invariance comes from: paper 000 §3 (Figure 2, A3, A10), claims 000.c5 to 000.c10.

A ResNet and a ViT, trained, and untrained with weights of the same seed; the ResNet also trained
without augmentation. Each is measured at its embedding: relative invariance to the families of the
paper's table, response alignment to translations. All numbers are means over the levels 3 to 7, one
for each seed; a seed has its own weights and its own images, on which its networks are compared.

A pretrained network (`pretrained`) is measured beside them on photographs, a draw of images and of
untrained weights for each seed. In the preset `paper` the ViT is pretrained as well, as published.

Expected: training raises invariance to translation and appearance, leaves zoom-in as it is with
less spread, lowers it for rotation and shear; the ViT is at least as translation-invariant as the
ResNet; augmentation adds little; only the untrained ResNet is equivariant to translation.

    invariscope study run sources-of-invariance --preset laptop --workers 2
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from invariscope.studies.claims import (
    ClaimResult,
    Evidence,
    above,
    below,
    decide,
    not_run,
    over_seeds,
    paired,
    within,
)
from invariscope.studies.lab.figures import Curve, Dot, curves, dots
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import needed, study

if TYPE_CHECKING:
    from invariscope.results import Result

RESNET, VIT, PRETRAINED = "ResNet", "ViT", "pretrained"
AUGMENTED, PLAIN, UNTRAINED = "augmented", "not augmented", "untrained"
INVARIANCE, ALIGNMENT = "relative_invariance", "response_alignment"
LOW_VARIANCE = "mean_relative_invariance"
TRANSLATIONS = ("translate_x", "translate_y")
TURNS = ("rotate", "shear_x", "shear_y")
APPEARANCE = (
    "brightness_up", "brightness_down", "contrast_up", "contrast_down", "posterize", "solarize",
)  # fmt: skip
FAMILIES = (*TRANSLATIONS, "zoom_in", "zoom_out", *TURNS, *APPEARANCE)
LEVELS = range(3, 8)
CLAIMS_HERE = tuple(f"000.c{number}" for number in range(5, 11))


@dataclass(frozen=True)
class Settings:
    """Says what the study runs on; `--set NAME=VALUE` changes one."""

    train: str = "fashion-mnist?split=train"
    test: str = "fashion-mnist?split=test"
    resnet: str = "small:resnet18?width=0.25"
    vit: str = "small:vit?width=0.25"
    vit_pretrained: str | None = None
    pretrained: str | None = None
    pretrained_data: str = "stamps:4"
    pretrained_size: int | None = 128
    pretrained_images: int = 64
    augment: str = "RandomResizedCrop + horizontal flip"
    seeds: tuple[int, ...] = (0, 1, 2)
    num_train: int | None = 6000
    num_test: int | None = 1000
    epochs: float = 3.0
    batch_size: int = 128
    learning_rate: float = 0.05
    vit_optimizer: str = "adam"
    vit_learning_rate: float = 0.001
    weight_decay: float = 0.0001
    schedule: str = "cosine"
    images: int = 128


@study(
    "sources-of-invariance",
    paper="000 §3",
    question="Where does invariance come from: the architecture, the augmentation, or training?",
    expected=(
        "training on the data, mostly. It raises invariance to translation and appearance, narrows "
        "that to zooming in, lowers that to rotation and shear; augmentation adds little; a ViT is "
        "at least as translation-invariant as a ResNet, though only the ResNet is equivariant "
        "before training."
    ),
    cost={
        "smoke": "about 10 s",
        "laptop": "14 min",
        "paper": "10 ResNet-18 on ImageNet: about 20 GPU days; data and a network needed",
    },
    presets={
        "smoke": Settings(
            resnet="small:resnet18?width=0.06&size=16", vit="small:vit?width=0.25&size=16",
            seeds=(0, 1), num_train=64, num_test=32, epochs=1.0, batch_size=32, images=8,
        ),
        "laptop": Settings(pretrained="builtin:efficientnet-lite0"),
        "paper": Settings(
            train="", test="", resnet="timm:resnet18", vit="timm:vit_base_patch16_224",
            vit_pretrained="timm:vit_base_patch16_224", seeds=(0, 1, 2, 3, 4), num_train=None,
            num_test=None, epochs=90.0, batch_size=256, learning_rate=0.1,
            schedule="step(30, 0.1)", images=9600,
        ),
    },
)  # fmt: skip
def sources_of_invariance(lab: Lab, settings: Settings) -> Findings:
    """Trains, measures and decides; see the module."""
    train = needed(settings.train, "train", "ImageNet's training images, a folder per class")
    test = needed(settings.test, "test", "ImageNet's validation images, a folder per class")
    trained = _train(lab, settings, train, test)
    levels = _measure(lab, settings, test, _networks(lab, settings, trained))
    if settings.pretrained:
        count = len(settings.seeds)
        networks = {
            (PRETRAINED, AUGMENTED): [settings.pretrained] * count,
            (PRETRAINED, UNTRAINED): [f"{settings.pretrained}+untrained"] * count,
        }
        own = _measure(lab, settings, settings.pretrained_data, networks, photographs=True)
        levels = pd.concat([levels, own], ignore_index=True)
    means = over_levels(levels)
    accuracies = pd.DataFrame(
        [
            {"network": network, "training": training, "seed": run.recipe.seed,
             "accuracy": run.accuracy}
            for (network, training), runs in trained.items() for run in runs
        ]
    )  # fmt: skip
    ran_on = f"{test}: {settings.resnet} and {settings.vit_pretrained or settings.vit}, " \
             f"{len(settings.seeds)} seeds"  # fmt: skip
    if settings.pretrained:
        ran_on += f"; {settings.pretrained} on {settings.pretrained_data}"
    tables = {"means": means, "levels": levels, "accuracy": accuracies}
    return Findings(tables, _figures(means, levels), decide_claims(means, ran_on), _notes(settings))


def _train(lab: Lab, settings: Settings, train: str, test: str) -> dict:
    """The trained networks by (network, training), a run for each seed."""
    from invariscope.training import Recipe

    common = Recipe(
        train, settings.resnet, augment=settings.augment, test=test, num_train=settings.num_train,
        num_test=settings.num_test, epochs=settings.epochs,
        batch_size=settings.batch_size, learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay, schedule=settings.schedule,
    )  # fmt: skip
    kinds = {(RESNET, AUGMENTED): common, (RESNET, PLAIN): common.with_(augment="none")}
    if not settings.vit_pretrained:
        kinds[VIT, AUGMENTED] = common.with_(
            model=settings.vit, optimizer=settings.vit_optimizer,
            learning_rate=settings.vit_learning_rate,
        )  # fmt: skip
    recipes = [kind.with_(seed=seed) for kind in kinds.values() for seed in settings.seeds]
    runs, count = lab.train(recipes), len(settings.seeds)
    return {kind: runs[k * count : (k + 1) * count] for k, kind in enumerate(kinds)}


def _networks(lab: Lab, settings: Settings, trained: dict) -> dict[tuple[str, str], list]:
    """Lists what is measured, by (network, training): a model for each seed."""
    networks = dict(trained)
    networks[RESNET, UNTRAINED] = [lab.spec(r, untrained=True) for r in trained[RESNET, AUGMENTED]]
    if settings.vit_pretrained:
        count = len(settings.seeds)
        networks[VIT, AUGMENTED] = [settings.vit_pretrained] * count
        networks[VIT, UNTRAINED] = [f"{settings.vit_pretrained}+untrained"] * count
    else:
        networks[VIT, UNTRAINED] = [
            lab.spec(run, untrained=True) for run in trained[VIT, AUGMENTED]
        ]
    return networks


def _measure(
    lab: Lab, settings: Settings, data: str, networks: dict, *, photographs: bool = False
) -> pd.DataFrame:
    """network, training, seed and the columns of `read_levels`."""
    results = measure_invariance(
        lab,
        [model for models in networks.values() for model in models],
        data,
        seeds=[seed for _ in networks for seed in settings.seeds],
        images=settings.pretrained_images if photographs else settings.images,
        size=settings.pretrained_size if photographs else None,
    )
    kinds = [(*kind, seed) for kind in networks for seed in settings.seeds]
    tables = [
        read_levels(result).assign(network=network, training=training, seed=seed)
        for result, (network, training, seed) in zip(results, kinds, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def measure_invariance(
    lab: Lab,
    models: Sequence,
    data: str,
    *,
    seeds: Sequence[int],
    images: int,
    size: int | None = None,
) -> "list[Result]":
    """The families of the paper's table at the embedding; other studies share these jobs."""
    return lab.measure(
        models,
        data,
        what="measuring invariance",
        seeds=seeds,
        transformations=FAMILIES,
        metrics=(INVARIANCE, ALIGNMENT, LOW_VARIANCE),
        layers="last",
        num_images=images,
        table="paper",
        **({"preprocessing": {"size": size}} if size else {}),
    )


def read_levels(result: "Result") -> pd.DataFrame:
    """Returns what a run says of each family and level.

    invariance: mean over images of eq. 1; spread: its interquartile range over images; alignment:
    response alignment; ratio_of_means: `mean_relative_invariance`, which decides nothing here.
    """
    frame = result.frame
    frame = frame[(frame["layer"] == "embedding") & frame["class"].isna() & (frame["level"] > 0)]
    parts = {name: frame[frame["metric"] == name].set_index(["transformation", "level"])
             for name in (INVARIANCE, ALIGNMENT, LOW_VARIANCE)}  # fmt: skip
    invariance = parts[INVARIANCE]
    tables = pd.DataFrame(
        {
            "invariance": invariance["value"],
            "spread": invariance["q75"] - invariance["q25"],
            "alignment": parts[ALIGNMENT]["value"],
            "ratio_of_means": parts[LOW_VARIANCE]["value"],
        }
    )
    return tables.reset_index().rename(columns={"transformation": "family"})


def over_levels(levels: pd.DataFrame) -> pd.DataFrame:
    """The mean over the levels 3 to 7: one row per network, training, seed and family."""
    chosen = levels[levels["level"].isin(LEVELS)]
    keys = ["network", "training", "seed", "family"]
    columns = ["invariance", "spread", "alignment", "ratio_of_means"]
    return chosen.groupby(keys, sort=False, as_index=False)[columns].mean()


def decide_claims(means: pd.DataFrame, ran_on: str) -> list[ClaimResult]:
    """000.c5 to c10 from the means over levels (columns of `over_levels`)."""
    at = _Reader(means)
    networks = [name for name in (RESNET, VIT, PRETRAINED) if at.has(name, AUGMENTED)]
    c5, c6, c7 = [], [], []
    for network in networks:
        pair = (network, AUGMENTED), (network, UNTRAINED)
        for family in TRANSLATIONS:
            c5.append(above(at.difference(*pair, (family,)), name=f"{network}, {family}"))
        c5.append(above(at.difference(*pair, APPEARANCE), name=f"{network}, appearance"))
        c6.append(within(at.difference(*pair, ("zoom_in",)), -0.05, 0.05,
                         name=f"{network}, mean"))  # fmt: skip
        c6.append(below(at.ratio(*pair, "zoom_in"), 1, name=f"{network}, ratio of spreads"))
        c7 += [below(at.difference(*pair, (family,)), name=f"{network}, {family}")
               for family in TURNS]  # fmt: skip
    c8 = [
        above(at.difference((VIT, training), (RESNET, training), (family,)), -0.02,
              name=f"{training}, {family}")
        for training in (AUGMENTED, UNTRAINED) for family in TRANSLATIONS
    ]  # fmt: skip
    gain = at.values(RESNET, AUGMENTED, TRANSLATIONS) - at.values(RESNET, PLAIN, TRANSLATIONS)
    learned = at.values(RESNET, PLAIN, TRANSLATIONS) - at.values(RESNET, UNTRAINED, TRANSLATIONS)
    c9 = [
        above(gain, name="augmented − not"),
        below(gain - 0.5 * learned, name="augmented − not, less half of not − untrained"),
    ]
    resnet, vit = (at.values(name, UNTRAINED, TRANSLATIONS, "alignment") for name in (RESNET, VIT))
    c10 = [
        above(resnet, name="alignment of the untrained ResNet"),
        above(paired(resnet, vit), name="ResNet − ViT, untrained"),
    ]
    read = "Trained: with augmentation. Levels 3 to 7 of the paper's table."
    notes = {
        "000.c6": f"{read} The spread is the interquartile range over images, mean over levels.",
        "000.c9": "Mean of translation x and y, ResNet.",
        "000.c10": "Response alignment, mean of translation x and y and of the levels 3 to 7.",
    }
    parts = dict(zip(CLAIMS_HERE, (c5, c6, c7, c8, c9, c10), strict=True))
    return [decide(name, part, ran_on=ran_on, note=notes.get(name, read))
            if part else not_run(name, "no network was measured")
            for name, part in parts.items()]  # fmt: skip


class _Reader:
    """The numbers of a network, seed by seed."""

    def __init__(self, means: pd.DataFrame):
        groups = means.sort_values("seed").groupby(["network", "training", "family"])
        self._rows = {key: rows for key, rows in groups}

    def has(self, network: str, training: str) -> bool:
        return any(key[:2] == (network, training) for key in self._rows)

    def values(
        self, network: str, training: str, families: Sequence[str], column: str = "invariance"
    ) -> np.ndarray:
        """[seed], the mean over families."""
        rows = [self._rows[network, training, name][column] for name in families]
        return np.mean([row.to_numpy(dtype=float) for row in rows], axis=0)

    def difference(
        self, first: tuple[str, str], second: tuple[str, str], families: Sequence[str]
    ) -> Evidence:
        return paired(self.values(*first, families), self.values(*second, families))

    def ratio(self, first: tuple[str, str], second: tuple[str, str], family: str) -> Evidence:
        ours, theirs = (self.values(*kind, (family,), "spread") for kind in (first, second))
        with np.errstate(divide="ignore", invalid="ignore"):
            return over_seeds(ours / theirs)


def _figures(means: pd.DataFrame, levels: pd.DataFrame) -> list[Figure]:
    at = _Reader(means)
    kinds = list(dict.fromkeys(zip(means["network"], means["training"], strict=True)))
    rows = []
    for family in ("translate_x", "zoom_in", "rotate", "shear_x", "posterize"):
        for network, training in kinds:
            seeds = at.values(network, training, (family,))
            label = f"{family}, {network}"
            rows.append(Dot.of(label, over_seeds(seeds), seeds, training))
    aligned = []
    for network, training in kinds:
        seeds = at.values(network, training, TRANSLATIONS, "alignment")
        aligned.append(Dot.of(network, over_seeds(seeds), seeds, training))
    chosen = levels[(levels["family"] == "translate_x") & (levels["network"] != PRETRAINED)]
    series = [
        Curve(f"{network} {training}", by.index.to_numpy(), by.to_numpy())
        for (network, training), own in chosen.groupby(["network", "training"], sort=False)
        for by in [own.groupby("level")["invariance"].mean()]
    ]
    return [
        dots("Invariance, trained and untrained",
             "Relative invariance at the embedding, mean over the levels 3 to 7. Ticks are seeds, "
             "marks their mean, bars its 95 % interval. 1: the transformation changes nothing; 0: "
             "an image is as far from itself as from another one.",
             rows, x_label="relative invariance"),
        curves("Horizontal translation, level by level",
               "Mean over seeds. Level 9 moves the image out of the frame.", series,
               x_label="level", y_label="relative invariance", line=0),
        dots("Equivariance to translation",
             "Response alignment, mean over both directions and the levels 3 to 7: do the "
             "embeddings of all images move the same way? 0: no more than their coordinates do by "
             "themselves.",
             aligned, x_label="response alignment"),
    ]  # fmt: skip


def _notes(settings: Settings) -> list[str]:
    notes = []
    if settings.train.startswith("fashion-mnist"):
        notes.append(
            "The networks are small and see grey clothes of 28 pixels on black; the paper's see "
            "ImageNet. Moving such an image shows more black, not more of a scene."
        )
    if settings.pretrained:
        notes.append(
            f"{PRETRAINED}: {settings.pretrained}. Its seeds are draws of images and of untrained "
            "weights; the trained weights are the same each time."
        )
    if settings.vit_pretrained:
        notes.append(
            f"The ViT is {settings.vit_pretrained}, pretrained, as in the paper's code (its text "
            "says L/16): intervals against it are over the ResNet's seeds and draws of images."
        )
    return notes
