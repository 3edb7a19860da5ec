"""Tests whether it hurts to be invariant to more than a task needs: 004 App. C.1, figure 8.

Networks learn the same objects under more and more transformations, T₁ ⊂ T₂ ⊂ … ⊂ T₈, in an order
drawn for each seed. Each gets a new last layer for each of these tasks. A surplus is what a network
has learnt and the task does not need; what it has not learnt is missing. The network of the largest
set is also tested where the same transformations are applied in other orders, translation still
last.

Expected: with a surplus the accuracy stays that of the task's own network; it falls with each
transformation that is missing; the order hardly matters.

The laptop preset has five objects and up to four transformations, and a network twice as wide: the
own networks of sets of six and eight got 0.48 and 0.26 of fifteen objects right, so that they had
hardly learnt their surplus.

    invariscope study run supersets --preset laptop --workers 2
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from invariscope.seeding import generator
from invariscope.studies.claims import (
    ClaimResult,
    Evidence,
    above,
    decide,
    image_step,
    over_seeds,
    within,
)
from invariscope.studies.lab.figures import Curve, curves
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
    joined,
    notes_on,
    objects_of,
    per_seed,
    transfers,
)

REVERSED, SHUFFLED = "reversed", "shuffled"
_CLOSE = 0.03


@dataclass(frozen=True)
class Settings(Tasks):
    """`Tasks`, and how many transformations the sets have.

    Attributes:
        counts: Categories in each set, the paper's 1 to 8.
    """

    counts: tuple[int, ...] = tuple(range(1, len(CATEGORIES) + 1))


@study(
    "supersets",
    paper="004 App. C.1",
    question="Does it hurt to be invariant to more than a task needs?",
    expected="No; but it hurts to be invariant to less, the more the more is missing.",
    cost={
        "smoke": "9 s",
        "laptop": "11 min",
        "paper": "80 trainings of 50 epochs of 50,000 images: 4 h on a GPU; the network's own data",
    },
    presets={
        "smoke": replace(Settings(**SMOKE), counts=(1, 3)),
        "laptop": replace(
            Settings(**LAPTOP),
            counts=(1, 2, 3, 4),
            classes=5,
            models=("small:resnet18?width=0.25",),
            epochs=6.0,
        ),
        "paper": Settings(),
    },
)
def supersets(lab: Lab, settings: Settings) -> Findings:
    """Trains a network on each set and transfers it to all of them."""
    table = transfers(lab, settings, networks(settings))
    pairs = differences(table)
    return Findings(
        tables={
            "transfer": table,
            "pairs": pairs,
            "orders": orders(table),
            "objects": objects_of(settings.prototypes),
        },
        figures=[_matrix(pairs), _course(pairs)],
        claims=[decide_claim(pairs, described(settings))],
        notes=[*notes_on(settings), _on_natives(pairs), _on_orders(orders(table))],
    )


def networks(settings: Settings) -> list[Learner]:
    """Lists what is trained, and what it is transferred to."""
    chosen = []
    for seed in settings.seeds:
        (first,) = drawn_objects(settings, seed, sets=1)
        names = nested(seed)

        def task(names: list[str], first: int = first, seed: int = seed) -> Task:
            return Task(joined(names), first, settings.classes, seed)

        tasks = {str(count): task(names[:count]) for count in settings.counts}
        most = names[: max(settings.counts)]
        shuffled = generator(seed, "004 order").permutation(len(most))
        others = {REVERSED: task(most[::-1]), SHUFFLED: task([most[i] for i in shuffled])}
        for count in settings.counts:
            targets = {**tasks, **(others if count == max(settings.counts) else {})}
            chosen += [
                Learner(model, tasks[str(count)], targets, {"count": count})
                for model in settings.models
            ]
    return chosen


def nested(seed: int) -> list[str]:
    """Draws the order in which categories come into the sets."""
    order = generator(seed, "004 transformations").permutation(len(CATEGORIES))
    return [CATEGORIES[index] for index in order]


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Each network on each set against the set's own network.

    Returns:
        One row per model, seed and pair: ``count`` (of what it has learnt), ``needed``,
        ``accuracy``, ``native`` (of the own network, its last layer new as well), ``difference``,
        ``num_test``.
    """
    rows = table[~table["target"].isin([REVERSED, SHUFFLED])]
    rows = rows.assign(needed=rows["target"].astype(int))
    own = rows[rows["count"] == rows["needed"]]
    native = own[["model", "seed", "needed", "accuracy"]].rename(columns={"accuracy": "native"})
    joined = rows.merge(native, on=["model", "seed", "needed"])
    joined["difference"] = joined["accuracy"] - joined["native"]
    columns = ["model", "seed", "count", "needed", "accuracy", "native", "difference", "num_test"]
    return joined[[name for name in columns if name in joined]]


