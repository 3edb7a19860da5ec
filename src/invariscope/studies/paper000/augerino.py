"""Asks what Augerino learns to augment with: 000, App. G (Tables A3 to A5, Figures A8 and A9).

Augerino learns the width of random motions together with the network, and is rewarded for wide ones
(`training.augerino`). It sees FixedSizeCenterCrops. First it may translate; then translate and zoom
in, one after the other; each for several strengths of the reward. In training each image is moved
once, in the test four times. Beside it: no augmentation; the control, the same motions with fixed
widths of ± 30 % and as many copies in the test; and the augmentations by hand that do the same.

Expected: the widths that are learned, and with them the accuracy, depend on the reward, unlike in
Benton et al.; translation is found and beats no augmentation by little; with zoom the accuracy is
lower than with translation alone, though it could fall back on that.

    invariscope study run augerino --preset laptop --workers 2
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from invariscope.studies.claims import over_seeds
from invariscope.studies.lab.figures import Curve, curves
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper000.methods import (
    NONE,
    PAPER,
    SHIFT,
    SMOKE,
    Method,
    TrainingSettings,
    name_of,
    train_methods,
)

if TYPE_CHECKING:
    from invariscope.training import TrainedRun

REGULARISERS = (0.01, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
TRANSLATION, ZOOM = "translation", "translation and zoom"
GROUPS = {TRANSLATION: "tx,ty", ZOOM: "tx,ty,scale; separate; zoom_in"}
CONTROL = "control"
BY_HAND = (
    f"FixedSizeCenterCrop + {SHIFT}",
    f"FixedSizeCenterCrop + {SHIFT} + RandomSizeCenterCrop w/o a.r.",
)
ALONE = "test accuracy without augerino"


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """Says what the networks are trained on, and what Augerino may do.

    Attributes:
        regularisers: Rewards for width, with translations.
        zoom_regularisers: With translations and zoom; empty leaves them out.
        copies: Motions of each image in the test.
        fill: What comes from outside the frame, in the units of the normalised images: −1 is black
            for the small networks, 0 their mean grey. The paper's is the mean colour.
        by_hand: Augmentations to compare with.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    regularisers: tuple[float, ...] = (0.01, 0.1, 0.2, 0.6, 1.0)
    zoom_regularisers: tuple[float, ...] = (0.01, 1.0)
    copies: int = 4
    fill: float = -1.0
    by_hand: tuple[str, ...] = BY_HAND


@study(
    "augerino",
    paper="000 App. G",
    question="Does Augerino find by itself which translations and scales help?",
    expected=(
        "translations, and a small gain over no augmentation; widths and accuracy depend on the "
        "strength of the regulariser."
    ),
    cost={
        "smoke": "8 s",
        "laptop": "about 11 min, 5 min after validation-scale",
        "paper": "9 + 90 trainings of ResNet-18 on ImageNet: about 200 GPU days; data needed",
    },
    presets={
        "smoke": Settings(**SMOKE, regularisers=(0.01, 1.0), zoom_regularisers=(0.2,), copies=2),
        "laptop": Settings(),
        "paper": replace(
            Settings(**PAPER),
            seeds=(0, 1, 2, 3, 4),
            regularisers=REGULARISERS,
            zoom_regularisers=REGULARISERS,
            fill=0.0,
        ),
    },
)
def augerino(lab: Lab, settings: Settings) -> Findings:
    """Trains with each reward and looks at what was learned; see the module."""
    learned = augerino_methods(settings)
    methods: list[Method] = [*learned, NONE, *settings.by_hand]
    # Learning rate and weight decay are those of no augmentation, as in the paper.
    trained = train_methods(lab, settings, methods, dict.fromkeys(methods, NONE))
    runs = augerino_runs({method: trained[method] for method in learned}, learned)
    others = plain_runs({method: trained[method] for method in (NONE, *settings.by_hand)})
    table = pd.concat([runs, others], ignore_index=True)
    paths = trajectories({method: trained[method] for method in learned}, learned)
    return Findings(
        {"accuracy": summary(table), "runs": table, "trajectories": paths},
        _figures(table, paths),
        notes=_notes(settings),
    )


def augerino_methods(settings: Settings) -> dict[Method, tuple[str, float | None]]:
    """(augmentation, Augerino's settings) of each network, with its group and its reward.

    The reward of the control is None.
    """
    end = f"; copies={settings.copies}; fill={settings.fill:g}"
    learned: dict[Method, tuple[str, float | None]] = {}
    rewards = {TRANSLATION: settings.regularisers, ZOOM: settings.zoom_regularisers}
    for group, values in rewards.items():
        for reward in values:
            learned[NONE, f"{GROUPS[group]}; regulariser={reward:g}{end}"] = group, reward
        if values:
            learned[NONE, f"{GROUPS[group]}; fixed{end}"] = group, None
    return learned


