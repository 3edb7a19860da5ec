"""Paired comparison of two runs: what differs, cell by cell, on the images that both have seen.

For each metric, layer, transformation and level: the difference B − A of the two values over the
images that count in both, its 95 % interval (bootstrap over images; A and B are resampled
together), and a p-value. The test swaps A and B image by image at random (a sign-flip test for
means): if the models were alike, the labels A and B would not matter. Where neighbouring values
share an image, runs of consecutive images are swapped together, as the bootstrap draws them: image
by image, one test in six or seven of two equal models would come out below 0.05. With few images
there are few runs, so a small p is out of reach: 24 images are 8 runs, and p is at least 2 / 2**8.
p-values are corrected over the cells of each metric and layer by Benjamini and Hochberg; equal
cells are one cell there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.results.cells import cell_in, unit_beside
from invariscope.results.rows import Series
from invariscope.seeding import generator
from invariscope.statistics.intervals import (
    REPLICATES,
    Sums,
    bootstrap_replicates,
    divide,
    exact_sums,
    interval_run_length,
    percentile_interval,
)
from invariscope.statistics.ranking import adjusted

if TYPE_CHECKING:
    from invariscope.results.result import Result

SWAPS = 4999
_CHUNK_ELEMENTS = 1 << 18  # swaps × images held at a time
_COLUMNS = (
    "value_a", "value_b", "difference", "ci_low", "ci_high", "p_value", "p_adjusted", "n",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs.

    Attributes:
        frame: One row per metric, transformation, level and layer that both have: magnitude, unit,
            value_a, value_b, difference (B - A), ci_low, ci_high, p_value, p_adjusted, n.
        names: Model and data of A and of B.
        notes: What could not be compared.
    """

    frame: pd.DataFrame
    names: tuple[str, str]
    notes: list[str] = field(default_factory=list)

    def to_text(self) -> str:
        """A table of 80 columns: the first metric at its headline layer, then the notes."""
        lines = [f"A: {self.names[0]}", f"B: {self.names[1]}", ""]
        metric = self.frame["metric"].iloc[0]
        frame = self.frame[self.frame["metric"] == metric]
        layers = list(dict.fromkeys(frame["layer"]))
        layer = "embedding" if "embedding" in layers else layers[-1]
        frame = frame[frame["layer"] == layer]
        n, frame = frame["n"].max(), frame[frame["level"] > 0]
        lines += [f"{metric} at the {layer}, n = {n}", ""]
        lines += [f"{'transformation':17}{'level':>5}{'A':>8}{'B':>8}  {'B - A, 95 %':22}{'p':>9}"]
        for row in frame.itertuples():
            middle, low, high = (
                _short(number, "+") for number in (row.difference, row.ci_low, row.ci_high)
            )
            interval = f"{middle} [{low}, {high}]"
            star = " *" if row.p_adjusted < 0.05 else ""
            values = f"{_short(row.value_a):>8}{_short(row.value_b):>8}"
            lines.append(
                f"{row.transformation:17}{row.level:5d}{values}  "
                f"{interval:22}{row.p_adjusted:9.4f}{star}"
            )
        lines += ["", "p is corrected for the number of cells; * below 0.05"]
        return "\n".join(lines + [f"note: {note}" for note in self.notes])


def _short(number: Any, sign: str = "") -> str:
    """Three decimals, none from 100 on: a metric without a lower end must not break the table."""
    return f"{number:{sign}.{3 if abs(number) < 99.9995 or number != number else 0}f}"


