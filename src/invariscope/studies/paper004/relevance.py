"""Measures how relevant a feature must be for a network to keep it: 004 §4.1, figure 4.

Pictures with a pasted object, to be classified by picture. In a share α of them the object is the
one that belongs to the class, one object per class; in the others it is any of the ten. Trained at
nine α, each network gets new last layers for the picture's class and for the object, on images
where the two have nothing to do with each other. References: networks that saw only pictures (C/C)
or only objects (O/O).

Expected: the accuracy on objects rises with α; that on classes stays until α = 1, where the object
says all, and falls there.

    invariscope study run relevance --preset laptop --workers 2
"""

from dataclasses import dataclass, replace

import pandas as pd

from invariscope.studies.claims import (
    ClaimResult,
    above,
    below,
    correlation_over_seeds,
    decide,
    image_step,
    paired,
    within,
)
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper002.parts import rank_correlation
from invariscope.studies.paper004.pasted_figures import course
from invariscope.studies.paper004.pasted_tasks import (
    CO_C,
    CO_O,
    LAPTOP,
    SMOKE,
    Pasted,
    PastedLearner,
    described,
    notes_on,
    transfers_and_references,
)
from invariscope.studies.paper004.synthetic_tasks import objects_of, per_seed

_CLOSE = 0.03
_LARGEST = 0.95


@dataclass(frozen=True)
class Settings(Pasted):
    """`Pasted`, and the correlations.

    Attributes:
        alphas: Shares of the pictures whose object belongs to their class, 0 and 1 among them.
    """

    alphas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 0.85, 0.9, 0.95, 1.0)


@study(
    "relevance",
    paper="004 §4.1",
    question="How relevant must a feature be for a network not to become invariant to it?",
    expected="The more relevant, the better it is kept; what it competes with suffers only at 1.",
    cost={
        "smoke": "9 s",
        "laptop": "14 min",
        "paper": "110 trainings of 200 epochs of CIFAR-10: 2 days on a GPU; data needed",
    },
    presets={
        "smoke": replace(Settings(**SMOKE), alphas=(0.0, 0.6, 1.0)),
        "laptop": Settings(**LAPTOP),
        "paper": Settings(),
    },
)
def relevance(lab: Lab, settings: Settings) -> Findings:
    """Trains a network at each α and transfers it to both targets."""
    networks = [
        PastedLearner(CO_C, seed, alpha=alpha)
        for alpha in settings.alphas
        for seed in settings.seeds
    ]
    table, others = transfers_and_references(lab, settings, networks)
    return Findings(
        tables={"transfer": table, "references": others, "objects": objects_of(settings.objects)},
        figures=[
            course("relevance", "alpha", "share α of objects that belong to the class", table,
                   others),
        ],
        claims=[decide_claim(table, described(settings))],
        notes=notes_on(settings),
    )  # fmt: skip


def decide_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """004.c6 from the transfers."""
    objects = table[table["target"] == CO_O]
    ranks = [
        rank_correlation(rows["alpha"].to_numpy(), rows["accuracy"].to_numpy())
        for _, rows in objects.groupby("seed", sort=True)
    ]
    related = correlation_over_seeds(ranks, ranked=objects["alpha"].nunique())
    parts = [above(related, 0.8, name="Spearman of α and accuracy on objects")]
    step = image_step(table)
    none = per_seed(table, target=CO_C, alpha=0.0)
    for alpha in sorted(set(table["alpha"]) - {0.0, 1.0}):
        if alpha > _LARGEST:
            continue
        at = paired(per_seed(table, target=CO_C, alpha=alpha), none, resolution=step)
        name = f"accuracy on classes: α = {alpha:g} − α = 0"
        parts.append(within(at, -_CLOSE, _CLOSE, name=name))
    at = paired(per_seed(table, target=CO_C, alpha=1.0), none, resolution=step)
    parts.append(below(at, name="accuracy on classes: α = 1 − α = 0"))
    note = "Tested where objects are random; one rank correlation per seed."
    return decide("004.c6", parts, ran_on=ran_on, note=note)
