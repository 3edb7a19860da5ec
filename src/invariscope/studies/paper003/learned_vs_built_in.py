"""Learned or built in (003 §4.1, figures 2 and 7): does augmentation make layers equivariant?

A conventional CNN and a C8-steerable one learn rotated digits with random rotations, and three
G-EEDs of C8 are measured along the way. Expected: every block of the C8-CNN is the more
equivariant, and both decay with depth; the CNN's blocks become no more equivariant in training,
while latent and softmax deviations of both fall; at the end the C8-CNN is the more invariant in
Euclidean distance and softmax, the less in normalised cosine.

    invariscope study run learned-vs-built-in --preset laptop
    invariscope study run learned-vs-built-in --preset paper --set of=PATH/OF/MNIST
"""

import numpy as np
import pandas as pd

from invariscope.report.kit.words import value_text
from invariscope.studies.claims import ClaimResult, above, below, decide, not_below
from invariscope.studies.claims.evidence import over_seeds, paired, seed_values
from invariscope.studies.lab.figures import Curve, curves
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper003.rotated_digits import (
    BLOCKS,
    CHANNELWISE,
    CNN,
    FAMILIES,
    LATENT,
    LATENT_COSINE,
    PLACES,
    SOFTMAX,
    STEERABLE,
    Digits,
    course,
    laptop,
    smoke,
    trained,
    where,
)

_WORDS = {LATENT: "Latent G-EED", LATENT_COSINE: "Latent G-EED, cosine", SOFTMAX: "Softmax G-EED"}


@study(
    "learned-vs-built-in",
    paper="003 §4.1",
    question="Do networks trained with rotations learn equivariant layers?",
    expected="No: blocks stay as they are while latent and softmax become invariant.",
    cost={"smoke": "12 s", "laptop": "12 min", "paper": "20 trainings of 2000 steps: 2 h on a GPU"},
    presets={"smoke": smoke(), "laptop": laptop(), "paper": Digits()},
)
def learned_vs_built_in(lab: Lab, settings: Digits) -> Findings:
    """Trains both families and reads the measurements made during training."""
    runs = trained(lab, settings)
    table = course(runs)
    accuracy = pd.DataFrame(
        [
            {"family": family, "seed": seed, "accuracy": run.accuracy}
            for (family, seed), run in runs.items()
        ]
    )
    ran_on = (
        f"small:cnn6?width={settings.cnn_width:g} and "
        f"small:c8_steerable?width={settings.steerable_width:g} on rotated-mnist of "
        f"{where(settings)}, {settings.iterations} steps"
    )
    return Findings(
        tables={"course": table, "accuracy": accuracy},
        figures=[_depth(table), *(_training(table, metric) for metric in PLACES)],
        claims=claims(table, ran_on),
        notes=["The paper's optimiser is not in the text that we have; here Adam."],
    )


def claims(table: pd.DataFrame, ran_on: str) -> list[ClaimResult]:
    """003.c1 to 003.c4 from the table of measurements."""
    last = int(table["iteration"].max())
    first = int(table.loc[table["iteration"] > 0, "iteration"].min())
    more = [
        below(
            paired(
                values(table, STEERABLE, CHANNELWISE, block, last),
                values(table, CNN, CHANNELWISE, block, last),
            ),
            0.0,
            name=f"channelwise EED, C8-CNN − CNN, {block}",
        )
        for block in BLOCKS
    ]
    decay = [
        above(over_seeds(slopes(table, family, last)), 0.0, name=f"slope over blocks, {family}")
        for family in FAMILIES
    ]
    unchanged = [
        not_below(
            paired(
                values(table, CNN, CHANNELWISE, block, last),
                values(table, CNN, CHANNELWISE, block, first),
            ),
            0.0,
            name=f"channelwise EED, CNN, {block}: step {last} − step {first}",
        )
        for block in BLOCKS
    ]
    falls = [
        below(
            paired(
                values(table, family, metric, PLACES[metric], last),
                values(table, family, metric, PLACES[metric], 0),
            ),
            0.0,
            name=f"{metric}, {family}: step {last} − step 0",
        )
        for metric in (LATENT, SOFTMAX)
        for family in FAMILIES
    ]
    compared = []
    for metric, rule in ((LATENT, below), (SOFTMAX, below), (LATENT_COSINE, above)):
        pair = (values(table, f, metric, PLACES[metric], last) for f in (STEERABLE, CNN))
        compared.append(rule(paired(*pair), 0.0, name=f"{metric}, C8-CNN − CNN"))
    return [
        decide("003.c1", [*more, *decay], ran_on=ran_on),
        decide("003.c2", unchanged, ran_on=ran_on, note=f"Just after the start: step {first}."),
        decide("003.c3", falls, ran_on=ran_on, note=_since(table, first, last)),
        decide("003.c4", compared, ran_on=ran_on),
    ]


def _since(table: pd.DataFrame, first: int, last: int) -> str:
    """Says what becomes of 003.c3 if the untrained network is left aside."""
    changes = []
    for metric in (LATENT, SOFTMAX):
        for family in FAMILIES:
            ends = (values(table, family, metric, PLACES[metric], at) for at in (last, first))
            evidence = paired(*ends)
            changes.append(
                f"{metric}, {family} {value_text(evidence.value, evidence.low, evidence.high)}"
            )
    return (
        "The start is the untrained network, whose softmax hardly reacts to anything (§4.2). "
        f"From step {first} to {last}: {'; '.join(changes)}."
    )


def values(table: pd.DataFrame, family: str, metric: str, place: str, iteration: int) -> np.ndarray:
    """One number per seed, in the order of the seeds; NaN where all channels were dead."""
    chosen = table[
        (table["family"] == family)
        & (table["metric"] == metric)
        & (table["place"] == place)
        & (table["iteration"] == iteration)
    ]
    return seed_values(chosen, table)


def slopes(table: pd.DataFrame, family: str, iteration: int) -> list[float]:
    """Fits the rise of channelwise EED from block to block, a least-squares slope per seed."""
    by_block = [values(table, family, CHANNELWISE, block, iteration) for block in BLOCKS]
    steps = np.arange(len(BLOCKS)) - (len(BLOCKS) - 1) / 2
    return list(steps @ np.array(by_block) / (steps @ steps))


def _depth(table: pd.DataFrame) -> Figure:
    last = int(table["iteration"].max())
    series = []
    for iteration, word in ((0, "untrained"), (last, "trained")):
        for family in FAMILIES:
            evidence = [
                over_seeds(values(table, family, CHANNELWISE, block, iteration)) for block in BLOCKS
            ]
            series.append(Curve.of(f"{family}, {word}", range(1, len(BLOCKS) + 1), evidence))
    return curves(
        "Channelwise G-EED by depth",
        "After each block; lower is more equivariant. Bands are 95 % intervals over seeds.",
        series,
        x_label="block",
        y_label="channelwise C8-EED",
        x_ticks=[(number, str(number)) for number in range(1, len(BLOCKS) + 1)],
    )


def _training(table: pd.DataFrame, metric: str) -> Figure:
    iterations = sorted(int(i) for i in table["iteration"].unique())
    series = []
    for family in FAMILIES:
        at = [values(table, family, metric, PLACES[metric], step) for step in iterations]
        series.append(Curve.of(family, iterations, [over_seeds(seeds) for seeds in at]))
    return curves(
        f"{_WORDS[metric]} in training",
        "Lower is more invariant. Bands are 95 % intervals over seeds.",
        series,
        x_label="step",
        y_label=f"{_WORDS[metric]} of C8",
    )
