"""Several runs with planted numbers, and rank correlation one order and one resample at a time."""

import itertools
import math

import numpy as np
from scipy import stats

from invariscope.metrics import METRICS as known
from invariscope.results import Result, RowBuilder, RowStore
from oracles.averages import reference_average, reference_average_contributions
from oracles.intervals import reference_draws, reference_error, reference_quantile
from oracles.runs import manifest_of

LAYERS = {"a": ("Early", 0.0), "embedding": ("Pool", 0.9), "logits": ("Final", 1.0)}
CELLS = ("rotate=10", "rotate=20", "shear_x=10", "shear_x=20")
METRICS = ("relative_invariance", "mean_relative_invariance")


def numbers_of(strength, images=12, seed=0, noise=0.05):
    """{(layer, metric, cell): (values, weights)}: around `strength`, the noise that of the seed."""
    rng = np.random.default_rng(seed)
    found = {}
    for layer in LAYERS:
        for metric in METRICS:
            for cell in ("identity", *CELLS):
                values = strength + noise * rng.standard_normal(images)
                weights = np.ones(images)
                if metric == "mean_relative_invariance":
                    weights = rng.uniform(0.5, 2, images)
                values = np.ones(images) if cell == "identity" else values
                found[layer, metric, cell] = values.astype(np.float32), weights.astype(np.float32)
    return found


def run_of(
    strength, model="toy", *, correct=None, images=12, seed=0, noise=0.05, order=None, direction=""
):
    """A run whose metrics lie around `strength`; `correct` images are classified rightly."""
    numbers = numbers_of(strength, images, seed, noise)
    names = [f"image-{number:03}" for number in range(images)]
    order = np.arange(images) if order is None else np.asarray(order)
    rows = RowBuilder([names[k] for k in order], [0] * len(order))
    for (layer, metric, cell), (values, weights) in numbers.items():
        rows.add(
            cell=cell, layer=layer, metric=metric, control="", values=values[order],
            weights=weights[order],
        )  # fmt: skip
    metrics: list[str] = list(METRICS)
    if correct is not None:
        right = (np.arange(images) < correct).astype(np.float32)[order]
        rows.add(
            cell="identity", layer="logits", metric="accuracy", control="", values=right,
            weights=np.ones(len(order), np.float32),
        )  # fmt: skip
        rows.add(
            cell="rotate=10", layer="logits", metric="accuracy", control="", values=right * 0,
            weights=np.ones(len(order), np.float32),
        )  # fmt: skip
        metrics.append("accuracy")
    manifest = manifest_of(len(order), model=model)
    manifest["metrics"] = {name: known.get(name).as_dict() for name in metrics}
    manifest["settings"]["metrics"] = metrics
    manifest["settings"]["layers"] = [
        {"name": name, "part": part, "depth": depth} for name, (part, depth) in LAYERS.items()
    ]
    if direction:
        for about in manifest["metrics"].values():
            about["direction"] = direction
    return Result(manifest, RowStore([rows.table()]))


def places_of(numbers, metric, layers, names):
    """The cells as `reference_average` wants them."""
    return [
        [
            [numbers[layer, metric, cell] for cell in CELLS if cell.startswith(f"{name}=")]
            for name in names
        ]
        for layer in layers
    ]


def reference_ranks(numbers):
    """Average ranks from 1."""
    return [
        sum(other < number for other in numbers)
        + (sum(other == number for other in numbers) + 1) / 2
        for number in numbers
    ]


def reference_spearman(one, other):
    """Pearson's correlation of the ranks; NaN where all are tied."""
    a, b = reference_ranks(list(one)), reference_ranks(list(other))
    mean = (len(a) + 1) / 2
    above = math.fsum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    below = math.fsum((x - mean) ** 2 for x in a) * math.fsum((y - mean) ** 2 for y in b)
    return above / math.sqrt(below) if below else math.nan


def reference_permutation_p(one, other):
    """Two-sided p over every order."""
    observed = abs(reference_spearman(one, other))
    orders = list(itertools.permutations(one))
    reached = sum(abs(reference_spearman(order, other)) >= observed - 1e-12 for order in orders)
    return reached / len(orders)


def reference_rank_interval(places, right, *, kind, neighbours, seed):
    """Interval of rho of averages (`places` for each model) with accuracies (`right`: [image])."""
    images = len(right[0])
    models = []
    for own in places:
        moved = reference_average_contributions(own, kind)
        wider = reference_error(moved, neighbours) / reference_error(moved)
        models.append((reference_average(own, list(range(images))), moved, wider))
    values, known = [value for value, _, _ in models], [float(own.mean()) for own in right]
    rho, drawn, noise = reference_spearman(values, known), [], []
    for chosen in reference_draws(images, seed):
        averages = [
            value + wider * math.fsum(moved[image] for image in chosen)
            for value, moved, wider in models
        ]
        accuracies = [float(np.mean(own[chosen])) for own in right]
        drawn.append(reference_spearman(averages, accuracies))
        pairs = ((averages, values), (accuracies, known))
        noise.append([[x - y for x, y in zip(*pair, strict=True)] for pair in pairs])
    drawn = [number for number in drawn if not math.isnan(number)]
    turned = [[one, [-x for x in other]] for one, other in noise]
    return (
        min(
            reference_quantile(drawn, 0.025),
            -reference_farthest(values, [-x for x in known], turned, -rho),
        ),
        max(reference_quantile(drawn, 0.975), reference_farthest(values, known, noise, rho)),
    )


def reference_isotonic(numbers):
    """The nearest numbers that do not fall, by the formula of least upper means."""
    count = len(numbers)
    return [
        max(min(np.mean(numbers[i : j + 1]) for j in range(k, count)) for i in range(k + 1))
        for k in range(count)
    ]


def reference_farthest(values, others, noise, rho):
    """The largest rho on the line to perfect order that gives the observed one in over 0.5 %."""
    models, sides = len(values), (values, others)
    errors = [np.sqrt(np.mean([[x * x for x in own[side]] for own in noise])) for side in (0, 1)]
    sums = [x / errors[0] + y / errors[1] for x, y in zip(values, others, strict=True)]
    order = sorted(range(models), key=lambda k: sums[k])
    goals, away = [], 0.0
    for side, numbers in enumerate(sides):
        goal = [0.0] * models
        for place, (k, number) in enumerate(
            zip(order, reference_isotonic([numbers[k] for k in order]), strict=True)
        ):
            goal[k] = number + 1e-6 * errors[side] * place
        moves = [x - y for x, y in zip(goal, numbers, strict=True)]
        for k in range(models):
            variance = np.mean([(own[side][k] - np.mean(own[side])) ** 2 for own in noise])
            away += (moves[k] - np.mean(moves)) ** 2 / variance
        goals.append(moves)
    reach = min(1, math.sqrt(stats.chi2.ppf(0.95, 2 * (models - 1)) / away))
    farthest = rho
    for step in range(1, 9):
        moved = [
            [x + reach * step / 8 * move for x, move in zip(numbers, moves, strict=True)]
            for numbers, moves in zip(sides, goals, strict=True)
        ]
        seen = [
            reference_spearman(*([x + y for x, y in zip(*pair, strict=True)]
                                 for pair in zip(moved, own, strict=True)))
            for own in noise[:500]
        ]  # fmt: skip
        if sum(number <= rho + 1e-9 for number in seen) / 500 > 0.005:
            farthest = max(farthest, reference_spearman(*moved))
    return farthest
