"""Tests whether invariance that some classes teach holds for the others: 004 §4.2, figure 5.

Thirty objects in two halves, two disjoint sets of transformations. Networks are trained on four
tasks: T₁ (all objects under T₁), T₂, T₁⊕T₂ (one half under T₁, the other under T₂), T₁∘T₂ (all
under both, one after the other). Each gets a new last layer for all four tasks.

Expected: the network of T₁⊕T₂ does nearly as well on T₁ and on T₂ as their own, though no class
taught it both; but on T₁∘T₂ it does badly.

The laptop preset has six objects and two transformations in a set, so that the network of T₁∘T₂
learns all four; with fifteen objects and six transformations it did not.

    invariscope study run between-classes --preset laptop --workers 2
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from invariscope.studies.claims import (
    ClaimResult,
    above,
    decide,
    image_step,
    over_seeds,
    paired,
)
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.matrices import matrix
from invariscope.studies.lab.study import study
from invariscope.studies.paper004.synthetic_tasks import (
    LAPTOP,
    SMOKE,
    Learner,
    Task,
    Tasks,
    described,
    drawn_objects,
    drawn_transformations,
    joined,
    notes_on,
    objects_of,
    per_seed,
    transfers,
)

ONE, OTHER, EITHER, BOTH = "T₁", "T₂", "T₁⊕T₂", "T₁∘T₂"
NAMES = (ONE, OTHER, EITHER, BOTH)
_FAR = 0.1


@study(
    "between-classes",
    paper="004 §4.2",
    question="Does invariance that some classes teach hold for other classes?",
    expected="Nearly; but two invariances of different classes do not make one to both at once.",
    cost={
        "smoke": "9 s",
        "laptop": "8 min",
        "paper": "40 trainings of 50 epochs of 50,000 images: 2 h on a GPU; the network's own data",
    },
    presets={
        "smoke": Tasks(**SMOKE),
        "laptop": replace(Tasks(**LAPTOP), classes=6, transformations=2),
        "paper": Tasks(),
    },
)
def between_classes(lab: Lab, settings: Tasks) -> Findings:
    """Trains a network on each task and transfers it to all of them."""
    table = transfers(lab, settings, networks(settings))
    return Findings(
        tables={"transfer": table, "objects": objects_of(settings.prototypes)},
        figures=[_figure(table)],
        claims=[decide_claim(table, described(settings))],
        notes=notes_on(settings),
    )


def networks(settings: Tasks) -> list[Learner]:
    """Lists what is trained, and what it is transferred to."""
    chosen = []
    for seed in settings.seeds:
        (first,) = drawn_objects(settings, seed, sets=1)
        own, rest = drawn_transformations(seed, settings.transformations)
        both = joined([*own.split("+"), *rest.split("+")])
        lists = {ONE: own, OTHER: rest, EITHER: f"{own}/{rest}", BOTH: both}
        tasks = {
            name: Task(transformations, first, settings.classes, seed)
            for name, transformations in lists.items()
        }
        chosen += [
            Learner(model, tasks[name], tasks, {"learnt": name})
            for model in settings.models
            for name in NAMES
        ]
    return chosen


def decide_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """004.c8 from the transfers."""

    def at(learnt: str, target: str) -> np.ndarray:
        return per_seed(table, learnt=learnt, target=target)

    parts, step = [], image_step(table)
    for target, rival in ((ONE, OTHER), (OTHER, ONE)):
        native = at(target, target)
        theirs, ours = abs(native - at(rival, target)), abs(native - at(EITHER, target))
        nearer = paired(theirs, ours, resolution=step)
        name = f"on {target}: distance of {rival} to native − distance of {EITHER}"
        parts.append(above(nearer, name=name))
    gap = paired(at(BOTH, BOTH), at(EITHER, BOTH), resolution=step)
    parts.append(above(gap, _FAR, name=f"on {BOTH}: its own − {EITHER}"))
    note = f"Far below is read as more than {_FAR:g} of accuracy below."
    return decide("004.c8", parts, ran_on=ran_on, note=note)


def _figure(table: pd.DataFrame) -> Figure:
    values = [
        [over_seeds(per_seed(table, learnt=learnt, target=target)).value for target in NAMES]
        for learnt in NAMES
    ]
    return matrix(
        "Transfer between classes",
        "Accuracy of a new last layer, mean over seeds. T₁⊕T₂: half of the objects under T₁, half "
        "under T₂; T₁∘T₂: all under both.",
        np.array(values),
        NAMES,
        NAMES,
        row_label="trained on",
        column_label="new last layer for",
    )
