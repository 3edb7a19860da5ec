"""What ``--precision`` saves, and whether its intervals hold at the stop, on real photographs.

    python benchmarks/precision.py                    # about 15 minutes on two quiet cores

The images are crops of the wallpapers of `invariscope.data.backgrounds` (Debian packages), each of
another place and size, shown to the built-in network. Printed as JSON lines:

- saved: the forward passes of a run with ``precision``, in which each cell stops by itself, against
  the smallest number of images, in whole blocks, that gives every cell an interval as short: the
  interval of a number fixed beforehand, and the confidence sequence that the run has.
- stopped: the same in many orders of the images, drawn anew with replacement: in how many cells
  the interval at the stop holds the value of all images, for the sequence and for the interval of a
  fixed number of images, and the passes saved.
- shares: independent rows of 0 and 1, stopped as a run stops.
"""

import argparse
import json
import time

import numpy as np
import torch

import invariscope
from invariscope.data.backgrounds import crop_background, installed_backgrounds
from invariscope.metrics import METRICS
from invariscope.models import load_model
from invariscope.runs.batches import Batches
from invariscope.statistics.estimates import estimate
from invariscope.sweep.plan import BLOCK_SIZE, make_plan
from invariscope.sweep.stopping import is_time_to_look
from invariscope.transformations import get_transformations

MODEL = "builtin:efficientnet-lite0"


def photographs(count: int, side: int) -> np.ndarray:
    """Crops, uint8 [image, side, side, 3]."""
    installed, missing = installed_backgrounds()
    if missing:
        raise SystemExit(f"apt-get install {' '.join(missing)}")
    rng = np.random.default_rng(0)
    crops = []
    for number in range(count):
        background = installed[number % len(installed)]
        x, y = rng.random(2)
        crops.append(crop_background(background, side, rng.uniform(0.2, 1), x, y).convert("RGB"))
    return np.stack([np.asarray(crop) for crop in crops])


def fixed_number(values: np.ndarray, about, precision: float, anytime: bool) -> int | None:
    """The smallest number of images, in whole blocks, that makes every interval short enough."""
    for n in range(BLOCK_SIZE, len(values) + 1, BLOCK_SIZE):
        made = estimate(values[:n], kind=about.estimate, neighbours=about.paired)
        low, high = made.at_any_time(anytime).interval(seed=0)
        if np.nanmax(high - low) / 2 <= precision:
            return n
    return None