def augerino_runs(
    trained: "Mapping[Method, Sequence[TrainedRun]]",
    methods: Mapping[Method, tuple[str, float | None]],
) -> pd.DataFrame:
    """One row per run: method, group, regulariser, seed, accuracy, alone, and the widths.

    accuracy is with Augerino in the test, alone without it; widths are the last ones, in physical
    units: tx and ty as shares of the side, scale as the largest factor.
    """
    rows = []
    for method, runs in trained.items():
        group, reward = methods[method]
        for run in runs:
            widths = run.facts["augerino"]
            rows.append(
                {
                    "method": group if reward is not None else f"{group}, {CONTROL}",
                    "group": group,
                    "regulariser": reward,
                    "seed": run.recipe.seed,
                    "accuracy": run.accuracy,
                    "alone": float(run.values(ALONE).iloc[-1]),
                    **{name.removeprefix("augerino "): value for name, value in widths.items()},
                }
            )
    return pd.DataFrame(rows)


def plain_runs(trained: "Mapping[Method, Sequence[TrainedRun]]") -> pd.DataFrame:
    """The same columns for the methods without Augerino."""
    return pd.DataFrame(
        [
            {"method": name_of(method), "group": "", "seed": run.recipe.seed,
             "accuracy": run.accuracy, "alone": run.accuracy}
            for method, runs in trained.items() for run in runs
        ]
    )  # fmt: skip


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds: of the accuracy with its standard error, alone, and of the widths."""
    widths = [name for name in ("tx", "ty", "scale") if name in table]
    rows = []
    for key, part in table.groupby(["method", "regulariser"], sort=False, dropna=False):
        method, reward = key
        with_it = over_seeds(part["accuracy"].to_numpy(dtype=float))
        alone = over_seeds(part["alone"].to_numpy(dtype=float))
        row = {"method": method, "regulariser": reward, "accuracy": with_it.value,
               "sem": with_it.error, "alone": alone.value, "alone_sem": alone.error,
               "n": len(part)}  # fmt: skip
        rows.append(row | {name: float(part[name].mean()) for name in widths})
    return pd.DataFrame(rows)


def trajectories(
    trained: "Mapping[Method, Sequence[TrainedRun]]",
    methods: Mapping[Method, tuple[str, float | None]],
) -> pd.DataFrame:
    """The widths in physical units during training.

    Columns: group, regulariser, seed, epoch, name, value. The control's stay as they are and have
    no rows.
    """
    parts = []
    for method, runs in trained.items():
        group, reward = methods[method]
        if reward is None:
            continue
        for run in runs:
            rows = run.history[run.history["name"].str.startswith("augerino ")]
            rows = rows.assign(group=group, regulariser=reward, seed=run.recipe.seed)
            parts.append(rows[["group", "regulariser", "seed", "epoch", "name", "value"]])
    table = pd.concat(parts, ignore_index=True)
    table["name"] = table["name"].str.removeprefix("augerino ")
    return table


def _figures(table: pd.DataFrame, paths: pd.DataFrame) -> list[Figure]:
    learned = table[table["regulariser"].notna()]
    accuracy, widths = [], []
    for group, part in learned.groupby("group", sort=False):
        for column, words in (("accuracy", "with copies"), ("alone", "network alone")):
            accuracy.append(_over_rewards(part, column, f"{group}, {words}"))
        widths += [
            _over_rewards(part, name, f"{group}: {name}") for name in ("tx", "ty") if name in part
        ]
    rewards = sorted(learned["regulariser"].unique())
    ticks = [(reward, f"{reward:g}") for reward in rewards]
    # The trajectories of translation; the last group's zoom has another unit.
    shown = paths[(paths["group"] == TRANSLATION) & (paths["name"] == "tx")]
    lines = []
    for reward, part in shown.groupby("regulariser", sort=True):
        mean = part.groupby("epoch")["value"].mean()
        lines.append(Curve(f"{reward:g}", mean.index.to_numpy(), mean.to_numpy()))
    return [
        curves("Accuracy by the strength of the regulariser",
               "Mean over seeds, bands are 95 % intervals. Alone: Augerino is off in the test.",
               accuracy, x_label="regulariser", y_label="accuracy", x_ticks=ticks, log_x=True),
        curves("Learned translations",
               "The largest move at the end, as a share of the side, ±. Above 0.3 nothing pushes.",
               widths, x_label="regulariser", y_label="share of the side", x_ticks=ticks,
               log_x=True, line=0.3),
        curves("Learning to translate",
               "The largest horizontal move during training, mean over seeds, for each strength of "
               "the regulariser.",
               lines, x_label="epoch", y_label="share of the side", line=0.3),
    ]  # fmt: skip


def _over_rewards(part: pd.DataFrame, column: str, label: str) -> Curve:
    rewards = sorted(part["regulariser"].unique())
    groups = [part.loc[part["regulariser"] == reward, column] for reward in rewards]
    values = [over_seeds(group.to_numpy(dtype=float)) for group in groups]
    return Curve.of(label, rewards, values)


def _notes(settings: Settings) -> list[str]:
    notes = [
        "The widths at which the reward ends (± 30 %, × 3.57) and at which training starts are "
        "those that the paper's settings imply; its text has lost the numbers.",
    ]
    if settings.fill:
        notes.append(f"What comes from outside the frame is {settings.fill:g} in normalised units.")
    if settings.train.startswith("fashion-mnist"):
        notes.append("Clothes fill their frame; in the paper's images objects lie anywhere.")
    return notes
