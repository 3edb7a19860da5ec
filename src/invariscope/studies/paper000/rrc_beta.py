"""Tests whether the shape of the law of scale matters: paper 000 §2.2, App. C, claim 000.c4.

RandomResizedCrop draws the share of the image that it keeps from a uniform law on [.08, 1]. Here it
comes from .08 + .92 Beta(1, α): α = 1 is uniform, a small α keeps nearly the whole image, a large
one takes small boxes. The range is the same; how often what is drawn differs.

Expected: α = 1 is best. With α = 0.1 the scale varies less: by the law, the variance of 1/σ² is a
sixth of that at α = 1, which is what the paper tabulates. A box that is as large as the image and
has another shape does not fit and is drawn anew, so that boxes are smaller than the law says: of
those really drawn in a square image the variance is 2.9, against 5.3 at α = 1. With α = 10 the
objects in training are much larger than in the test. Learning rate and weight decay are those of
RandomResizedCrop for all.

    invariscope study run rrc-beta --preset laptop --workers 2
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from invariscope.studies.claims import (
    ClaimResult,
    above,
    decide,
    image_step,
    not_run,
    paired,
)
from invariscope.studies.lab.figures import Curve, curves
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper000.methods import (
    PAPER,
    RRC,
    SMOKE,
    TrainingSettings,
    accuracies,
    by_seed,
    described,
    means_of,
    train_methods,
)
from invariscope.studies.paper000.rrc_decomposition import notes_on

ALPHAS = (0.1, 0.5, 1.0, 2.0, 3.0, 10.0)
EXTREMES = (0.1, 10.0)
_POINTS = 200_000


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """Says what the networks are trained on, and the laws.

    Attributes:
        alphas: Of Beta(1, α); 1 must be among them.
    """

    alphas: tuple[float, ...] = ALPHAS


@study(
    "rrc-beta",
    paper="000 §2.2",
    question="Is it the range of scales that matters, or how often each is drawn?",
    expected="how often: the uniform law, α = 1, is best, and α = 0.1 and α = 10 are worse.",
    cost={
        "smoke": "5 s",
        "laptop": "about 11 min",
        "paper": "9 + 30 trainings of ResNet-18 on ImageNet: about 80 GPU days; data needed",
    },
    presets={
        "smoke": Settings(**SMOKE, alphas=(0.1, 1.0, 10.0)),
        "laptop": Settings(),
        "paper": Settings(**PAPER),
    },
)
def rrc_beta(lab: Lab, settings: Settings) -> Findings:
    """Trains with each law; see the module."""
    methods = {alpha: method_of(alpha) for alpha in settings.alphas}
    trained = train_methods(
        lab, settings, list(methods.values()), dict.fromkeys(methods.values(), RRC)
    )
    table = accuracies(trained)
    alphas = {method: alpha for alpha, method in methods.items()}
    means = means_of(table)
    means.insert(0, "alpha", means["method"].map(alphas))
    means = means.sort_values("alpha", ignore_index=True)
    for moments, whose in ((box_moments, ""), (law_moments, ", law")):
        both = [moments(alpha) for alpha in means["alpha"]]
        means[f"mean area{whose}"] = [mean for mean, _ in both]
        means[f"variance of zoom{whose}"] = [variance for _, variance in both]
    ran_on = described(settings)
    return Findings(
        {"accuracy": means, "runs": table},
        [_figure(means)],
        decide_claims(table, ran_on),
        notes_on(settings),
    )


def method_of(alpha: float) -> str:
    """The augmentation's name; α = 1 is RandomResizedCrop, trained once for all studies."""
    return RRC if alpha == 1 else f"Beta(1, {alpha:g})"


def law_moments(alpha: float) -> tuple[float, float]:
    """The mean of σ² and the variance of 1/σ² of the law (Table A1), by quadrature.

    Example:
        >>> mean, variance = law_moments(1.0)
        >>> round(mean, 3), round(variance, 2)
        (0.54, 4.96)
    """
    area, weights = _quadrature(alpha)
    return _moments(area, weights)[0], _moments(1 / area, weights)[1]


def box_moments(alpha: float) -> tuple[float, float]:
    """The mean of σ² and the variance of 1/σ² of the boxes that are drawn in a square image.

    A box of area σ² fits if the larger of its sides does: if its shape, exp(U(±log 4/3)), is within
    σ² and 1/σ². The first of ten tries that fits counts, else the whole image (`boxes.py`); whole
    pixels are left aside.

    Example:
        >>> mean, variance = box_moments(0.1)
        >>> round(mean, 2), round(variance, 2)
        (0.67, 2.93)
    """
    from invariscope.training.augmentations.boxes import RATIO, TRIES

    area, weights = _quadrature(alpha)
    fits = np.minimum(1.0, -np.log(area) / math.log(RATIO[1]))
    share = float((weights * fits).sum())
    none = (1 - share) ** TRIES
    weights = np.append(weights * fits / share * (1 - none), none)
    area = np.append(area, 1.0)
    return _moments(area, weights)[0], _moments(1 / area, weights)[1]


def _quadrature(alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Areas, and their weights; in v = (1 − u)^(1/4) integrands are smooth at both ends."""
    import torch

    from invariscope.training.augmentations import AreaLaw

    v = (np.arange(_POINTS) + 0.5) / _POINTS
    return AreaLaw(alpha=alpha)(torch.from_numpy(1 - v**4)).numpy(), 4 * v**3 / _POINTS


def _moments(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    mean = float((weights * values).sum())
    return mean, float((weights * (values - mean) ** 2).sum())


def decide_claims(table: pd.DataFrame, ran_on: str) -> list[ClaimResult]:
    """000.c4 from the runs (`methods.accuracies`)."""
    there = set(table["method"])
    for alpha in (1.0, *EXTREMES):
        if method_of(alpha) not in there:
            return [not_run("000.c4", f"alphas leaves out {alpha:g}: 0.1, 1 and 10 are compared")]
    uniform = by_seed(table, RRC)
    step = image_step(table)
    parts = [
        above(
            paired(uniform, by_seed(table, method_of(alpha)), resolution=step),
            name=f"α = 1 − α = {alpha:g}",
        )
        for alpha in EXTREMES
    ]
    return [decide("000.c4", parts, ran_on=ran_on)]


def _figure(means: pd.DataFrame) -> Figure:
    columns = (means[name].to_numpy(dtype=float) for name in ("alpha", "accuracy", "low", "high"))
    series = Curve("accuracy", *columns)
    return curves(
        "Accuracy by the law of scale",
        "Mean over training seeds with its 95 % interval. To the left, boxes are nearly the whole "
        "image; to the right, they are small.",
        [series],
        x_label="α of Beta(1, α)",
        y_label="accuracy",
        x_ticks=[(alpha, f"{alpha:g}") for alpha in means["alpha"]],
        log_x=True,
    )
