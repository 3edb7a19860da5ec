"""Compares the images that methods help: intersection over union (paper 000 App. B).

The helped list of a pair of runs, s without the augmentation and t with it, is the images that s
gets wrong and t gets right. Two lists agree by |A ∩ B| / |A ∪ B|, in [0, 1]; 1: the same images, 0:
none in common; undefined where both are empty. Five seeds on each side give 25 lists for a method.

- Within a method: the mean over all pairs of two different lists; across methods: over all pairs of
  a list of one and a list of the other. `shared` = "any".
- Lists that share a run are alike for that alone, and within a method more pairs share one than
  across. So the mean is also taken over pairs that share the run without the augmentation and
  nothing else ("without"), the run with it and nothing else ("with"; only within a method), and
  over pairs that share no run ("none"): "without" and "none" compare within and across on equal
  terms. "any" is the mean of these, each weighing as it has pairs.
- `chance`: the same mean if each list were drawn at random from the images that its run without the
  augmentation gets wrong (with the expected size of the intersection in place of its size).

95 % intervals resample runs and images; a list makes no pair with its own copy.

The text of the paper says no more than that lists are compared by their IoU, and its code is not
public: which pairs its means are over is our reading.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from invariscope.effects.correctness import Correctness
from invariscope.seeding import generator
from invariscope.statistics.intervals import divide, percentile_interval

SHARED = ("any", "without", "with", "none")
_REPLICATES = 500


def helped_samples(
    answers: Correctness, without: str, methods: Sequence[str], seed: int
) -> pd.DataFrame:
    """Measures how alike the lists of helped images are, within and across methods.

    Args:
        answers: The right and wrong answers of all runs.
        without: The method without the augmentation.
        methods: Those with one.
        seed: Decides the resamples.

    Returns:
        One row per two methods (`method_a`, `method_b`, which may be the same) and `shared`, with
        ``iou``, ``iou_low``, ``iou_high``, ``chance`` (0 to 1) and ``n_pairs`` of lists.
    """
    lists = _Lists(answers, without, methods)
    draw = generator(seed, "helped samples")
    iou, chance = lists.ious(lists.copies)
    ones = np.ones(len(lists.before))
    values = lists.means(iou, ones, np.ones(lists.runs))
    expected = lists.means(chance, ones, np.ones(lists.runs))
    images = int(lists.copies.sum())
    drawn = np.empty((len(values), _REPLICATES))
    for replicate in range(_REPLICATES):
        copies = draw.multinomial(images, lists.copies / images)
        base = _resampled(draw, [len(ones)])
        after = _resampled(draw, [len(answers.seeds[method]) for method in methods])
        drawn[:, replicate] = lists.means(lists.ious(copies)[0], base, after)
    rows = [(a, b, kind) for a, b in lists.pairs for kind in SHARED]
    frame = pd.DataFrame(rows, columns=pd.Index(["method_a", "method_b", "shared"]))
    frame["iou"] = values
    frame["iou_low"], frame["iou_high"] = percentile_interval(drawn)
    counts = lists.groups.sum(axis=2)
    frame["chance"] = expected
    frame["n_pairs"] = np.concatenate([counts.sum(axis=1)[:, None], counts], axis=1).ravel()
    return frame[frame["n_pairs"] > 0].reset_index(drop=True)


def _resampled(draw: np.random.Generator, sizes: Sequence[int]) -> np.ndarray:
    """Draws how often each run counts, as many runs of each method as it has."""
    return np.concatenate([draw.multinomial(size, np.full(size, 1 / size)) for size in sizes])


class _Lists:
    """The helped lists of all methods, and the pairs of them.

    Images that all runs answer alike are kept once, with their number: `copies`.
    """

    def __init__(self, answers: Correctness, without: str, methods: Sequence[str]):
        stacked = np.concatenate([answers.correct[name] for name in (without, *methods)])
        packed = np.packbits(stacked, axis=0)
        _, first, self.copies = np.unique(packed, axis=1, return_index=True, return_counts=True)
        before = len(answers.seeds[without])
        right = stacked[before:, first]
        self.before = ~stacked[:before, first]
        self.runs = len(right)
        #: Run without, run with, and method of each list.
        self.base, self.run = np.divmod(np.arange(before * self.runs), self.runs)
        sizes = [len(answers.seeds[method]) for method in methods]
        method = np.repeat(np.arange(len(methods)), sizes)[self.run]
        order = np.argsort(method, kind="stable")
        self.base, self.run, method = self.base[order], self.run[order], method[order]
        self.lists = (self.before[self.base] & right[self.run]).astype(np.float64)
        self.first, self.second = np.triu_indices(len(self.lists), 1)
        self.same_base = self.base[self.first] == self.base[self.second]
        self.same_run = self.run[self.first] == self.run[self.second]
        shared = np.stack(
            [
                self.same_base & ~self.same_run,
                ~self.same_base & self.same_run,
                ~self.same_base & ~self.same_run,
            ]
        )
        of = {m: (method[self.first] == k, method[self.second] == k) for k, m in enumerate(methods)}
        self.pairs = list(itertools.combinations_with_replacement(methods, 2))
        #: Which pairs of lists belong to two methods and share what [two methods, shared, pair].
        self.groups = np.stack([(of[a][0] & of[b][1]) & shared for a, b in self.pairs])

    def ious(self, copies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """IoU of each pair of lists, and what chance gives; NaN where both are empty."""
        both = (self.lists * copies) @ self.lists.T
        sizes = np.diag(both)
        size_a, size_b = sizes[self.first], sizes[self.second]
        together = both[self.first, self.second]
        wrong = self.before.astype(np.float64)
        common = (wrong * copies) @ wrong.T
        base = np.diag(common)
        a, b = self.base[self.first], self.base[self.second]
        expected = np.nan_to_num(divide(size_a * size_b * common[a, b], base[a] * base[b]))
        both_sizes = size_a + size_b
        return divide(together, both_sizes - together), divide(expected, both_sizes - expected)

    def means(self, values: np.ndarray, base: np.ndarray, run: np.ndarray) -> np.ndarray:
        """The means of all rows, where runs count as often as they are drawn [row]."""
        weights = base[self.base[self.first]] * run[self.run[self.first]].astype(np.float64)
        # A run that both lists share counts once: it is one run.
        weights *= np.where(self.same_base, 1, base[self.base[self.second]])
        weights *= np.where(self.same_run, 1, run[self.run[self.second]])
        weights[np.isnan(values)] = 0.0
        held = self.groups * weights
        parts = divide(held @ np.nan_to_num(values), held.sum(axis=2))
        # Repeated runs make fewer pairs that share none; the mean of all keeps their proportions.
        counts = (self.groups & np.isfinite(values)).sum(axis=2)
        total = divide(np.where(counts > 0, counts * parts, 0.0).sum(axis=1), counts.sum(axis=1))
        return np.concatenate([total[:, None], parts], axis=1).ravel()
