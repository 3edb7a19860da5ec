"""Whom RandomResizedCrop hurts: paper 000 §4.2 and App. D.1, and App. B; claim 000.c14.

On the trainings of `rrc-decomposition`: for each class and each pair of a seed without and one with
the augmentation, is its accuracy lower with it? A class is consistently hurt if it is in more than
70 % of the pairs. And App. B: do methods help the same images? Both are `effects.class_effects`.

Expected: some classes are hurt consistently (17 of 1,000 in the paper, by up to 22 %), without a
pattern; helped images agree no more within a method than across methods.

    invariscope study run class-effects --preset laptop --workers 2
"""

import pandas as pd

from invariscope.effects.on_classes import ClassEffects
from invariscope.effects.on_classes import class_effects as effects_of
from invariscope.studies.claims import ClaimResult, above, decide, interval, not_run
from invariscope.studies.lab.figures import Dot, dots
from invariscope.studies.lab.findings import Figure, Findings
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.study import study
from invariscope.studies.paper000.methods import (
    HALVES,
    NONE,
    PAPER,
    RRC,
    SHIFT,
    SHIFT_AND_SCALE,
    SMOKE,
    TrainingSettings,
    described,
    train_methods,
)
from invariscope.studies.paper000.rrc_decomposition import notes_on

#: With those of App. B.
COMPARED = (RRC, HALVES[1], SHIFT, SHIFT_AND_SCALE)
_SHOWN = 20


@study(
    "class-effects",
    paper="000 §4.2, D.1, B",
    question="Does an augmentation that helps on the whole hurt some classes?",
    expected="yes: 17 of 1,000 classes, in more than 70 % of the comparisons, with no pattern.",
    cost={
        "smoke": "4 s",
        "laptop": "about 10 min, all of it trainings that rrc-decomposition shares",
        "paper": "the trainings of rrc-decomposition; data needed",
    },
    presets={
        "smoke": TrainingSettings(**SMOKE),
        "laptop": TrainingSettings(),
        "paper": TrainingSettings(**PAPER),
    },
)
def class_effects(lab: Lab, settings: TrainingSettings) -> Findings:
    """Compares classes over pairs of seeds; see the module."""
    if len(settings.seeds) < 2:
        return Findings({}, claims=[not_run("000.c14", "seeds: two or more are needed")])
    trained = train_methods(lab, settings, (*COMPARED, NONE))
    answers = pd.concat(
        [run.correct.assign(method=method, seed=run.recipe.seed)
         for method, runs in trained.items() for run in runs],
        ignore_index=True,
    )  # fmt: skip
    wordnet, notes = _wordnet(settings)
    effects = effects_of(answers, NONE, list(COMPARED), **wordnet)
    ran_on = described(settings)
    tables = {
        "classes": effects.classes,
        "summary": effects.summary,
        "helped samples": effects.helped_samples,
    }
    if not effects.similarity.empty:
        tables["similarity of hurt classes"] = effects.similarity
    return Findings(
        tables,
        [_hurt_figure(effects), _helped_figure(effects)],
        [decide_claim(effects.summary, ran_on)],
        [*notes_on(settings), *effects.notes, *notes],
    )


def decide_claim(summary: pd.DataFrame, ran_on: str) -> ClaimResult:
    """000.c14 from `ClassEffects.summary`."""
    (row,) = summary[summary["method"] == RRC].to_dict("records")
    excess = interval(
        float(row["excess"]), float(row["excess_low"]), float(row["excess_high"]),
        n=int(row["n_classes"]), unit="classes",
    )  # fmt: skip
    p = 2 * float(row["hurt_p"]) if row["excess"] > 0 else None
    part = above(excess, name="classes hurt − classes expected to be", p=p)
    note = (
        f"{int(row['hurt'])} of {int(row['n_classes'])} classes are hurt in more than 70 % of the "
        f"pairs, {int(row['helped'])} are helped. By chance {float(row['hurt_expected']):.1f} "
        f"[{int(row['hurt_expected_low'])}, {int(row['hurt_expected_high'])}] would be: binomial, "
        "over the classes whose mean is lower, with each class's chance from relabelling the runs, "
        f"since pairs share seeds (independent pairs: {float(row['binomial']):.1f}). A loss of "
        f"{100 * float(row['detectable']):.1f} points of accuracy is found in 80 of 100 classes."
    )
    return decide("000.c14", part, ran_on=ran_on, note=note)


def _wordnet(settings: TrainingSettings) -> tuple[dict, list[str]]:
    """WordNet and the classes' ids, where the images know them."""
    from invariscope.data import open_source
    from invariscope.data.labels import distinct_names
    from invariscope.effects.wordnet import WordNet
    from invariscope.errors import InputError

    source = open_source(settings.train)
    if source.class_ids is None or source.class_names is None:
        return {}, ["The classes have no WordNet ids: hurt classes are not compared in it."]
    try:
        ids = dict(zip(distinct_names(source.class_names), source.class_ids, strict=True))
        return {"wordnet": WordNet(), "synsets": ids}, []
    except InputError as problem:
        return {}, [f"Hurt classes are not compared in WordNet: {problem}"]


def _hurt_figure(effects: ClassEffects) -> Figure:
    rows = effects.classes[effects.classes["method"] == RRC].sort_values("difference")
    some = (
        rows if len(rows) <= _SHOWN else pd.concat([rows.head(_SHOWN // 2), rows.tail(_SHOWN // 2)])
    )
    shown = [
        Dot(str(row["class"]), float(row["difference"]), float(row["difference_low"]),
            float(row["difference_high"]), group="hurt" if row["hurt"] else "not hurt")
        for row in some.to_dict("records")
    ]  # fmt: skip
    return dots(
        "What RandomResizedCrop does to each class",
        "Accuracy with it minus accuracy without, 95 % interval over runs and images. Hurt: lower "
        "in more than 70 % of the pairs of seeds.",
        shown,
        x_label="difference of accuracies",
    )


def _helped_figure(effects: ClassEffects) -> Figure:
    table = effects.helped_samples
    table = table[(table["shared"] == "without") & (table["method_a"] != RRC)]
    rows = [
        Dot(f"{row['method_a']} / {row['method_b']}", float(row["iou"]), float(row["iou_low"]),
            float(row["iou_high"]),
            group="within" if row["method_a"] == row["method_b"] else "across")
        for row in table.to_dict("records")
    ]  # fmt: skip
    return dots(
        "Do methods help the same images?",
        "Intersection over union of the images that become right, of pairs of runs that share the "
        "one without augmentation; 95 % interval over runs and images.",
        rows,
        x_label="intersection over union",
        line=None,
    )
