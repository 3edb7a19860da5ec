"""Are shared transformations or shared objects worth more for a new task? 004 §3.1, figure 2.

A network learns 30 objects under three transformations, T₁. It becomes invariant to T₁ and tells
these objects apart. Then it is kept up to its penultimate layer and gets a new last layer for four
tasks: all (the same objects, T₁), transforms (other objects, T₁), objects (the same objects under
three other transformations, T₂), none (other objects, T₂). T₁ and T₂ are drawn anew for each seed,
and one of the two may be the harder task; `crossed` trains a second network on T₂, for which the
two change places, and takes the mean of both.

Expected: transforms is close to all; objects is hardly above none.

    invariscope study run invariance-vs-equivariance --preset laptop --workers 2
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from invariscope.studies.claims import (
    ClaimResult,
    above,
    accuracy_over_seeds,
    below,
    decide,
    image_step,
    over_seeds,
    paired,
)
from invariscope.studies.lab.figures import Dot, dots
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper004.synthetic_tasks import (
    ARCHITECTURES,
    LAPTOP,
    SMOKE,
    Learner,
    Task,
    Tasks,
    described,
    drawn_objects,
    drawn_transformations,
    notes_on,
    objects_of,
    per_seed,
    transfers,
)

TARGETS = ("all", "transforms", "objects", "none")


@dataclass(frozen=True)
class Settings(Tasks):
    """`Tasks`, and whether both sets of transformations are trained on.

    Attributes:
        crossed: Train on T₁ and on T₂, and take the mean; the paper trains on one of them.
    """

    models: tuple[str, ...] = ARCHITECTURES
    crossed: bool = False


@study(
    "invariance-vs-equivariance",
    paper="004 §3.1",
    question="Is it worth more to share the transformations of a task, or its objects?",
    expected="Its transformations: sharing them is nearly as good as the same task.",
    cost={
        "smoke": "8 s",
        "laptop": "13 min",
        "paper": "30 trainings of 50 epochs of 50,000 images: 4 h on a GPU; the network's own data",
    },
    presets={
        "smoke": Settings(**SMOKE),
        "laptop": replace(
            Settings(**LAPTOP),
            models=(
                "small:resnet18?width=0.125",
                "small:vgg11?width=0.25",
                "small:densenet121?width=0.125",
            ),
            epochs=4.0,
            crossed=True,
        ),
        "paper": Settings(),
    },
)
def invariance_vs_equivariance(lab: Lab, settings: Settings) -> Findings:
    """Trains each architecture and transfers it to the four tasks."""
    table = transfers(lab, settings, networks(settings))
    return Findings(
        tables={
            "transfer": table,
            "means": means(table),
            "objects": objects_of(settings.prototypes),
        },
        figures=[_figure(table)],
        claims=decide_claims(table, described(settings)),
        notes=notes_on(settings),
    )


def networks(settings: Settings) -> list[Learner]:
    """Lists what is trained, and what it is transferred to."""
    chosen = []
    for seed in settings.seeds:
        objects = drawn_objects(settings, seed)
        sets = drawn_transformations(seed, settings.transformations)

        def task(transformations: str, first: int, seed: int = seed) -> Task:
            return Task(transformations, first, settings.classes, seed)

        for own, further in (sets, sets[::-1])[: 2 if settings.crossed else 1]:
            targets = {
                "all": task(own, objects[0]),
                "transforms": task(own, objects[1]),
                "objects": task(further, objects[0]),
                "none": task(further, objects[1]),
            }
            chosen += [Learner(model, targets["all"], targets) for model in settings.models]
    return chosen


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy and its interval over seeds, by architecture and task."""
    rows = []
    for model in dict.fromkeys(table["model"]):
        for target in TARGETS:
            evidence = accuracy_over_seeds(per_seed(table, model=model, target=target))
            rows.append((model, target, evidence.value, evidence.low, evidence.high, evidence.n))
    return pd.DataFrame(rows, columns=["model", "target", "accuracy", "low", "high", "n"])


def decide_claims(table: pd.DataFrame, ran_on: str) -> list[ClaimResult]:
    """004.c1 to 004.c3 from the transfers."""
    models = list(dict.fromkeys(table["model"]))

    def at(target: str, **which: str) -> np.ndarray:
        return per_seed(table, target=target, **which)

    step = image_step(table)
    c1 = [
        above(
            paired(at("transforms", model=model), at("objects", model=model), resolution=step),
            name=f"transforms − objects, {model}",
        )
        for model in models
    ]
    worth = at("all") - at("none")
    c2 = below(
        over_seeds(at("all") - at("transforms") - 0.5 * worth, resolution=step),
        name="(all − transforms) − 0.5 × (all − none)",
    )
    c3 = below(
        over_seeds(at("objects") - at("none") - 0.25 * worth, resolution=step),
        name="(objects − none) − 0.25 × (all − none)",
    )
    mean = "Mean over the architectures, seed by seed."
    return [
        decide("004.c1", c1, ran_on=ran_on),
        decide("004.c2", c2, ran_on=ran_on, note=mean),
        decide("004.c3", c3, ran_on=ran_on, note=mean),
    ]


def _figure(table: pd.DataFrame) -> Figure:
    rows = []
    for model in dict.fromkeys(table["model"]):
        short = model.removeprefix("small:").partition("?")[0]
        for target in TARGETS:
            seeds = per_seed(table, model=model, target=target)
            rows.append(Dot.of(f"{short}: {target}", accuracy_over_seeds(seeds), seeds, target))
    return dots(
        "Transfer by what is shared",
        "Accuracy of a new last layer on tasks that share objects and transformations with the "
        "training (all), one of them, or none. Ticks are seeds, bars 95 % intervals over them.",
        rows,
        x_label="accuracy",
        line=None,
    )
