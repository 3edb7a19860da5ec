"""Capacity (002 §4.5, figure 6(b)): are smaller networks more translation-equivariant?

WideResNet-40 with 1, 2, 4 and 8 times the channels learns small images without augmentation and is
measured under diagonal shifts. Expected: the wider, the less equivariant before pooling, while the
invariance in Final is the same.

    invariscope study run capacity --preset laptop
    invariscope study run capacity --preset paper --set data=torchvision:CIFAR10
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from invariscope.studies.claims import ClaimResult, below, decide, within
from invariscope.studies.claims.evidence import correlation_over_seeds, paired
from invariscope.studies.lab.findings import Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper002.parts import (
    BEFORE_POOLING,
    EQUIVARIANCE,
    INVARIANCE,
    METRICS,
    by_part_of_each,
    parts_figure,
    per_seed,
    rank_correlation,
)
from invariscope.studies.paper002.small_images import SmallImages


@dataclass(frozen=True)
class Settings(SmallImages):
    """`SmallImages`, and how wide the networks are.

    Args:
        widths: Factors on the channels of WideResNet-40, the paper's s.
    """

    widths: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)


@study(
    "capacity",
    paper="002 §4.5",
    question="Does less capacity make intermediate features more translation-equivariant?",
    expected="Less equivariance before pooling in wider networks, the same invariance in Final.",
    cost={"smoke": "8 s", "laptop": "10 min", "paper": "12 trainings of 200 epochs: 1 day, a GPU"},
    presets={
        "smoke": Settings(
            data="mnist6:plain?of=digits", size=20, widths=(0.1, 0.2, 0.4), num_train=96,
            num_test=50, epochs=1, batch_size=32, schedule="constant", seeds=(0, 1),
            num_images=16, shifts="shift(4..10:6)",
        ),
        "laptop": Settings(
            data="fashion-mnist", size=28, widths=(0.125, 0.25, 0.5, 1.0), num_train=6000,
            num_test=2000, epochs=5, schedule="milestones(2.5, 4; 0.1)", num_images=160,
            shifts="shift(2..14:4)",
        ),
        "paper": Settings(),
    },
)  # fmt: skip
def capacity(lab: Lab, settings: Settings) -> Findings:
    """Trains WideResNet-40 at each width and measures it under diagonal shifts."""
    data = settings.where()
    recipes = [
        settings.recipe(f"small:wide_resnet40?width={width:g}", "whole image", seed)
        for width in settings.widths
        for seed in settings.seeds
    ]
    runs = lab.train(recipes)
    about = [{"width": width, "seed": seed} for width in settings.widths for seed in settings.seeds]
    results = lab.measure(
        runs,
        data,
        groups=[settings.shifts],
        metrics=list(METRICS),
        num_images=settings.num_images,
    )
    table = by_part_of_each(results, about)
    accuracy = pd.DataFrame(about).assign(accuracy=[run.accuracy for run in runs])
    named = table.assign(width=[f"s = {width:g}" for width in table["width"]])
    widths = ", ".join(f"{width:g}" for width in settings.widths)
    ran_on = f"small:wide_resnet40 at widths {widths} on {data}, {len(runs)} trainings"
    return Findings(
        tables={"parts": table, "accuracy": accuracy},
        figures=[
            parts_figure(
                f"Translation {kind} by width",
                f"Mean over {settings.shifts}, diagonal; bands are 95 % intervals over seeds.",
                named,
                "width",
                kind,
            )
            for kind in (EQUIVARIANCE, INVARIANCE)
        ],
        claims=[capacity_claim(table, ran_on)],
        notes=[f"No augmentation; the paper's widths are 1, 2, 4 and 8, these are {widths}."],
    )


def capacity_claim(table: pd.DataFrame, ran_on: str) -> ClaimResult:
    """002.c8: Spearman(width, Early–Late) < 0 by seed; Final differences to the narrowest."""
    widths = sorted(table["width"].unique())
    inner = np.mean(
        [
            [per_seed(table, part, EQUIVARIANCE, width=width) for width in widths]
            for part in BEFORE_POOLING
        ],
        axis=0,
    )
    ranks = [rank_correlation(np.array(widths), values) for values in inner.T]
    parts = [
        below(
            correlation_over_seeds(ranks, ranked=len(widths)),
            0.0,
            name="Spearman of width and equivariance before pooling",
        )
    ]
    narrow = per_seed(table, "Final", INVARIANCE, width=widths[0])
    for width in widths[1:]:
        wide = per_seed(table, "Final", INVARIANCE, width=width)
        name = f"invariance in Final: s = {width:g} − s = {widths[0]:g}"
        parts.append(within(paired(wide, narrow), -0.05, 0.05, name=name))
    note = "Before pooling: the mean of Early, Middle and Late; one rank correlation per seed."
    return decide("002.c8", parts, ran_on=ran_on, note=note)
