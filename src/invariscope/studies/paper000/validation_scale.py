"""Accuracy on enlarged test images: paper 000 App. F, Figure A7; claim 000.c18 (with App. G).

The networks of `rrc-decomposition`, trained with RandomResizedCrop and without augmentation, see
test images that are enlarged about their centre by up to m, for fifteen m from 1 to 6
(`training.validation_scale`). A network that ignored scale would not lose accuracy.

Expected: both lose, the one without augmentation faster. The second half of the claim, that
Augerino's accuracy depends on its regulariser, is computed from the trainings of `augerino`.

    invariscope study run validation-scale --preset laptop --workers 2
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from invariscope.files import read_csv, write_csv
from invariscope.studies.claims import ClaimResult, Part, above, below, decide, paired, resampled
from invariscope.studies.lab import job_kinds
from invariscope.studies.lab.figures import Curve, curves
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.jobs import StudyJob, job_kind
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper000.augerino import REGULARISERS, augerino_methods, augerino_runs
from invariscope.studies.paper000.augerino import Settings as AugerinoStudy
from invariscope.studies.paper000.methods import (
    NONE,
    PAPER,
    RRC,
    SMOKE,
    Method,
    TrainingSettings,
    described,
    name_of,
    train_methods,
)

ACCURACY = "accuracy.csv"
SHOWN = (RRC, NONE)
ZOOMS = tuple(round(float(zoom), 6) for zoom in np.linspace(1, 6, 15))
_RESAMPLES = 2000


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """Says what the networks are trained and tested on.

    Attributes:
        zooms: Largest enlargements.
        test_seeds: Of what the images draw; accuracies are averaged over them.
        regularisers: Of Augerino.
        augerino_seeds: Training seeds of Augerino.
        copies: Motions of each image in Augerino's test.
        fill: What comes from outside of Augerino's frames.
    """

    zooms: tuple[float, ...] = ZOOMS
    test_seeds: tuple[int, ...] = (0, 1)
    regularisers: tuple[float, ...] = AugerinoStudy.regularisers
    augerino_seeds: tuple[int, ...] = AugerinoStudy.seeds
    copies: int = 4
    fill: float = -1.0


@job_kind("validation-scale")
def write_scale_accuracy(settings: Mapping[str, Any], folder: Path) -> None:
    """The accuracy of one training at each enlargement, as a table."""
    from invariscope.training.validation_scale import scale_accuracy

    key = settings["model"].removeprefix(job_kinds.TRAINED_JOB)
    run = job_kinds.read_training(folder.parent / key)
    table = scale_accuracy(run, settings["zooms"], settings["test_seeds"])
    write_csv(folder / ACCURACY, table)


@study(
    "validation-scale",
    paper="000 App. F, G",
    question="Is a network that was trained on crops of all sizes invariant to scale?",
    expected=(
        "no: its accuracy falls with the enlargement, though less than without augmentation. "
        "Augerino's accuracy depends on its regulariser."
    ),
    cost={
        "smoke": "8 s",
        "laptop": "about 12 min, of which 9 are trainings that other studies share",
        "paper": "the trainings of rrc-decomposition and augerino, and 2 GPU hours; data needed",
    },
    seeds=("seeds", "augerino_seeds"),
    presets={
        "smoke": Settings(
            **SMOKE, zooms=(1.0, 2.0, 4.0), test_seeds=(0,), regularisers=(0.01, 1.0),
            augerino_seeds=(0, 1), copies=2,
        ),
        "laptop": Settings(),
        "paper": Settings(
            **PAPER,
            test_seeds=(0, 1, 2, 3, 4),
            regularisers=REGULARISERS,
            augerino_seeds=(0, 1, 2, 3, 4),
            fill=0.0,
        ),
    },
)  # fmt: skip
def validation_scale(lab: Lab, settings: Settings) -> Findings:
    """Enlarges the test images of trained networks; see the module."""
    from invariscope.training.validation_scale import over_training_seeds

    trained = train_methods(lab, settings, SHOWN)
    runs = [(method, run) for method in SHOWN for run in trained[method]]
    jobs = [
        StudyJob(
            "validation-scale",
            {"model": lab.spec(run), "zooms": list(settings.zooms),
             "test_seeds": list(settings.test_seeds)},
        )
        for _, run in runs
    ]  # fmt: skip
    results = lab.run(jobs, "enlarging test images")
    tables = [
        read_csv(result.folder / ACCURACY).assign(method=name_of(method), seed=run.recipe.seed)
        for result, (method, run) in zip(results, runs, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    learned = _augerino(lab, settings)
    ran_on = f"{described(settings)}; Augerino {len(settings.augerino_seeds)} seeds"
    curve = over_training_seeds(table)
    return Findings(
        {"accuracy": curve, "runs": table, "augerino": learned},
        [_figure(curve)],
        [decide_claim(table, learned, ran_on)],
        ["Images are FixedSizeCenterCrops first, so that even at an enlargement of 1 they are "
         "closer than the crops of training with the same share of the area (paper, footnote 6)."],
    )  # fmt: skip


def _augerino(lab: Lab, settings: Settings) -> pd.DataFrame:
    """The trainings of `augerino` with translations; shared with that study."""
    common = {field.name: getattr(settings, field.name) for field in fields(TrainingSettings)}
    own = AugerinoStudy(
        **common | {"seeds": settings.augerino_seeds}, regularisers=settings.regularisers,
        zoom_regularisers=(), copies=settings.copies, fill=settings.fill,
    )  # fmt: skip
    methods = {key: kind for key, kind in augerino_methods(own).items() if kind[1] is not None}
    wanted: list[Method] = list(methods)
    trained = train_methods(lab, own, wanted, dict.fromkeys(wanted, NONE))
    return augerino_runs(trained, methods)


def slopes(table: pd.DataFrame, method: str) -> np.ndarray:
    """The slope of accuracy over the enlargement, of each training seed: least squares."""
    rows = table[table["method"] == method]
    means = rows.groupby(["seed", "scale"])["accuracy"].mean().unstack("scale").sort_index()
    zooms = means.columns.to_numpy(dtype=float)
    centred = zooms - zooms.mean()
    return means.to_numpy() @ centred / (centred**2).sum()


def decide_claim(table: pd.DataFrame, learned: pd.DataFrame, ran_on: str) -> ClaimResult:
    """000.c18.

    Args:
        table: method, seed, scale, test_seed, accuracy of the enlarged images.
        learned: regulariser, seed, accuracy of Augerino.
        ran_on: Data and models, in words.
    """
    augmented, plain = slopes(table, RRC), slopes(table, NONE)
    parts = [
        below(augmented, name="slope of accuracy over enlargement, RandomResizedCrop"),
        below(plain, name="slope of accuracy over enlargement, none"),
        above(paired(augmented, plain), name="difference of the slopes"),
        depends_on_regulariser(learned),
    ]
    note = (
        "Slopes are per unit of the enlargement. Range of the means over the regulariser, less 2 "
        "standard errors (their root mean square): its interval resamples seeds. By chance alone "
        "a range of five is 2.3 standard errors, of seven 2.7, so p is that of permuting the "
        "regulariser within seeds."
    )
    return decide("000.c18", parts, ran_on=ran_on, note=note)


def depends_on_regulariser(learned: pd.DataFrame) -> Part:
    """Range of accuracy over the regulariser, less 2 SEM."""
    values = learned.pivot(index="seed", columns="regulariser", values="accuracy").to_numpy()
    n = len(values)
    name = "range of accuracy over the regulariser − 2 SEM"
    if n < 2:
        return above([float(np.ptp(values.mean(axis=0)))] * n, name=name)
    sem = float(np.sqrt((values.var(axis=0, ddof=1) / n).mean()))
    random = np.random.default_rng(0)
    seeds = random.integers(0, n, (_RESAMPLES, n))
    drawn = np.ptp(values[seeds].mean(axis=1), axis=1) - 2 * sem
    observed = float(np.ptp(values.mean(axis=0)))
    permuted = random.permuted(np.broadcast_to(values, (_RESAMPLES, *values.shape)), axis=2)
    as_large = np.ptp(permuted.mean(axis=1), axis=1) >= observed - 1e-12
    p = float((as_large.sum() + 1) / (_RESAMPLES + 1))
    evidence = resampled(observed - 2 * sem, drawn, n=n, unit="seeds")
    return above(evidence, name=name, p=p)


def _figure(curve: pd.DataFrame) -> Figure:
    series = []
    for method, part in curve.groupby("method", sort=False):
        x, y, sem = (part[name].to_numpy(dtype=float) for name in ("scale", "accuracy", "sem"))
        series.append(Curve(str(method), x, y, y - sem, y + sem))
    return curves(
        "Accuracy on enlarged test images",
        "Mean over training seeds, bands are ± one standard error, as in Figure A7. An image is "
        "enlarged by up to the number on the axis.",
        series,
        x_label="largest enlargement",
        y_label="accuracy",
    )
