"""Tests whether distances of features predict how well a network transfers: 004 §4.3, figure 6(b).

The networks of `single-transformations`, one that learned the objects as they are, and an untrained
one are shown objects under each category. Images of one object differ by their transformation and
background, so the ratio of distances between and within classes is a measure of invariance; it is
held against the accuracy of a new last layer. Beside it stand the sensitivity of the later
published code (distance to a twin with another transformation, over that to any image) and linear
CKA, of twins and, as the paper tried it, of other images of the same class.

Expected: the ratio follows transfer; CKA of different images is low whatever the network.

    invariscope study run distance-ratios --preset laptop --workers 2
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from invariscope.studies.claims import (
    ClaimResult,
    above,
    correlation_over_seeds,
    decide,
    over_seeds,
)
from invariscope.studies.lab.figures import Dot, dots
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.matrices import matrix
from invariscope.studies.lab.study import study
from invariscope.studies.paper002.parts import rank_correlation
from invariscope.studies.paper004.published_transfer import (
    NEW_OBJECTS,
    OTHER,
    OWN_OBJECTS,
    SAME,
    beside_sensitivity,
)
from invariscope.studies.paper004.single_transformations import (
    FEW,
    LAPTOP_OF_SINGLES,
    NONE,
    networks,
)
from invariscope.studies.paper004.single_transformations import Settings as Networks
from invariscope.studies.paper004.synthetic_tasks import (
    Learner,
    Task,
    described,
    drawn_objects,
    notes_on,
    objects_of,
    per_seed,
    train_all,
    transfers,
)

UNTRAINED = "untrained"
SHOWN = ("translation", "scale", "color_jitter")
MEASURES = ("ratio", "cosine_ratio", "sensitivity", "cka_twins", "cka_classmates")


@dataclass(frozen=True)
class Settings(Networks):
    """Those of `single-transformations`, and how many images are measured.

    Attributes:
        num_images: Test images whose features are compared.
    """

    num_images: int = 2000


@study(
    "distance-ratios",
    paper="004 §4.3",
    question="Do distances between features say how well a network transfers?",
    expected="Yes: the further classes are apart for the spread within them, the better.",
    cost={
        "smoke": "14 s",
        "laptop": "4 min, after the trainings and transfers of single-transformations (15 min)",
        "paper": "90 trainings of 50 epochs of 50,000 images: 5 h on a GPU; the network's own data",
    },
    presets={
        "smoke": Settings(**vars(FEW), num_images=48),
        "laptop": Settings(**vars(LAPTOP_OF_SINGLES), num_images=400),
        "paper": Settings(),
    },
)
def distance_ratios(lab: Lab, settings: Settings) -> Findings:
    """Measures the networks of single-transformations on all categories."""
    trained = networks(settings)
    table = transfers(lab, settings, trained)
    measured = measure(lab, settings, trained)
    both = measured.merge(
        table[["model", "seed", "trained_on", "target", "accuracy"]],
        on=["model", "seed", "trained_on", "target"],
        how="left",
    )
    published = beside_sensitivity(relations(measured))
    own = both[both["objects"] == OWN_OBJECTS].reset_index(drop=True)
    tables = {
        "distances": both,
        "correlations": correlations(own),
        "objects": objects_of(settings.prototypes),
    }
    return Findings(
        tables=tables | ({"published": published} if len(published) else {}),
        figures=[
            _shown(own),
            _matrix(own, "ratio", "Distance between classes over distance within"),
            _matrix(own, "cka_twins", "CKA of images and their twins"),
        ],
        claims=[decide_claim(own, described(settings))],
        notes=[
            *notes_on(settings),
            "An untrained network has no transfer accuracy here and takes no part in the claim.",
        ],
    )


def measure(lab: Lab, settings: Settings, trained: Sequence[Learner]) -> pd.DataFrame:
    """Distances of all networks, and of untrained ones, on all categories.

    Returns:
        One row per network, target and set of objects: ``model``, ``seed``, ``trained_on``,
        ``target``, ``objects`` (own or new), and the `MEASURES`.
    """
    runs = train_all(lab, settings, trained)
    models, data, about = [], [], []
    for network, run in zip(trained, runs, strict=True):
        seed, bare = network.task.seed, network.task.transformations == NONE
        for target in network.targets:
            which = {"model": network.model, "seed": seed, "target": target}
            starts = zip((OWN_OBJECTS, NEW_OBJECTS), drawn_objects(settings, seed), strict=True)
            for objects, first in starts:
                shown = Task(target, first, settings.classes, seed)
                learnt = {"trained_on": network.task.transformations, "objects": objects}
                models.append(lab.spec(run))
                data.append(shown.images(settings, settings.num_test, "test"))
                about.append({**which, **learnt})
                if bare:
                    models.append(lab.spec(run, untrained=True))
                    data.append(data[-1])
                    about.append({**which, "trained_on": UNTRAINED, "objects": objects})
    results = lab.distances(models, data, num_images=min(settings.num_images, settings.num_test))
    return pd.DataFrame(
        [
            {**facts, **{name: getattr(distances, name) for name in MEASURES}}
            for facts, distances in zip(about, results, strict=True)
        ]
    )


def relations(measured: pd.DataFrame) -> pd.DataFrame:
    """Sensitivities by what the network was trained on: the same category, another one, none."""
    table = measured[measured["trained_on"] != UNTRAINED]
    same = table["trained_on"] == table["target"]
    relation = np.where(same, SAME, np.where(table["trained_on"] == NONE, NONE, OTHER))
    return table.assign(relation=relation)


def correlations(own: pd.DataFrame) -> pd.DataFrame:
    """Spearman's correlation of each measure with transfer accuracy, by seed."""
    known = own.dropna(subset=["accuracy"])
    rows = [
        {"seed": seed, "measure": name,
         "spearman": rank_correlation(rows[name].to_numpy(), rows["accuracy"].to_numpy())}
        for seed, rows in known.groupby("seed", sort=True)
        for name in MEASURES
    ]  # fmt: skip
    return pd.DataFrame(rows)


