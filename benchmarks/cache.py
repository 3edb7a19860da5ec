"""What ``--cache`` saves: a sweep, and the same sweep with another metric and wider intervals.

    python benchmarks/cache.py                        # about ten minutes on two quiet cores

13 families of 10 levels at the embedding and the logits of a resnet18 (random weights, since only
the time counts). In each round, one after the other in this process: the sweep without a cache, the
sweep that fills a new cache, and two runs that find all of it there: the same metrics, and others.
Printed as one line of JSON: forward passes, minima over the rounds in seconds, their ratios, the
size of the cache, and whether the rows of the runs with and without a cache are equal.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import invariscope

METRICS = "relative_invariance,mean_relative_invariance,prediction_consistency"


def measured(images: np.ndarray, model: str, side: int, **how):
    """A run, and its seconds."""
    started = time.perf_counter()
    result = invariscope.measure(
        model, images, layers="last", preprocessing={"size": side, "resize": side}, **how
    )
    return result, time.perf_counter() - started


def one_round(images: np.ndarray, model: str, side: int) -> dict:
    """Seconds and passes of each run, and whether their rows are equal."""
    with tempfile.TemporaryDirectory() as folder:
        plain, without = measured(images, model, side, metrics=METRICS)
        first, filling = measured(images, model, side, metrics=METRICS, cache=folder)
        again, same = measured(images, model, side, metrics=METRICS, cache=folder)
        other, others = measured(
            images, model, side, metrics="mean_relative_invariance", precision=1.0, cache=folder
        )
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.arrow"))
    return {
        "seconds": {"without": without, "filling": filling, "again": same, "others": others},
        "passes": [
            run.manifest["execution"]["forward_passes"] for run in (plain, first, again, other)
        ],
        "megabytes": size / 1e6,
        "equal": plain.rows.equals(first.rows) and plain.rows.equals(again.rows),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="timm:resnet18+untrained")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    shape = (given.images, given.side, given.side, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    rounds = [one_round(pictures, given.model, given.side) for _ in range(given.rounds)]
    least = {name: min(r["seconds"][name] for r in rounds) for name in rounds[0]["seconds"]}
    ratios = {name: least[name] / least["without"] for name in ("filling", "again", "others")}
    print(json.dumps({
        "model": given.model, "images": given.images, "side": given.side, "rounds": given.rounds,
        "threads": torch.get_num_threads(), "passes": rounds[0]["passes"], "seconds": least,
        "ratio_to_without": ratios, "megabytes": rounds[0]["megabytes"],
        "equal": all(r["equal"] for r in rounds),
    }))  # fmt: skip
