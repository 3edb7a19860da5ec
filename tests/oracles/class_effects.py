"""Effects of an augmentation by class, pair of seeds by pair of seeds.

`answers` is {method: {seed: {image: right}}}, `classes` is {image: class}.
"""

import itertools
import math

import numpy as np

from invariscope.seeding import generator
from invariscope.statistics.intervals import resampling_counts


def accuracy(run, classes, name):
    return np.mean([run[image] for image in run if classes[image] == name])


def reference_class(answers, classes, name, without, method):
    """What a class has: shares of the pairs, drop, difference."""
    one = [accuracy(run, classes, name) for run in answers[without].values()]
    other = [accuracy(run, classes, name) for run in answers[method].values()]
    pairs = [(a, b) for a in one for b in other]
    drops = [a - b for a, b in pairs if a > b]
    return {
        "accuracy_without": np.mean(one),
        "accuracy_with": np.mean(other),
        "difference": np.mean(other) - np.mean(one),
        "share_hurt": len(drops) / len(pairs),
        "share_helped": sum(a < b for a, b in pairs) / len(pairs),
        "drop_when_hurt": np.mean(drops) if drops else math.nan,
    }


def reference_relabelling(answers, classes, without, method, threshold):
    """p of each class, and the number of hurt classes in each relabelling without the effect."""
    names = sorted(set(classes.values()))
    sizes = {name: sum(c == name for c in classes.values()) for name in names}
    runs = [*answers[without].values(), *answers[method].values()]
    before = len(answers[without])
    after = len(runs) - before
    right = {n: [round(accuracy(run, classes, n) * sizes[n]) for run in runs] for n in names}
    ways = list(itertools.combinations(range(len(runs)), after))
    reached, hurt_counts = dict.fromkeys(names, 0), []

    def difference(values, way):
        rest = [k for k in range(len(runs)) if k not in way]
        return np.mean([values[k] for k in way]) - np.mean([values[k] for k in rest])

    own = tuple(range(before, len(runs)))
    for way in ways:
        hurt = 0
        for name in names:
            values = right[name]
            reached[name] += bool(
                abs(difference(values, way)) >= abs(difference(values, own)) - 1e-9
            )
            taken = round(difference(values, own))
            level = [v - taken * (k in own) for k, v in enumerate(values)]
            rest = [k for k in range(len(runs)) if k not in way]
            losses = [level[a] > level[b] for a in rest for b in way]
            hurt += np.mean(losses) > threshold + 1e-9
        hurt_counts.append(hurt)
    return {name: reached[name] / len(ways) for name in names}, hurt_counts


def reference_intervals(answers, classes, name, without, method, replicates, seed):
    """The intervals of a class, resample by resample."""
    runs = [list(answers[m].values()) for m in (without, method)]
    weights = [
        generator(seed, f"class effects:runs:{label}").multinomial(
            len(side), np.full(len(side), 1 / len(side)), size=replicates
        )
        for label, side in zip((without, method), runs, strict=True)
    ]
    images = [image for image in runs[0][0] if classes[image] == name]
    copies = np.concatenate(list(resampling_counts(len(images), replicates, seed)))
    found = {"accuracy_without": [], "accuracy_with": [], "difference": [], "share_hurt": []}
    found["drop_when_hurt"] = []
    for replicate in range(replicates):
        drawn = [
            [run for run, count in zip(side, w[replicate], strict=True) for _ in range(count)]
            for side, w in zip(runs, weights, strict=True)
        ]
        means = [
            np.mean(
                [np.average([run[i] for i in images], weights=copies[replicate]) for run in side]
            )
            for side in drawn
        ]
        found["accuracy_without"].append(means[0])
        found["accuracy_with"].append(means[1])
        found["difference"].append(means[1] - means[0])
        pairs = [
            accuracy(a, classes, name) - accuracy(b, classes, name)
            for a in drawn[0]
            for b in drawn[1]
        ]
        drops = [loss for loss in pairs if loss > 1e-9]
        found["share_hurt"].append(len(drops) / len(pairs))
        found["drop_when_hurt"].append(np.mean(drops) if drops else math.nan)
    nothing = [math.nan, math.nan]
    known = {key: [value for value in v if not math.isnan(value)] for key, v in found.items()}
    return {key: np.quantile(v, [0.025, 0.975]) if v else nothing for key, v in known.items()}


def reference_iou(answers, without, first, second, shared):
    """Mean IoU of helped lists, and what chance gives."""
    wrong = {s: {i for i in run if not run[i]} for s, run in answers[without].items()}

    def lists(method):
        return [
            (s, (method, t), {i for i in run if run[i] and i in wrong[s]})
            for s in answers[without]
            for t, run in answers[method].items()
        ]

    pairs = (
        itertools.combinations(lists(first), 2)
        if first == second
        else itertools.product(lists(first), lists(second))
    )
    found, chances, count = [], [], 0
    for (s, t, a), (other_s, other_t, b) in pairs:
        kind = {(True, False): "without", (False, True): "with", (False, False): "none"}
        if shared not in ("any", kind[s == other_s, t == other_t]):
            continue
        count += 1
        if a | b:
            found.append(len(a & b) / len(a | b))
            both = len(a) * len(b) * len(wrong[s] & wrong[other_s])
            both = both / max(1, len(wrong[s]) * len(wrong[other_s]))
            chances.append(both / (len(a) + len(b) - both))
    return np.mean(found), np.mean(chances), count