def decide_claim(own: pd.DataFrame, ran_on: str) -> ClaimResult:
    """004.c10: Spearman of ratio and accuracy over networks and targets, one per seed."""
    related = correlations(own)
    ranks = related[related["measure"] == "ratio"]["spearman"].to_numpy()
    pairs = int(own.dropna(subset=["accuracy"]).groupby("seed").size().min())
    rank = correlation_over_seeds(ranks, ranked=pairs)
    part = above(rank, name="Spearman of l2 ratio and transfer accuracy")
    note = "Over all pairs of a trained network and a task; one correlation per seed."
    return decide("004.c10", part, ran_on=ran_on, note=note)


def _shown(own: pd.DataFrame) -> Figure:
    rows = []
    for target in SHOWN:
        for trained_on in (*SHOWN, NONE, UNTRAINED):
            seeds = per_seed(own, "ratio", target=target, trained_on=trained_on)
            evidence = over_seeds(seeds)
            label = f"{target}: {trained_on}".replace("_", " ")
            group = trained_on.replace("_", " ")
            rows.append(Dot.of(label, evidence, seeds, group))
    return dots(
        "Ratio of distances, three categories",
        "Shown: what the network was trained on. Mean distance between classes over that within, "
        "at the penultimate layer; 1: a class is as wide as the whole set. Ticks are seeds.",
        rows,
        x_label="l2 ratio",
        line=1.0,
    )


def _matrix(own: pd.DataFrame, measure: str, title: str) -> Figure:
    shown = list(dict.fromkeys(own["target"]))
    names = [*shown, NONE, UNTRAINED]
    means = own.pivot_table(index="trained_on", columns="target", values=measure)
    return matrix(
        title,
        "Of the features of networks trained on one category, shown another. Mean over seeds.",
        means.loc[names, shown].to_numpy(),
        [name.replace("_", " ") for name in names],
        [name.replace("_", " ") for name in shown],
        row_label="trained on",
        column_label="shown",
    )
