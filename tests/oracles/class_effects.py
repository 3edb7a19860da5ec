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
    """p and chance of each class; the score of each way without the effect.

    Chance: how often it is hurt among the ways in which its mean is lower.
    """
    names = sorted(set(classes.values()))
    sizes = {name: sum(c == name for c in classes.values()) for name in names}
    runs = [*answers[without].values(), *answers[method].values()]
    before = len(answers[without])
    after = len(runs) - before
    right = {n: [round(accuracy(run, classes, n) * sizes[n]) for run in runs] for n in names}
    ways = list(itertools.combinations(range(len(runs)), after))
    own = tuple(range(before, len(runs)))

    def sides(values, way):
        return [values[k] for k in range(len(runs)) if k not in way], [values[k] for k in way]

    def difference(values, way):
        rest, chosen = sides(values, way)
        return np.mean(chosen) - np.mean(rest)

    def hurt(values, way):
        rest, chosen = sides(values, way)
        return np.mean([a > b for a in rest for b in chosen]) > threshold + 1e-9

    def lower(values, way):
        return difference(values, way) < -1e-9

    def chances(right):
        found = {}
        for name in names:
            among = [hurt(right[name], way) for way in ways if lower(right[name], way)]
            found[name] = np.mean(among) if among else 0.0
        return found

    def score(right, way, chance):
        chosen = [name for name in names if lower(right[name], way)]
        spread = math.sqrt(sum(chance[n] * (1 - chance[n]) for n in chosen))
        count = sum(bool(hurt(right[n], way)) for n in chosen)
        return (count - sum(chance[n] for n in chosen)) / spread if spread else 0.0

    size = {n: abs(difference(right[n], own)) for n in names}
    p = {
        n: np.mean([abs(difference(right[n], way)) >= size[n] - 1e-9 for way in ways])
        for n in names
    }
    level = {
        n: [v - round(difference(right[n], own)) * (k in own) for k, v in enumerate(right[n])]
        for n in names
    }
    chance = chances(right)
    level_chance = chances(level)
    scores = [score(level, way, level_chance) for way in ways]
    return {"p": p, "chance": chance, "scores": scores, "own": score(right, own, chance)}


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
