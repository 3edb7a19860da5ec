"""Asks what varies in natural images: 000 §4 (Figure 3), claims 000.c11 to c13 and c15 to c17.

For pairs of images of a class, how much closer does each operation bring them (eq. 2)? Searched
with networks trained without and with augmentation on their own training images, one of each per
seed, and with a pretrained network (`pretrained`) on labelled photographs. The invariance that
training has brought is that of `sources-of-invariance`, whose jobs are shared.

Expected: no operation brings pairs closer in all classes, yet each class has one that does; these
are more often changes of appearance than of geometry, are those to which training makes invariant,
and are alike for classes that are alike in WordNet; training with augmentation dampens it all.

    invariscope study run natural-factors --preset laptop --workers 2
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.studies.claims import (
    ClaimResult,
    Evidence,
    Part,
    above,
    below,
    decide,
    interval,
    not_above,
    not_run,
    over_seeds,
    share,
)
from invariscope.studies.lab.figures import Dot, dots
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import needed, study
from invariscope.studies.paper000.pair_searches import (
    ENDS,
    all_operations,
    summarise_search,
    top_operations,
)
from invariscope.studies.paper000.sources_of_invariance import (
    AUGMENTED,
    PLAIN,
    PRETRAINED,
    measure_invariance,
)

if TYPE_CHECKING:
    from invariscope.effects.wordnet import WordNet
    from invariscope.search import Factors

SEARCHED = (PLAIN, PRETRAINED)


@dataclass(frozen=True)
class Settings:
    """Says what the study runs on; `--set NAME=VALUE` changes one."""

    train: str = "fashion-mnist?split=train"
    test: str = "fashion-mnist?split=test"
    model: str = "small:resnet18?width=0.25"
    augment: str = "RandomResizedCrop + horizontal flip"
    seeds: tuple[int, ...] = (0, 1, 2)
    num_train: int | None = 6000
    num_test: int | None = 1000
    epochs: float = 3.0
    batch_size: int = 128
    learning_rate: float = 0.05
    weight_decay: float = 0.0001
    schedule: str = "cosine"
    operations: str = "singles"
    pairs: int = 60
    classes: tuple[str, ...] | None = None
    images: int = 128
    pretrained: str | None = None
    pretrained_data: str = "stamps:16"
    pretrained_test: str = "stamps:4"
    pretrained_size: int | None = 128
    pretrained_pairs: int = 8
    pretrained_images: int = 64


@study(
    "natural-factors",
    paper="000 §4",
    question="Which operations turn one image of a class into another? Does training know them?",
    expected=(
        "no operation brings the pairs of all classes closer, and the best on average does "
        "nothing; but the best of each class raises its similarity. Appearance is more often on "
        "top than geometry, training makes invariant to what is on top, and similar classes have "
        "similar tops."
    ),
    cost={
        "smoke": "about 10 s",
        "laptop": "9 min, after the trainings that sources-of-invariance shares",
        "paper": "10 ResNet-18 on ImageNet (about 20 GPU days), then 1 GPU day; data needed",
    },
    presets={
        "smoke": Settings(
            model="small:resnet18?width=0.06&size=16", seeds=(0, 1), num_train=64, num_test=32,
            epochs=1.0, batch_size=32, operations="rotate,posterize,invert,shear_x", pairs=4,
            classes=("Trouser", "Sandal", "Bag"), images=8,
        ),
        "laptop": Settings(pretrained="builtin:efficientnet-lite0"),
        "paper": Settings(
            train="", test="", model="timm:resnet18", seeds=(0, 1, 2, 3, 4), num_train=None,
            num_test=None, epochs=90.0, batch_size=256, learning_rate=0.1,
            schedule="step(30, 0.1)", operations="all", pairs=640, images=9600,
        ),
    },
)  # fmt: skip
def natural_factors(lab: Lab, settings: Settings) -> Findings:
    """Trains, searches, measures and decides; see the module."""
    train = needed(settings.train, "train", "ImageNet's training images, a folder per class")
    test = needed(settings.test, "test", "ImageNet's validation images, a folder per class")
    nouns, notes = _wordnet()
    runs = _train(lab, settings, train, test)
    searches = _search(lab, settings, train, runs)
    aligned = _alignments(lab, settings, test, runs, searches)
    summary = pd.DataFrame(
        [
            {"network": network, "seed": seed, **summarise_search(search, nouns, notes),
             **aligned.get((network, seed), {})}
            for (network, seed), search in searches.items()
        ]
    )  # fmt: skip
    ran_on = f"{settings.model} on {train}, {len(settings.seeds)} seeds, {settings.pairs} pairs " \
             "of each class"  # fmt: skip
    if settings.pretrained:
        ran_on += f"; {settings.pretrained} on {settings.pretrained_data}, " \
                  f"{settings.pretrained_pairs} pairs of each class"  # fmt: skip
    tables = {
        "summary": summary,
        "tops": top_operations(searches),
        "operations": all_operations(searches),
    }
    notes += _notes(settings)
    claims = decide_claims(summary, ran_on)
    return Findings(tables, _figures(summary, tables), claims, list(dict.fromkeys(notes)))


def _train(lab: Lab, settings: Settings, train: str, test: str) -> dict[str, list]:
    """The networks by training, a run for each seed."""
    from invariscope.training import Recipe

    common = Recipe(
        train, settings.model, augment=settings.augment, test=test, num_train=settings.num_train,
        num_test=settings.num_test, epochs=settings.epochs, batch_size=settings.batch_size,
        learning_rate=settings.learning_rate, weight_decay=settings.weight_decay,
        schedule=settings.schedule,
    )  # fmt: skip
    kinds, count = (common, common.with_(augment="none")), len(settings.seeds)
    runs = lab.train([kind.with_(seed=seed) for kind in kinds for seed in settings.seeds])
    return {AUGMENTED: runs[:count], PLAIN: runs[count:]}


def _search(
    lab: Lab, settings: Settings, train: str, runs: dict[str, list]
) -> "dict[tuple[str, int], Factors]":
    results = lab.find_factors(
        [run for kind in runs.values() for run in kind],
        train,
        what="searching pairs",
        seeds=[seed for _ in runs for seed in settings.seeds],
        operations=settings.operations,
        pairs=settings.pairs,
        **({"classes": settings.classes} if settings.classes else {}),
    )
    keys = [(kind, seed) for kind in runs for seed in settings.seeds]
    searches = dict(zip(keys, results, strict=True))
    if settings.pretrained:
        searches[PRETRAINED, 0] = lab.find_factors(
            settings.pretrained,
            settings.pretrained_data,
            what="searching pairs of photographs",
            seeds=[0],
            operations=settings.operations,
            pairs=settings.pretrained_pairs,
            **({"preprocessing": {"size": settings.pretrained_size}}
               if settings.pretrained_size else {}),
        )[0]  # fmt: skip
    return searches


def _alignments(
    lab: Lab, settings: Settings, test: str, runs: dict[str, list], searches: dict
) -> dict[tuple[str, int], dict[str, float]]:
    """Returns what `advice.align` says of each search of a network that is decided on."""
    from invariscope.advice.alignment import align

    models = [*runs[PLAIN], *[lab.spec(run, untrained=True) for run in runs[PLAIN]]]
    seeds, count = list(settings.seeds), len(settings.seeds)
    results = measure_invariance(lab, models, test, seeds=seeds * 2, images=settings.images)
    pairs = {
        (PLAIN, seed): (results[index], results[count + index]) for index, seed in enumerate(seeds)
    }
    if settings.pretrained:
        trained, untrained = measure_invariance(
            lab, [settings.pretrained, f"{settings.pretrained}+untrained"],
            settings.pretrained_test, seeds=[0, 0], images=settings.pretrained_images,
            size=settings.pretrained_size,
        )  # fmt: skip
        pairs[PRETRAINED, 0] = trained, untrained
    rows = {}
    for key, (trained, untrained) in pairs.items():
        alignment = align(searches[key], trained, untrained)
        names = ("aligned", "aligned_low", "aligned_high")
        values = (alignment.difference, alignment.low, alignment.high)
        p = min(1.0, 2 * min(alignment.p, 1 - alignment.p)) if np.isfinite(alignment.p) else np.nan
        rows[key] = {**dict(zip(names, values, strict=True)), "aligned_p": p}
    return rows


def decide_claims(summary: pd.DataFrame, ran_on: str) -> list[ClaimResult]:
    """000.c11, c12, c13, c15, c16 and c17 from the rows of `summarise_search`."""
    by = {name: rows.sort_values("seed") for name, rows in summary.groupby("network", sort=False)}
    searched = {name: by[name] for name in SEARCHED if name in by}
    c11: list[Part] = []
    for name, rows in searched.items():
        c11.append(_nowhere(rows, name))
        c11.append(not_above(_over(rows, "best", name), 0.01, name=f"{name}, best overall"))
    ratio = by[AUGMENTED]["variance"].to_numpy() / by[PLAIN]["variance"].to_numpy()
    c13 = [above(_share(rows, "held_out", "classes", name), 0.9, name=name)
           for name, rows in searched.items()]  # fmt: skip
    c15 = [_appearance(rows, name) for name, rows in searched.items()]
    notes = {
        "000.c11": "Relative change in similarity (eq. 2); the networks without augmentation, as "
        "in the paper, and the pretrained one. A count that is 0 for all seeds has no variance: "
        "its sign test needs six.",
        "000.c12": "Variance of the mean relative changes over classes and operations, with over "
        "without augmentation, seed by seed.",
        "000.c13": "Chosen on the pairs of even number and tested on the odd ones, and the other "
        "way round; the mean of both counts.",
        "000.c15": "Operations on top by mean change; where none helps, the top is no change "
        "of appearance.",
        "000.c16": "Gap: median invariance, trained − untrained, mean over the levels 3 to 7. The "
        "p of several seeds is the largest of theirs.",
        "000.c17": "Wu–Palmer similarity against Spearman's ρ of the relative changes; classes "
        "are permuted. The p of several seeds is the largest of theirs.",
    }
    return [
        decide("000.c11", c11, ran_on=ran_on, note=notes["000.c11"]),
        decide("000.c12", below(over_seeds(ratio), 1, name="variance ratio"), ran_on=ran_on,
               note=notes["000.c12"]),
        decide("000.c13", c13, ran_on=ran_on, note=notes["000.c13"]),
        decide("000.c15", c15, ran_on=ran_on, note=notes["000.c15"]),
        _tested("000.c16", "aligned", searched, ran_on, notes["000.c16"],
                "no family was both searched and measured"),
        _tested("000.c17", "similar", searched, ran_on, notes["000.c17"],
                "WordNet is not installed, or does not know the classes; "
                "apt-get install wordnet-base, and give data whose classes are nouns"),
    ]  # fmt: skip


def _nowhere(rows: pd.DataFrame, name: str) -> Part:
    """No operation helps all classes: in most seeds, or in nearly all resamples of the pairs."""
    if name != PRETRAINED:
        without = share(int((rows["everywhere"] == 0).sum()), len(rows), unit="seeds")
        return above(without, 0.5, name=f"{name}, share of seeds without such an operation")
    row = rows.iloc[0]
    value, low, high = (float(row[f"everywhere{end}"]) for end in ENDS)
    counted = Evidence(value, low, high, int(row["pairs"]), "pairs")
    return not_above(counted, 0, name=f"{name}, operations", p=float(row["everywhere_p"]))


def _over(rows: pd.DataFrame, column: str, name: str) -> Evidence:
    """Over seeds; of the one pretrained network over pairs."""
    if name != PRETRAINED:
        return over_seeds(rows[column].to_numpy(dtype=float))
    row = rows.iloc[0]
    ends = [float(row[f"{column}{end}"]) for end in ENDS]
    return interval(*ends, n=int(row["pairs"]), unit="pairs")


def _share(rows: pd.DataFrame, column: str, total: str, name: str) -> Evidence:
    """Over seeds; of the one pretrained network over classes."""
    if name != PRETRAINED:
        step = 1 / float(rows[total].min())
        return over_seeds((rows[column] / rows[total]).to_numpy(dtype=float), resolution=step)
    row = rows.iloc[0]
    return share(int(row[column]), int(row[total]), unit="classes")


def _appearance(rows: pd.DataFrame, name: str) -> Part:
    if name != PRETRAINED:
        excess = (rows["appearance"] / rows["tops"] - rows["pool"]).to_numpy(dtype=float)
        step = 1 / float(rows["tops"].min())
        return above(over_seeds(excess, resolution=step),
                     name=f"{name}, share on top − share in the pool")  # fmt: skip
    pool = float(rows.iloc[0]["pool"])
    return above(_share(rows, "appearance", "tops", name), pool,
                 name=f"{name}, share on top, against the pool")  # fmt: skip


def _tested(
    claim: str, column: str, searched: dict[str, pd.DataFrame], ran_on: str, note: str, reason: str
) -> ClaimResult:
    """A claim with a permutation test of its own."""
    parts = []
    for name, rows in searched.items():
        if column not in rows or rows[column].isna().all():
            continue
        p = float(rows[f"{column}_p"].max())
        if name == PRETRAINED:
            row = rows.iloc[0]
            n = int(row.get(f"{column}_n", row["classes"]))
            ends = [float(row[f"{column}{end}"]) for end in ENDS]
            parts.append(above(interval(*ends, n=n, unit="classes"), name=name, p=p))
        else:
            parts.append(above(over_seeds(rows[column].to_numpy(dtype=float)), name=name, p=p))
    return decide(claim, parts, ran_on=ran_on, note=note) if parts else not_run(claim, reason)


def _wordnet() -> "tuple[WordNet | None, list[str]]":
    from invariscope.effects.wordnet import WordNet

    try:
        return WordNet(), []
    except InputError as problem:
        return None, [f"classes are not compared in WordNet: {problem}"]


def _figures(summary: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> list[Figure]:
    operations, tops = tables["operations"], tables["tops"]
    means = operations[operations["kind"] != "identity"].groupby(
        ["network", "operation"], sort=False)["relative_change"]  # fmt: skip
    best = []
    for network in dict.fromkeys(summary["network"]):
        own = means.mean()[network].sort_values(ascending=False, kind="stable")
        for name in own.index[:5]:
            label = str(name).replace("_", " ")
            best.append(
                Dot.of(
                    label,
                    over_seeds(means.get_group((network, name)).to_numpy()),
                    group=str(network),
                )
            )
    own = [
        Dot.of(f"{network}, {words}", evidence,
            by.groupby("class")[column].mean().to_numpy(), str(network))
        for network, by in tops.groupby("network", sort=False)
        for column, words in (("change", "chosen here"), ("held_out", "held out"))
        for evidence in [over_seeds(by.groupby("class")[column].mean().to_numpy(), unit="classes")]
    ]  # fmt: skip
    return [
        dots("The best operations on average",
             "Relative change in similarity, mean over classes: the five best operations of each "
             "network. Bars are 95 % intervals over seeds.",
             best, x_label="relative change in similarity"),
        dots("Each class's own best operation",
             "Ticks are classes, marks their mean with its 95 % interval. Chosen here: on the "
             "pairs that it is judged on, which flatters; held out: on the others.",
             own, x_label="change in similarity"),
    ]  # fmt: skip


def _notes(settings: Settings) -> list[str]:
    notes = []
    if settings.train.startswith("fashion-mnist"):
        notes.append(
            "The trained networks see grey clothes of 28 pixels, ten classes; the paper's see the "
            "thousand classes of ImageNet."
        )
    if settings.pretrained:
        notes.append(
            f"{PRETRAINED}: {settings.pretrained}, trained with augmentation by others; the paper "
            f"controls for that by a network without. Its data, {settings.pretrained_data}, are "
            "cut-outs that we put on photographs at drawn places and sizes: part of what varies "
            "in them is ours."
        )
    return notes