def saved(images: np.ndarray, side: int, metric: str, precision: float, rows: np.ndarray) -> None:
    """One run with precision, and what it would cost at a fixed number of images."""
    started = time.perf_counter()
    result = invariscope.measure(
        MODEL, images, metrics=metric, layers="last", twin=False, floor=False,
        preprocessing={"size": side}, precision=precision,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    passes, cells = result.manifest["execution"]["forward_passes"], rows.shape[1]
    at = result.frame[(result.frame.layer == "embedding") & result.frame["class"].isna()]
    about = METRICS.get(metric)
    fixed = fixed_number(rows, about, precision, False)
    together = fixed_number(rows, about, precision, True)
    report(
        "saved", metric=metric, precision=precision, cells=cells, passes=passes, seconds=seconds,
        images=result.manifest["images"]["used"],
        widest=float(((at.ci_high - at.ci_low) / 2).max()),
        fixed_images=fixed, fixed_ratio=fixed and fixed * cells / passes,
        together_images=together, together_ratio=together and together * cells / passes,
    )  # fmt: skip


def embeddings(images: np.ndarray, side: int) -> torch.Tensor:
    """The embedding of every image in every cell [cell, image, element], the identity first."""
    probe = load_model(MODEL, preprocessing={"size": side})
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    probe.watch("last", pixels[:1])
    plan = make_plan(get_transformations(None), twin=False, floor=False)
    ids, batches = [str(k) for k in range(len(images))], Batches(64, print)
    return torch.stack([
        batches.forward(probe, cell(pixels, 0, ids), ["embedding"])["embedding"]
        for cell in plan.cells
    ])  # fmt: skip


def stopped(vectors: torch.Tensor, metric: str, precision: float, orders: int) -> None:
    """Stops cells in many orders of the images."""
    about = METRICS.get(metric)
    cells, images, _ = vectors.shape
    blocks = images // BLOCK_SIZE
    times = [count for count in range(1, blocks + 1) if is_time_to_look(count)]
    truth = rows_of(vectors, about, torch.arange(images)).mean(axis=0)
    rng, held, fixed_held, ratios, togethers = np.random.default_rng(0), [], [], [], []
    for _ in range(orders):
        parts = [torch.from_numpy(rng.permutation(images)[:BLOCK_SIZE]) for _ in range(blocks)]
        values = np.concatenate([rows_of(vectors, about, part) for part in parts])
        n = np.full(cells, blocks * BLOCK_SIZE)
        inside = np.zeros((2, cells), bool)
        going = np.arange(1, cells)
        for count in times:
            made = estimate(
                values[: count * BLOCK_SIZE, going], kind=about.estimate, neighbours=about.paired
            )
            ends = [made.at_any_time(anytime).interval(seed=0) for anytime in (True, False)]
            for kind, (low, high) in enumerate(ends):
                inside[kind, going] = (low <= truth[going]) & (truth[going] <= high)
            enough = (ends[0][1] - ends[0][0]) / 2 <= precision
            n[going[enough]] = count * BLOCK_SIZE
            going = going[~enough]
        held.append(inside[0, 1:])
        fixed_held.append(inside[1, 1:])
        passes = n[1:].sum() + n.max()
        needed = fixed_number(values, about, precision, False)
        ratios.append(np.nan if needed is None else needed * cells / passes)
        togethers.append(n.max() * cells / passes)
    report(
        "stopped", metric=metric, precision=precision, orders=orders, cells=cells,
        coverage=float(np.mean(held)), least_of_a_cell=float(np.mean(held, axis=0).min()),
        coverage_of_fixed_intervals=float(np.mean(fixed_held)),
        fixed_ratio=float(np.nanmedian(ratios)), together_ratio=float(np.median(togethers)),
    )  # fmt: skip


def rows_of(vectors: torch.Tensor, about, chosen: torch.Tensor) -> np.ndarray:
    """The rows of some images as one block [image, cell]."""
    part = vectors[:, chosen]
    values, _ = about.evaluate(part[0], part, torch.arange(len(chosen)).roll(-1), None)
    return values.numpy().T


def shares(draws: int) -> None:
    """Coverage of shares at the stop."""
    for p in (0.5, 0.9, 0.95, 0.99):
        for precision in (0.1, 0.05, 0.02):
            rng = np.random.default_rng(0)
            values = (rng.random((4096, draws)) < p).astype(float)
            inside, going = np.zeros(draws, bool), np.ones(draws, bool)
            for count in [blocks for blocks in range(1, 129) if is_time_to_look(blocks)]:
                made = estimate(values[: count * BLOCK_SIZE, going], kind="share", bounds=(0, 1))
                low, high = made.at_any_time().interval(seed=0)
                inside[going] = (low <= p) & (p <= high)
                going[np.flatnonzero(going)[(high - low) / 2 <= precision]] = False
            report("shares", p=p, precision=precision, coverage=float(inside.mean()))


def report(part: str, **numbers) -> None:
    """Prints one line."""
    print(json.dumps({"part": part, **numbers}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--metric", default="relative_invariance")
    parser.add_argument("--precision", type=float, default=0.04)
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--draws", type=int, default=1000)
    given = parser.parse_args()
    crops = photographs(given.images, given.side)
    seen = embeddings(crops, given.side)
    table = np.concatenate([
        rows_of(seen, METRICS.get(given.metric), part)
        for part in torch.arange(len(crops)).split(BLOCK_SIZE)
    ])  # fmt: skip
    saved(crops, given.side, given.metric, given.precision, table)
    stopped(seen, given.metric, given.precision, given.orders)
    shares(given.draws)
