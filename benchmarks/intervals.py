"""How often do 95 % intervals hold the truth, and how wide are they? Prints JSON lines.

    python benchmarks/intervals.py [--part rows|metrics|paired|ranks] [--draws 2000]

- rows: means of normal, log-normal, bounded rows and of 0 and 1, at n = 16, 32, 64, 256 images;
- metrics: each metric of images whose embeddings follow a normal or a heavy-tailed law (t with
  4 degrees of freedom), in blocks of 32 with their neighbours, as in a sweep;
- paired: nine cells of two models with equal means and unequal shapes: how many families
  have a star, and how many cells are found where means differ.
- ranks: the rank correlation of a measure with accuracy over given models, and the models' ranks,
  where images share their difficulty; accuracies lie between 0.3 and 0.9, the spread of the
  measure over models is 1.5, 0.5 or 0.15 of its spread over images.

Width is the mean width in units of 2 · 1.96 standard errors of the value, as it really varies.
Bias is in units of the mean width.
"""

import argparse
import json

import numpy as np
import torch
from scipy import stats

from invariscope.metrics import METRICS, OrbitMetric
from invariscope.statistics.correlation import interval_over_images, spearman
from invariscope.statistics.estimates import estimate
from invariscope.statistics.intervals import REPLICATES, resampling_counts
from invariscope.statistics.paired import paired_differences
from invariscope.statistics.ranking import adjusted, rank_intervals, ranked

PARTS = ("rows", "metrics", "paired", "ranks")
SIZES = (16, 32, 64, 256)
LEVELS, UNITS, CLASSES = 4, 24, 4


def rows(draws: int) -> None:
    """Independent rows of weight 1."""
    rng = np.random.default_rng(0)
    laws = {
        "normal": (lambda s: rng.standard_normal(s), 0.0, "mean"),
        "log-normal": (lambda s: np.exp(rng.standard_normal(s)), np.exp(0.5), "mean"),
        "log-normal, sigma 0.5": (lambda s: np.exp(rng.normal(0, 0.5, s)), np.exp(0.125), "mean"),
        "beta(20, 1)": (lambda s: rng.beta(20, 1, s), 20 / 21, "mean"),
        "beta(9, 0.5)": (lambda s: rng.beta(9, 0.5, s), 9 / 9.5, "mean"),
        "1 - exponential": (lambda s: 1 - 0.1 * rng.exponential(size=s), 0.9, "mean"),
        "t, 5 degrees": (lambda s: rng.standard_t(5, s), 0.0, "mean"),
        "one in ten 5 times as large": (
            lambda s: rng.standard_normal(s) * np.where(rng.random(s) < 0.1, 5, 1),
            0.0,
            "mean",
        ),
    }
    for p in (0.5, 0.9, 0.97, 0.99):
        laws[f"share {p}"] = (lambda s, p=p: (rng.random(s) < p).astype(float), p, "share")
    for name, (draw, truth, kind) in laws.items():
        for n in SIZES:
            values = draw((n, draws))
            ceiling = 1.0 if name[0] in "b1s" else None
            floor = 0.0 if kind == "share" else None
            said = estimate(values, kind=kind, bounds=(floor, ceiling))
            report("rows", name, n, said, truth)


def metrics(draws: int, only: str = "") -> None:
    """Every metric of vectors and of orbits, at a layer of embeddings (or logits)."""
    for law in ("normal", "t4"):
        for name in sorted(METRICS.names()):
            metric = METRICS.get(name)
            if metric.kind not in ("vectors", "orbit") or only not in name:
                continue
            truth = float(np.mean([_value(metric, law, 1024, 99 + k) for k in range(60)]))
            for n in SIZES:
                parts = [_rows(metric, law, n, 1000 * n + k) for k in range(draws)]
                values = np.stack([part[0] for part in parts], 1)
                counted = [part[1] for part in parts if part[1] is not None]
                weights = np.stack(counted, 1) if counted else None
                classes = np.arange(n) % CLASSES if metric.needs == "classes" else None
                said = estimate(
                    values,
                    weights,
                    kind=metric.estimate,
                    neighbours=metric.paired,
                    classes=classes,
                    bounds=(metric.low, metric.high),
                )
                report("metrics", f"{name}, {law}", n, said, truth)