def compare(a: "Result", b: "Result") -> Comparison:
    """Compares two runs on the images that both have seen.

    Raises:
        InputError: Fewer than two common images, or no common cell, metric or layer.
    """
    images, notes = _common_images(a, b)
    cells = _common_cells(a, b, notes)
    places = {
        run: [place for place, image in enumerate(run.store.images) if image in images]
        for run in (a, b)
    }
    # B's images in A's order, so that row i is the same image in both.
    order = {image: place for place, image in enumerate(b.store.images)}
    places[b] = [order[a.store.images[place]] for place in places[a]]
    parts = []
    for layer in [name for name in a.store.layers() if name in b.store.layers()]:
        others = {s.metric: s for s in b.store.dense(layer) if s.control == ""}
        for series in a.store.dense(layer):
            if series.control == "" and series.metric in others:
                pair = (series, others[series.metric])
                parts.append(
                    _compare_series(pair, (places[a], places[b]), cells, layer, a.manifest)
                )
    parts = [part for part in parts if len(part)]
    if not parts:
        raise InputError(
            "the two runs have no metric, layer and cell in common: measure both with the same "
            "metrics, transformations and layers (embedding and logits always belong to them)"
        )
    missing = set(a.store.layers()) ^ set(b.store.layers())
    if missing:
        notes.append(f"layers of one run only are left out: {len(missing)}")
    frame = pd.concat(parts, ignore_index=True)
    metrics = {name: place for place, name in enumerate(dict.fromkeys(frame["metric"]))}
    frame = frame.iloc[frame["metric"].map(metrics).argsort(kind="stable")].reset_index(drop=True)
    names = [
        f"{run.manifest['settings']['model']} on {run.manifest['settings']['data']}"
        for run in (a, b)
    ]
    return Comparison(frame, (names[0], names[1]), notes)


def _common_images(a: "Result", b: "Result") -> tuple[set[str], list[str]]:
    common = set(a.store.images) & set(b.store.images)
    one, other = (run.manifest["settings"] for run in (a, b))
    if one["data"] != other["data"]:
        raise InputError(
            f"the runs are on different data ({one['data']} and {other['data']}): measure both "
            "models on the same images"
        )
    if len(common) < 2:
        raise InputError(
            f"the runs share {len(common)} images: measure both with the same --data, --num-images "
            "and --seed"
        )
    notes = []
    left = max(len(a.store.images), len(b.store.images)) - len(common)
    if left:
        notes.append(f"compared on the {len(common)} images that both runs have")
    if one["seed"] != other["seed"]:
        notes.append("the seeds differ: directions drawn per image are not the same in both runs")
    # These change the transformed images themselves, under the same names of cells.
    for key in ("border", "fill", "interpolation"):
        if one.get(key) != other.get(key):
            notes.append(f"{key} differs: {one.get(key)} in A, {other.get(key)} in B")
    return common, notes


def _common_cells(a: "Result", b: "Result", notes: list[str]) -> list[dict[str, Any]]:
    """Entries that both runs have with the same magnitude; each knows its cell in A and in B."""
    theirs = {(e["transformation"], e["level"]): e for e in b.manifest["settings"]["cells"]}
    entries, left = [], 0
    for entry in a.manifest["settings"]["cells"]:
        other = theirs.get((entry["transformation"], entry["level"]))
        if other is None or other["cell"] != entry["cell"]:
            left += 1
            continue
        entries.append(entry)
    if left:
        notes.append(f"{left} levels are left out: the other run has none of that magnitude")
    return entries


def _compare_series(
    pair: tuple[Series, Series],
    places: tuple[list[int], list[int]],
    entries: list[dict[str, Any]],
    layer: str,
    manifest: dict[str, Any],
) -> pd.DataFrame:
    a = pair[0]
    column = [{cell: k for k, cell in enumerate(series.cells)} for series in pair]
    cells = [cell for cell in a.cells if cell in column[1]]
    places_of = [(entry, cell_in(entry, cells)) for entry in entries]
    wanted = list(dict.fromkeys(cell for _, cell in places_of if cell is not None))
    if not wanted:
        return pd.DataFrame()
    taken = []
    for series, rows, columns in zip(pair, places, column, strict=True):
        picked = np.ix_(rows, [columns[cell] for cell in wanted])
        weights = None if series.weights is None else series.weights[picked]
        taken.append((series.values[picked], weights))
    paired = manifest["metrics"].get(a.metric, {}).get("paired", False)
    numbers = compare_values(
        *taken[0],
        *taken[1],
        run_length=interval_run_length(len(places[0]), paired),
        seed=manifest["settings"]["seed"],
    )
    rows = []
    for entry, cell in places_of:
        if cell is not None:
            k = wanted.index(cell)
            row = {
                "metric": a.metric,
                **{key: entry[key] for key in ("transformation", "level", "magnitude")},
                "unit": unit_beside(entry, manifest["metrics"].get(a.metric, {})),
                "layer": layer,
            }
            rows.append(row | {key: numbers[key][k] for key in _COLUMNS})
    frame = pd.DataFrame(rows)
    return frame[frame["n"] > 0]


