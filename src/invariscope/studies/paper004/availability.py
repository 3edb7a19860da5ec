"""Tests whether a network becomes invariant to what it sees and does not need: 004 §4.1, figure 4.

Pictures, to be classified by picture; a share β of them has a pasted object, which has nothing to
do with their class. Trained at six β, each network gets new last layers for the picture's class and
for the object, on images that all have objects.

Expected: the accuracy on objects falls as soon as β > 0; that on classes does not depend on β.

    invariscope study run availability --preset laptop --workers 2
"""

from dataclasses import dataclass, replace

import pandas as pd

from invariscope.studies.claims import (
    ClaimResult,
    above,
    decide,
    image_step,
    over_seeds,
    paired,
    within,
)
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
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


@dataclass(frozen=True)
class Settings(Pasted):
    """`Pasted`, and the shares.

    Attributes:
        betas: Shares of the pictures that have an object, 0, 0.2 and 1 among them.
    """

    betas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@study(
    "availability",
    paper="004 §4.1",
    question="Is it enough to see an irrelevant feature now and then to become invariant to it?",
    expected="Yes, it is learnt away as soon as it is there; the task itself does not suffer.",
    cost={
        "smoke": "9 s",
        "laptop": "about 7 min",
        "paper": "70 trainings of 200 epochs of CIFAR-10: 1 day on a GPU; data needed",
    },
    presets={
        "smoke": replace(Settings(**SMOKE), betas=(0.0, 0.2, 1.0)),
        "laptop": Settings(**LAPTOP),
        "paper": Settings(),
    },
)
def availability(lab: Lab, settings: Settings) -> Findings:
    """Trains a network at each β and transfers it to both targets."""
    networks = [
        PastedLearner(CO_C, seed, beta=beta) for beta in settings.betas for seed in settings.seeds
    ]
    table, others = transfers_and_references(lab, settings, networks)
    return Findings(
        tables={"transfer": table, "references": others, "objects": objects_of(settings.objects)},
        figures=[
            course("availability", "beta", "share β of pictures with an object", table, others)
        ],
        claims=[decide_claim(table, described(settings))],
        notes=notes_on(settings),
    )


def decide_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """004.c7 from the transfers."""
    never, seldom, always = (per_seed(table, target=CO_O, beta=beta) for beta in (0.0, 0.2, 1.0))
    step = image_step(table)
    parts = [
        above(paired(never, seldom, resolution=step), name="objects: β = 0 − β = 0.2"),
        above(
            over_seeds((never - seldom) - 0.5 * (never - always), resolution=step),
            name="objects: (β = 0 − β = 0.2) − 0.5 × (β = 0 − β = 1)",
        ),
    ]
    none = per_seed(table, target=CO_C, beta=0.0)
    for beta in sorted(set(table["beta"]) - {0.0}):
        at = paired(per_seed(table, target=CO_C, beta=beta), none, resolution=step)
        name = f"accuracy on classes: β = {beta:g} − β = 0"
        parts.append(within(at, -_CLOSE, _CLOSE, name=name))
    note = "That the accuracy on objects falls at all is a part of its own."
    return decide("004.c7", parts, ran_on=ran_on, note=note)