def _value(metric, law: str, n: int, seed: int) -> float:
    values, weights = _rows(metric, law, n, seed, block=n)
    weights = None if weights is None else weights[:, None]
    return float(estimate(values[:, None], weights, kind=metric.estimate).value[0])


def _rows(metric, law: str, n: int, seed: int, block: int = 32):
    """The rows of one cell (orbit metrics: the mean over elements), block by block."""
    generator = np.random.default_rng(seed)
    draw = generator.standard_normal if law == "normal" else lambda s: generator.standard_t(4, s)
    spread = np.linspace(1, 0.3, UNITS)
    labels = np.arange(n) % CLASSES  # as a stratified subset has them
    if metric.needs != "classes":
        labels = generator.integers(0, CLASSES, n)
    centres = np.random.default_rng(0).normal(size=(CLASSES, UNITS)) * 0.7
    z = draw((n, UNITS)) * spread + 0.4 + centres[labels]
    moved = z[None] + 0.6 * draw((LEVELS, n, UNITS)) * spread
    moved[0] = z
    values, weights = [], []
    for first in range(0, n, block):
        some = slice(first, first + block)
        reference, images = torch.from_numpy(z[some]), torch.from_numpy(moved[:, some])
        if isinstance(metric, OrbitMetric):
            value, weight = metric.evaluate(images)
        else:
            known = torch.from_numpy(labels[some])
            value, weight = metric.evaluate(
                reference, images[1:2], torch.arange(len(reference)).roll(-1), known
            )
        # One element of the orbit stands for all: cells are estimated one by one.
        values.append(value[-1].numpy())
        weights.append(None if weight is None else weight[-1].numpy())
    joined = None if weights[0] is None else np.concatenate(weights)
    return np.concatenate(values).astype(np.float32), joined


def paired(draws: int) -> None:
    """Nine cells whose differences have mean 0 and are skewed, or whose rows have other shapes.

    Power is the share of cells with p < 0.05 / 9 where B is 4.5 standard errors above or below A.
    """
    shapes = {
        "normal and normal": lambda r, s: (r.standard_normal(s), r.standard_normal(s)),
        "log-normal (0.8) and normal": lambda r, s: (
            r.lognormal(0, 0.8, s) - np.exp(0.32), r.standard_normal(s)
        ),
        "log-normal (1) and nothing": lambda r, s: (
            r.lognormal(0, 1, s) - np.exp(0.5), np.zeros(s)
        ),
        "log-normal (0.5) and nothing": lambda r, s: (
            r.lognormal(0, 0.5, s) - np.exp(0.125), np.zeros(s)
        ),
        "exponential and normal": lambda r, s: (r.exponential(size=s) - 1, r.standard_normal(s)),
        "beta(9, 0.5) and uniform": lambda r, s: (
            r.beta(9, 0.5, s) - 9 / 9.5, r.uniform(-0.05, 0.05, s)
        ),
        "uniform and nothing": lambda r, s: (r.uniform(-1, 1, s), np.zeros(s)),
        "t, 5 degrees, and normal": lambda r, s: (r.standard_t(5, s), r.standard_normal(s)),
        "one in ten 5 times as large": lambda r, s: (
            r.standard_normal(s) * np.where(r.random(s) < 0.1, 5, 1), np.zeros(s)
        ),
        "one in ten larger by 3": lambda r, s: (
            r.standard_normal(s) + 3 * ((r.random(s) < 0.1) - 0.1), np.zeros(s)
        ),
        "exponential in one of five": lambda r, s: (
            (r.random(s) < 0.2) * r.exponential(size=s) - 0.2, np.zeros(s)
        ),
        "shares of 0.9": lambda r, s: ((r.random(s) < 0.9) * 1.0, (r.random(s) < 0.9) * 1.0),
    }  # fmt: skip
    for name, shape in shapes.items():
        for n in SIZES:
            a, b = shape(np.random.default_rng(n), (n, 9 * draws))
            kind = "share" if name.startswith("shares") else "mean"
            numbers = paired_differences(a, None, b, None, kind=kind, seed=0)
            families = numbers["p_value"].reshape(draws, 9)
            stars = np.mean([(adjusted(p) < 0.05).any() for p in families])
            held = ((numbers["ci_low"] <= 0) & (numbers["ci_high"] >= 0)).mean()
            found = []
            for side in (1, -1) if kind == "mean" else ():
                shift = side * 4.5 * (b - a).std() / np.sqrt(n)
                p = paired_differences(a, None, b + shift, None, kind=kind, seed=0)["p_value"]
                found.append(round(float((p < 0.05 / 9).mean()), 4))
            print(json.dumps({"part": "paired", "law": name, "n": n, "stars": float(stars),
                              "coverage": float(held), "power": found}), flush=True)  # fmt: skip