def compare_values(
    values_a: np.ndarray,
    weights_a: np.ndarray | None,
    values_b: np.ndarray,
    weights_b: np.ndarray | None,
    *,
    run_length: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Differences B − A of each cell, with interval and p-values.

    Args:
        values_a: [image, cell] of run A; what is not finite in A or B counts in neither.
        weights_a: [image, cell], or None for weights of 1.
        values_b: The same for B, image by image.
        weights_b: The same for B.
        run_length: Consecutive images drawn, and swapped, together.
        seed: Decides resamples and swaps.

    Returns:
        value_a, value_b, difference, ci_low, ci_high, p_value, p_adjusted, n; each [cell].
    """
    both = exact_sums(values_a, weights_a).counts & exact_sums(values_b, weights_b).counts
    values_a = np.where(both, values_a, np.nan)
    values_b = np.where(both, values_b, np.nan)
    a, b = exact_sums(values_a, weights_a), exact_sums(values_b, weights_b)
    value_a, value_b = a.value, b.value
    drawn = [
        bootstrap_replicates(sums, run_length=run_length, replicates=REPLICATES, seed=seed)
        for sums in (a, b)
    ]
    low, high = percentile_interval(drawn[1] - drawn[0])
    n = both.sum(axis=0)
    low[n < 2], high[n < 2] = np.nan, np.nan
    difference = value_b - value_a
    p = _swap_test(a, b, difference, run_length, seed)
    numbers = (value_a, value_b, difference, low, high, p, adjusted(p), n)
    return dict(zip(_COLUMNS, numbers, strict=True))


def _swap_test(a: Sums, b: Sums, difference: np.ndarray, run_length: int, seed: int) -> np.ndarray:
    """p-values [cell]: how often swapping A and B run by run gives as large a difference."""
    reached, swaps = np.zeros(len(difference)), 0
    # Equal up to rounding is as large: a swap of two equal images changes nothing. Rounding is that
    # of the largest of the numbers that are added.
    dust = 2.0**-40 * np.maximum(_size(a), _size(b))
    for swap in _swaps(len(a.numerators), run_length, seed):
        swaps += len(swap)
        moved = [swap @ (y - x) for x, y in (
            (a.numerators, b.numerators), (a.denominators, b.denominators)
        )]  # fmt: skip
        left = divide(a.numerators.sum(0) + moved[0], a.denominators.sum(0) + moved[1])
        right = divide(b.numerators.sum(0) - moved[0], b.denominators.sum(0) - moved[1])
        reached += (np.abs(right - left) >= np.abs(difference) - dust).sum(axis=0)
    return np.where(np.isfinite(difference), reached / swaps, np.nan)


def _size(sums: Sums) -> np.ndarray:
    """The mean of |value| of each cell, weighted as the value is; 0 where no image counts."""
    mean = divide(np.abs(sums.numerators).sum(axis=0), sums.denominators.sum(axis=0))
    return np.nan_to_num(mean)


def _swaps(images: int, run_length: int, seed: int) -> Iterator[np.ndarray]:
    """Which images are swapped, [swap, image] of 0 and 1, in chunks.

    All possibilities where they are few, so that p is exact; else the data as they are, which count
    as one of the swaps, and random ones.
    """
    runs = -(-images // run_length)
    run = np.arange(images) // run_length
    if 2**runs <= SWAPS + 1:
        codes = np.arange(2**runs)[:, None] >> np.arange(runs)
        yield (codes & 1).astype(np.float64)[:, run]
        return
    yield np.zeros((1, images))
    draw = generator(seed, "comparison:swap")
    size = max(1, _CHUNK_ELEMENTS // images)
    for first in range(0, SWAPS, size):
        swap = draw.integers(0, 2, size=(min(size, SWAPS - first), runs))
        yield swap.astype(np.float64)[:, run]
