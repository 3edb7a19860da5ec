"""Several runs with planted numbers, and rank correlation one order and one resample at a time."""

import itertools
import math

import numpy as np

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
    drawn = []
    for chosen in reference_draws(images, seed):
        averages = [
            value + wider * math.fsum(moved[image] for image in chosen)
            for value, moved, wider in models
        ]
        accuracies = [float(np.mean(own[chosen])) for own in right]
        drawn.append(reference_spearman(averages, accuracies))
    drawn = [number for number in drawn if not math.isnan(number)]
    return reference_quantile(drawn, 0.025), reference_quantile(drawn, 0.975)
