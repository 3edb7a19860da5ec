"""Takes RandomResizedCrop apart: paper 000 §2.1, Table 1(a), claims 000.c1 to 000.c3.

RandomResizedCrop scales and translates. Its halves do one of the two: RandomSizeCenterCrop takes
boxes of random size about the centre, FixedSizeRandomCrop boxes of fixed size anywhere. T.(30%)
translates the image by up to 30 % of its sides, which is more than the second half can, and
T.(30%) + RandomSizeCenterCrop does both, one after the other. All are tested on
FixedSizeCenterCrop.

Expected: RRC is best; its halves are on a par and beat no augmentation; translation alone comes
close to RRC, and scale adds little to it.

    invariscope study run rrc-decomposition --preset laptop --workers 2
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from invariscope.studies.claims import ClaimResult, above, decide, image_step, paired, within
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper000.methods import (
    HALVES,
    METHODS,
    NONE,
    PAPER,
    RRC,
    SHIFT,
    SHIFT_AND_SCALE,
    SMOKE,
    TrainingSettings,
    accuracies,
    accuracy_figure,
    by_seed,
    described,
    means_of,
    ratio,
    train_methods,
)


@study(
    "rrc-decomposition",
    paper="000 §2.1",
    question="What does RandomResizedCrop owe its gain to: translation, scale, or both together?",
    expected=(
        "to both, mostly to translation: each half beats no augmentation, neither reaches the "
        "whole, T.(30%) recovers most of the gain and scale adds little to it."
    ),
    cost={
        "smoke": "5 s",
        "laptop": "about 12 min",
        "paper": "63 + 35 trainings of ResNet-18 on ImageNet: about 200 GPU days; data needed",
    },
    presets={
        "smoke": TrainingSettings(**SMOKE),
        "laptop": TrainingSettings(),
        "paper": TrainingSettings(**PAPER),
    },
)
def rrc_decomposition(lab: Lab, settings: TrainingSettings) -> Findings:
    """Trains the seven methods and compares them; see the module."""
    trained = train_methods(lab, settings, METHODS)
    table = accuracies(trained)
    ran_on = described(settings)
    figure = accuracy_figure(
        "Accuracy by augmentation",
        "Ticks are training seeds, marks their mean, bars its 95 % interval. Top to bottom as in "
        "Table 1(a).",
        table,
    )
    return Findings(
        {"accuracy": means_of(table), "runs": table},
        [figure],
        decide_claims(table, ran_on),
        notes_on(settings),
    )


def decide_claims(table: pd.DataFrame, ran_on: str) -> list[ClaimResult]:
    """000.c1 to c3 from the runs (`accuracies`)."""
    at = {method: by_seed(table, method) for method in METHODS}
    gain = at[RRC] - at[NONE]
    c1 = [
        above(
            paired(at[method], at[rival], resolution=image_step(table)), name=f"{method} − {rival}"
        )
        for method, rivals in ((RRC, HALVES), *((half, (NONE,)) for half in HALVES))
        for rival in rivals
    ]
    c2 = above(ratio(at[SHIFT] - at[NONE], gain), 0.5, **_test(at[SHIFT] - at[NONE], gain, 0.5),
               name=f"({SHIFT} − none) / (RRC − none)")  # fmt: skip
    added = at[SHIFT_AND_SCALE] - at[SHIFT]
    c3 = within(ratio(added, gain), -0.25, 0.25, **_inside(added, gain, 0.25),
                name=f"({SHIFT_AND_SCALE} − {SHIFT}) / (RRC − none)")  # fmt: skip
    shares = (
        "A share of RRC's gain, with Fieller's interval over seeds; undecided where RRC has no "
        "sure gain to share."
    )
    return [
        decide("000.c1", c1, ran_on=ran_on, note="The statement needs four comparisons: the rule "
               "counts the two of no augmentation with the halves as one."),
        decide("000.c2", c2, ran_on=ran_on, note=shares),
        decide("000.c3", c3, ran_on=ran_on, note=shares),
    ]  # fmt: skip


def _test(numerator: np.ndarray, gain: np.ndarray, threshold: float) -> dict[str, float]:
    """The p of the t test that belongs to Fieller's interval; nothing where there is none."""
    if not np.isfinite(ratio(numerator, gain).low):
        return {}
    return {"p": above(numerator - threshold * gain).p}


def _inside(numerator: np.ndarray, gain: np.ndarray, most: float) -> dict[str, float]:
    """The p of the two one-sided tests, or of the nearer end where the ratio lies outside."""
    if not np.isfinite(ratio(numerator, gain).low):
        return {}
    ends = [above(numerator + most * gain).p, above(most * gain - numerator).p]
    inside = abs(numerator.mean()) <= most * gain.mean()
    return {"p": max(ends) if inside else min(ends)}


def notes_on(settings: TrainingSettings) -> Sequence[str]:
    """Says what a reader must know about the data and the settings."""
    notes = []
    if settings.train.startswith("fashion-mnist"):
        notes.append(
            "Clothes of 28 pixels fill their black frame: a crop takes parts of them away, and a "
            "translation brings in the black that is there already. The paper's images are scenes."
        )
    if len(settings.learning_rates) * len(settings.weight_decays) == 1:
        notes.append(
            "Learning rate and weight decay are the same for all methods; the paper chooses them "
            "for each (--set learning_rates=0.1,0.05,0.02 does)."
        )
    return notes