def ranks(draws: int) -> None:
    """Intervals over images of Spearman's rho, and of ranks, for models whose numbers are known."""
    for models in (5, 10, 20):
        for n in (32, 64, 256):
            counts = np.concatenate(list(resampling_counts(n, REPLICATES, 0))) / n
            for rho in (0.0, 0.5, 0.9, 1.0):
                _ranks(models, counts, rho, draws)


def _ranks(models: int, counts: np.ndarray, wanted: float, draws: int) -> None:
    rng, held, width, plain, placed, places = np.random.default_rng(0), [], [], [], [], []
    (values, accuracy, rho), spread = _models(models, wanted, rng), 0.3
    for number in range(draws):
        if number % 10 == 0:
            values, accuracy, rho = _models(models, wanted, rng)
            spread = (0.3, 0.1, 0.03)[number // 10 % 3]
        shape = (counts.shape[1], models)
        common = rng.standard_normal((2, counts.shape[1], 1))
        measured = spread * values + 0.14 * (common[0] + rng.standard_normal(shape))
        easy = stats.norm.cdf(0.7 * common[1] + 0.714 * rng.standard_normal(shape))
        rows = measured, (easy < accuracy) * 1.0
        drawn = [(counts @ own).T for own in rows]
        low, high = interval_over_images(*(own.mean(axis=0) for own in rows), *drawn)
        ends = np.nanquantile(spearman(*drawn), [0.025, 0.975])
        if np.isfinite(low):
            held.append(low - 1e-9 <= rho <= high + 1e-9)
            plain.append(ends[0] - 1e-9 <= rho <= ends[1] + 1e-9)
            width.append(high - low)
        own = estimate(measured)
        first, last = rank_intervals(own.replicates(seed=0))
        true = ranked(values, method="min")
        placed.append(((first <= true) & (true <= last)).mean())
        places.append((last - first).mean())
    line = {
        "part": "ranks", "models": models, "n": counts.shape[1], "rho": wanted,
        "coverage": np.mean(held), "percentiles": np.mean(plain), "width": np.mean(width),
        "ranks": np.mean(placed), "places": np.mean(places),
    }  # fmt: skip
    print(json.dumps({k: round(float(v), 4) for k, v in line.items() if k != "part"}), flush=True)


def _models(models: int, rho: float, rng) -> tuple[np.ndarray, np.ndarray, float]:
    """Values, accuracies and their rank correlation, as near to rho as 300 draws come."""
    drawn = rng.standard_normal((300, 2, models))
    drawn[:, 1] = rho * drawn[:, 0] + np.sqrt(1 - rho**2) * drawn[:, 1]
    known = spearman(drawn[:, 0].T, drawn[:, 1].T)
    values, other = drawn[int(np.abs(known - rho).argmin())]
    values = (values - values.mean()) / values.std()
    accuracy = 0.3 + 0.6 * (ranked(other) - 0.5) / models
    return values, accuracy, float(spearman(values[:, None], accuracy[:, None])[0])


def report(part, law, n, said, truth) -> None:
    """Prints one line."""
    low, high = said.interval(seed=0)
    known = np.isfinite(said.value)
    true = 2 * 1.96 * said.value[known].std()
    held = ((low <= truth) & (truth <= high))[known]
    width = np.mean((high - low)[known])
    line = {
        "part": part, "law": law, "n": n, "coverage": float(held.mean()),
        "above": float((low[known] > truth).mean()), "below": float((high[known] < truth).mean()),
        "width": float(width / true), "bias": float((said.value[known].mean() - truth) / width),
    }  # fmt: skip
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}),
          flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--metrics", default="", help="only names that hold this")
    parser.add_argument("--draws", type=int, default=2000)
    given = parser.parse_args()
    for part in given.part or PARTS:
        if part == "metrics":
            metrics(given.draws, given.metrics)
        else:
            {"rows": rows, "paired": paired, "ranks": ranks}[part](given.draws)