def orders(table: pd.DataFrame) -> pd.DataFrame:
    """The network of the largest set where its transformations are applied in other orders."""
    most = table["count"].max()
    chosen = table[(table["count"] == most) & table["target"].isin([str(most), REVERSED, SHUFFLED])]
    named = chosen.assign(order=chosen["target"].replace({str(most): "as trained"}))
    return named[["model", "seed", "order", "tested_on", "accuracy"]].reset_index(drop=True)


def decide_claim(pairs: pd.DataFrame, ran_on: str) -> ClaimResult:
    """004.c4 from `differences`."""
    steps = sorted({int(n) for n in pairs["count"] - pairs["needed"]})
    parts = [
        within(_by_surplus(pairs, step), -_CLOSE, _CLOSE, name=f"accuracy − native, surplus {step}")
        for step in steps
        if step > 0
    ]
    parts.append(
        above(over_seeds(slopes(pairs)), name="loss of accuracy with each missing transformation")
    )
    note = (
        "By how many transformations more than needed were learnt, mean over the tasks; on the "
        "diagonal the difference is 0 by definition."
    )
    return decide("004.c4", parts, ran_on=ran_on, note=note)


def slopes(pairs: pd.DataFrame) -> list[float]:
    """Least-squares slope of native − accuracy on how many are missing, one per seed."""
    short = pairs[pairs["count"] <= pairs["needed"]]
    return [
        float(np.polyfit(rows["needed"] - rows["count"], -rows["difference"], 1)[0])
        for _, rows in short.groupby("seed", sort=True)
    ]


def _by_surplus(pairs: pd.DataFrame, surplus: int) -> Evidence:
    chosen = pairs[pairs["count"] - pairs["needed"] == surplus]
    return over_seeds(per_seed(chosen, "difference"), resolution=image_step(pairs))


def _matrix(pairs: pd.DataFrame) -> Figure:
    counts = sorted(pairs["count"].unique())
    means = pairs.pivot_table(index="count", columns="needed", values="accuracy")
    return matrix(
        "Accuracy by transformations learnt and needed",
        "Below the diagonal the network has learnt more transformations than the task has, above "
        "it fewer. Mean over seeds.",
        means.loc[counts, counts].to_numpy(),
        [str(count) for count in counts],
        [str(count) for count in counts],
        row_label="transformations learnt",
        column_label="transformations of the task",
    )


def _course(pairs: pd.DataFrame) -> Figure:
    steps = sorted({int(n) for n in pairs["count"] - pairs["needed"]})
    differences = [_by_surplus(pairs, step) for step in steps]
    series = Curve.of("accuracy − native", steps, differences)
    return curves(
        "What a surplus costs, and what is missing",
        "Accuracy against that of the task's own network, by transformations learnt minus needed: "
        "to the left of 0 some are missing. The band is the 95 % interval over seeds.",
        [series],
        x_label="transformations learnt − needed",
        y_label="difference of accuracy",
        line=0.0,
    )


def _on_natives(pairs: pd.DataFrame) -> str:
    own = pairs[pairs["count"] == pairs["needed"]].groupby("count")["accuracy"].mean()
    listed = ", ".join(f"{count}: {accuracy:.2f}" for count, accuracy in own.items())
    return (
        f"Accuracy of each task's own network, by its number of transformations: {listed}. The "
        "paper's are close to 1; where they are not, a surplus is not learnt either."
    )


def _on_orders(table: pd.DataFrame) -> str:
    means = table.groupby("order")["accuracy"].mean()
    listed = ", ".join(f"{order} {means[order]:.3f}" for order in means.index)
    return f"The order in which all transformations are applied, accuracy: {listed}."
