"""Rotations in the task (002 §4.3, figure 5): do they make features rotation-equivariant?

The 7-layer network learns the digits 2, 3, 4, 5, 7, 9 upright (plain), each turned by a multiple of
90° (rot-inv: the class is the digit) or with digit and turn as its class (rot-eq). Expected: the
three agree up to the Late part, and in Early and Middle features are much more equivariant than
invariant; in Final, both rotated tasks end above the plain one.

    invariscope study run rotation-in-the-task --preset laptop
    invariscope study run rotation-in-the-task --preset paper --set of=PATH/OF/MNIST
"""

from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from invariscope.studies.claims import above, decide, within
from invariscope.studies.claims.evidence import paired
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import needed, study
from invariscope.studies.paper002.parts import (
    EQUIVARIANCE,
    INVARIANCE,
    METRICS,
    above_chance,
    by_part_of_each,
    parts_figure,
    per_seed,
)
from invariscope.training import Recipe

TASKS = ("plain", "rot-inv", "rot-eq")


@dataclass(frozen=True)
class Settings:
    """Says what the study is run with.

    Args:
        of: Where the digits come from: mnist5k, digits, or torchvision's root of MNIST.
        width: Factor on the 20 channels of each layer.
        num_train: Images to train on; None takes all.
        epochs: Passes over them.
        batch_size: Images per step.
        schedule: How the learning rate falls.
        seeds: Of the trainings.
        num_images: Test images that are measured.
    """

    of: str | None = "mnist5k"
    width: float = 1.0
    num_train: int | None = None
    epochs: float = 100.0
    batch_size: int = 128
    schedule: str = "milestones(25, 50; 0.1)"
    seeds: tuple[int, ...] = (0, 1, 2)
    num_images: int = 2000


@study(
    "rotation-in-the-task",
    paper="002 §4.3",
    question="Does invariance or equivariance in the task change the features before the last?",
    expected="No difference before the Late part; equivariance far above invariance in Early and "
    "Middle.",
    cost={"smoke": "5 s", "laptop": "8 min", "paper": "1 h on a GPU"},
    presets={
        "smoke": Settings(
            of="digits", width=0.3, num_train=240, epochs=4, batch_size=32,
            schedule="step(2, 0.3)", seeds=(0, 1), num_images=48,
        ),
        "laptop": Settings(epochs=30, schedule="milestones(10, 20; 0.1)", num_images=400),
        "paper": Settings(of=None),
    },
)  # fmt: skip
def rotation_in_the_task(lab: Lab, settings: Settings) -> Findings:
    """Trains the network on the three tasks and measures it under quarter turns."""
    of = needed(settings.of, "of", "torchvision's root of MNIST (the folder with MNIST/raw)")
    recipes = [
        Recipe(
            data=f"mnist6:{task}?of={of}",
            model=f"small:cnn7?width={settings.width:g}",
            augment="whole image",
            num_train=settings.num_train,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            optimizer="adam",
            learning_rate=0.01,
            weight_decay=5e-4,
            schedule=settings.schedule,
            seed=seed,
        )
        for task in TASKS
        for seed in settings.seeds
    ]
    runs = lab.train(recipes)
    about = [{"task": task, "seed": seed} for task in TASKS for seed in settings.seeds]
    data = [f"mnist6:{facts['task']}?of={of}&split=test" for facts in about]
    results = lab.measure(
        runs, data, groups=["C4"], metrics=list(METRICS), num_images=settings.num_images
    )
    table = by_part_of_each(results, about)
    accuracy = pd.DataFrame(about).assign(accuracy=[run.accuracy for run in runs])
    ran_on = f"small:cnn7?width={settings.width:g} on mnist6 of {of}, {len(runs)} trainings"
    return Findings(
        tables={"parts": table, "accuracy": accuracy},
        figures=[
            parts_figure(
                f"Rotation {kind} by task",
                "Mean over 90°, 180° and 270°; bands are 95 % intervals over seeds. "
                + ("The paper's figure 5." if kind == EQUIVARIANCE else "Channel by channel."),
                table,
                "task",
                kind,
            )
            for kind in (EQUIVARIANCE, INVARIANCE)
        ],
        claims=claims(table, ran_on),
        notes=[
            "Every network is measured on the test images of its own task.",
            "The paper does not give the padding of the convolutions; here they keep the side.",
        ],
    )


def claims(table: pd.DataFrame, ran_on: str):
    """002.c4 and 002.c5 from the table of parts."""
    alike = [
        within(
            paired(
                per_seed(table, part, EQUIVARIANCE, task=first),
                per_seed(table, part, EQUIVARIANCE, task=second),
            ),
            -0.05,
            0.05,
            name=f"equivariance in {part}: {first} − {second}",
        )
        for part in ("Early", "Middle")
        for first, second in combinations(TASKS, 2)
    ]
    larger = [
        above(
            paired(above_chance(table, part, EQUIVARIANCE), above_chance(table, part, INVARIANCE)),
            0.1,
            name=f"equivariance − invariance in {part}, mean over tasks",
        )
        for part in ("Early", "Middle")
    ]
    return [
        decide("002.c4", alike, ran_on=ran_on),
        decide(
            "002.c5",
            larger,
            ran_on=ran_on,
            note="Each less what shuffled pairs of images give, by chance alone.",
        ),
    ]
