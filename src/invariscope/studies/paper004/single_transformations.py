"""Measures which invariances are hard to learn: 004 §4.3, figure 6(a).

Eight networks learn the same objects, each under one category of transformation; a ninth learns
them as they are. Each gets a new last layer for each of the eight tasks. Expected: all transfer
well to most tasks, but badly to translation, rotation and color jitter unless they were trained on
them; translation and rotation help each other.

    invariscope study run single-transformations --preset laptop --workers 2
"""

from dataclasses import dataclass, replace

import pandas as pd

from invariscope.studies.claims import ClaimResult, below, decide, image_step, paired
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.matrices import matrix
from invariscope.studies.lab.study import study
from invariscope.studies.paper004.synthetic_tasks import (
    CATEGORIES,
    LAPTOP,
    SMOKE,
    Learner,
    Task,
    Tasks,
    described,
    drawn_objects,
    notes_on,
    objects_of,
    per_seed,
    transfers,
)

HARD = ("translation", "rotation", "color_jitter")
NONE = "none"


@dataclass(frozen=True)
class Settings(Tasks):
    """`Tasks`, and which categories.

    Attributes:
        categories: Some of the eight, at least one hard and one other.
    """

    categories: tuple[str, ...] = CATEGORIES


#: A few categories are enough to see that all works.
FEW = replace(
    Settings(**SMOKE), num_train=64, epochs=1.0, categories=("translation", "scale", "color_jitter")
)
#: Nine networks a seed, eight tasks each: less of both than elsewhere.
LAPTOP_OF_SINGLES = replace(Settings(**LAPTOP), epochs=4.0, probe_train=1000)


@study(
    "single-transformations",
    paper="004 §4.3",
    question="Which invariances does a network not get from learning another one?",
    expected="Those to translation, rotation and color jitter.",
    cost={
        "smoke": "14 s",
        "laptop": "15 min",
        "paper": "90 trainings of 50 epochs of 50,000 images: 5 h on a GPU; the network's own data",
    },
    presets={
        "smoke": FEW,
        "laptop": LAPTOP_OF_SINGLES,
        "paper": Settings(),
    },
)
def single_transformations(lab: Lab, settings: Settings) -> Findings:
    """Trains a network on each category and transfers it to all of them."""
    table = transfers(lab, settings, networks(settings))
    return Findings(
        tables={
            "transfer": table,
            "means": _means(table),
            "objects": objects_of(settings.prototypes),
        },
        figures=[_figure(table)],
        claims=[decide_claim(table, described(settings))],
        notes=notes_on(settings),
    )


def networks(settings: Settings) -> list[Learner]:
    """Lists what is trained, and what it is transferred to."""
    chosen = []
    for seed in settings.seeds:
        first, _ = drawn_objects(settings, seed)
        tasks = {
            name: Task(name, first, settings.classes, seed) for name in (*settings.categories, NONE)
        }
        targets = {name: tasks[name] for name in settings.categories}
        chosen += [
            Learner(model, task, targets) for model in settings.models for task in tasks.values()
        ]
    return chosen


def decide_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """004.c9 from the transfers: columns of the matrix without its diagonal."""
    learnt = (table["trained_on"] != NONE) & (table["trained_on"] != table["target"])
    columns = table[learnt].groupby(["seed", "target"], as_index=False)["accuracy"].mean()
    hard = columns["target"].isin(HARD)
    difference = paired(
        per_seed(columns[hard]), per_seed(columns[~hard]), resolution=image_step(table)
    )
    names = ", ".join(name.replace("_", " ") for name in HARD)
    part = below(difference, name=f"mean accuracy of others on {names} − on the rest")
    return decide("004.c9", part, ran_on=ran_on)


def _means(table: pd.DataFrame) -> pd.DataFrame:
    means = table.pivot_table(index="trained_on", columns="target", values="accuracy")
    names = list(dict.fromkeys(table["target"]))
    return means.loc[[*names, NONE], names].reset_index()


def _figure(table: pd.DataFrame) -> Figure:
    means = _means(table)
    names = [str(name) for name in means.columns[1:]]
    return matrix(
        "Transfer between single transformations",
        "Accuracy of a new last layer, mean over seeds.",
        means[names].to_numpy(),
        [name.replace("_", " ") for name in means["trained_on"]],
        [name.replace("_", " ") for name in names],
        row_label="trained on",
        column_label="new last layer for",
    )
