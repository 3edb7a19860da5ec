"""Tests whether classes that are alike in WordNet vary alike (paper 000 §4.5, E.3).

For each pair of classes two numbers: how alike the classes are (`wup`, `path`, `lch`; see
`wordnet.py`), and how alike the ranks of their operations are:

- `rank_correlation`: Spearman's ρ between the two classes' values over all operations, in [-1, 1];
  1: the same order, 0: unrelated orders.
- `iou_25`, `iou_5`: intersection over union of the two sets of top operations, in [0, 1]; 1 where
  there are no more operations than that.

The statistic is Spearman's ρ of the one with the other over the pairs: above 0 where similar
classes have similar ranks, which is claim 000.c17.

- Pairs share classes, so they are not independent. p permutes the labels of the *classes* (Mantel's
  test): the share of orders of the classes with |ρ| as large or larger, over all K! orders where
  these are no more than asked for, else over random ones and the given order. Two-sided.
- The 95 % interval resamples classes, each pair counting as often as both its classes are drawn;
  a class makes no pair with its own copy. Ranks are formed anew in each resample.

Identities are controls and have no rank. `ranks="types"` is the paper's form: a type of operation
("rotate") ranks as its best level does, and the tops are sets of types.

Differences from the published code: it samples pairs of classes with replacement, a class with
itself included, and has neither test nor interval; its types include the identities.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from invariscope.effects.wordnet import MEASURES, WordNet
from invariscope.errors import InputError
from invariscope.seeding import generator
from invariscope.statistics.intervals import REPLICATES, percentile_interval

TOPS = (25, 5)
OUTCOMES = ("rank_correlation", *(f"iou_{top}" for top in TOPS))
FEWEST_CLASSES = 4
SIMILAR, DISSIMILAR = 0.75, 0.25
_KEYS = ("class", "operation", "kind", "families")
_UNEQUAL = 1e-9  # statistics closer than this are equal: sums in another order


@dataclass(frozen=True)
class Hierarchy:
    """Class similarity against similarity of ranks.

    Attributes:
        correlations: One row per outcome and measure: ``outcome`` (`rank_correlation`, `iou_25`,
            `iou_5`), ``measure`` (`wup`, `path`, `lch`), ``spearman``, ``ci_low``, ``ci_high``,
            ``p``, ``n_pairs``, ``n_classes``. NaN where one of the two is the same for all pairs.
        groups: One row per outcome: its mean over the pairs of similar (`wup` >= 0.75) and of
            dissimilar classes (<= 0.25), and their ``difference``, each with ``_low``, ``_high``
            and n. NaN where a group has no pair.
        pairs: One row per pair of classes: ``class_a``, ``class_b``, the three measures, the
            outcomes.
        synsets: The wnid of each class.
        left_out: Why a class is left out, by class.
    """

    correlations: pd.DataFrame
    groups: pd.DataFrame
    pairs: pd.DataFrame
    synsets: dict[str, str]
    left_out: dict[str, str]


def class_hierarchy(
    frame: pd.DataFrame,
    wordnet: WordNet,
    *,
    by: str = "relative_change",
    ranks: str = "operations",
    synsets: Mapping[str, str] | None = None,
    pairs: int = 10_000,
    permutations: int = 999,
    seed: int = 0,
) -> Hierarchy:
    """Correlates the similarity of classes with that of their operations' ranks.

    Args:
        frame: The table of factors: one row per ``class`` and ``operation`` with ``kind``,
            ``families`` and the column `by`. Class "" (all classes) is not used.
        wordnet: WordNet's nouns.
        by: What ranks the operations of a class: `relative_change`, `proportion_boosted`, ….
        ranks: "operations", or "types" of them.
        synsets: The wnid of a class by its name, where `wordnet.synset_of` would be wrong.
        pairs: At most so many pairs of classes; all, if there are no more, else a seeded sample.
        permutations: How many orders of the classes the test draws.
        seed: Decides the sampled pairs, the permutations and the resamples.

    Raises:
        InputError: A column is missing, a class has an operation twice, `ranks` is unknown, a
            number is not positive, or fewer than 4 classes have a synset and values.

    Example:
        >>> hierarchy = class_hierarchy(factors.frame, WordNet())  # doctest: +SKIP
        >>> hierarchy.correlations.loc[0, ["spearman", "p"]]  # doctest: +SKIP
    """
    if ranks not in ("operations", "types"):
        raise InputError(f"ranks {ranks!r}: operations or types work")
    if pairs < 1 or permutations < 1:
        raise InputError(f"pairs={pairs}, permutations={permutations}: give 1 or more of each")
    values, types = _values(frame, by)
    synsets_of, left_out = _synsets(values, wordnet, dict(synsets or {}))
    values = values.loc[list(synsets_of)]
    outcomes = _outcomes(values.to_numpy(), types if ranks == "types" else np.arange(len(types)))
    rows, columns = _sample(len(synsets_of), pairs, seed)
    classes, wnids = np.array(list(synsets_of), dtype=object), list(synsets_of.values())
    first, second = ([wnids[k] for k in side] for side in (rows, columns))
    likeness = np.stack([wordnet.similarity(first, second, measure) for measure in MEASURES])
    table = pd.DataFrame(
        {
            "class_a": classes[rows],
            "class_b": classes[columns],
            **dict(zip(MEASURES, likeness, strict=True)),
            **dict(zip(OUTCOMES, outcomes[:, rows, columns], strict=True)),
        }
    )
    p = _permutation_p(likeness, outcomes, rows, columns, permutations, seed)
    drawn = _Resampled(likeness, outcomes[:, rows, columns])
    drawn.draw(rows, columns, len(synsets_of), seed)
    correlations = drawn.correlations(p, len(synsets_of))
    return Hierarchy(correlations, drawn.groups(), table, synsets_of, left_out)


def _values(frame: pd.DataFrame, by: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Values [class, operation] without identities, and the number of each operation's type."""
    missing = [name for name in (*_KEYS, by) if name not in frame.columns]
    if missing:
        raise InputError(
            f"the table of factors has no column {missing[0]!r}: it has {', '.join(frame.columns)}"
        )
    frame = frame[(frame["class"] != "") & (frame["kind"] != "identity")]
    twice = frame[frame.duplicated(["class", "operation"])]
    if len(twice):
        row = twice.iloc[0]
        raise InputError(f"class {row['class']!r} has {row['operation']!r} twice: keep one row")
    operations = frame["operation"].drop_duplicates()
    wide = frame.pivot(index="class", columns="operation", values=by)
    families = frame.drop_duplicates("operation").set_index("operation")["families"]
    types, _ = pd.factorize(families.loc[operations.to_list()])
    return wide.reindex(columns=operations.to_list()).astype(float), types


def _synsets(
    values: pd.DataFrame, wordnet: WordNet, given: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Finds the wnid of each class that can be used, and says why the others cannot."""
    synsets: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for name, row in zip(map(str, values.index), values.to_numpy(), strict=True):
        wnid = given.get(name) or wordnet.synset_of(name)
        if wnid is None:
            left_out[name] = "no synset: it is no wnid, no class of ImageNet and no noun"
        elif not np.isfinite(row).all():
            left_out[name] = "an operation has no value for it"
        elif row.min() == row.max():
            left_out[name] = "its operations are all tied"
        else:
            synsets[name] = wnid
    if len(synsets) < FEWEST_CLASSES:
        named = "; ".join(f"{name!r}: {why}" for name, why in list(left_out.items())[:3])
        raise InputError(
            f"{len(synsets)} classes have a synset and values, {FEWEST_CLASSES} are needed"
            + (f" (left out: {named})" if named else "")
            + "; name classes by wnids or nouns, or give synsets"
        )
    return synsets, left_out


def _outcomes(values: np.ndarray, types: np.ndarray) -> np.ndarray:
    """Computes how alike the ranks of each two classes are [outcome, class, class]."""
    count = types.max() + 1
    best = np.full((len(values), count), -np.inf)
    for operation, kind in enumerate(types):
        best[:, kind] = np.maximum(best[:, kind], values[:, operation])
    unit = _centred_ranks(best)  # of length 1; NaN for a class whose types are all tied
    # Rounded, so that equal orders are tied whatever order the matrix library sums in.
    results = [(unit @ unit.T).round(12)]
    order = np.argsort(-values, axis=1, kind="stable")
    for top in TOPS:
        member = np.zeros((len(values), count))
        member[np.arange(len(values))[:, None], types[order[:, :top]]] = 1.0
        both = member @ member.T
        sizes = member.sum(axis=1)
        results.append(both / (sizes[:, None] + sizes - both))
    return np.stack(results)


def _sample(classes: int, limit: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs i < j: all of them, or a sample without repetition."""
    rows, columns = np.triu_indices(classes, 1)
    if len(rows) > limit:
        chosen = generator(seed, "hierarchy:pairs").choice(len(rows), limit, replace=False)
        chosen.sort()
        rows, columns = rows[chosen], columns[chosen]
    return rows, columns


def _centred_ranks(array: np.ndarray) -> np.ndarray:
    """Ranks over the last axis minus their mean, of length 1; NaN where all are equal or one is."""
    ranks = stats.rankdata(array, axis=-1) - (array.shape[-1] + 1) / 2
    size = np.sqrt((ranks**2).sum(axis=-1, keepdims=True))
    usable = (size > 0) & np.isfinite(array).all(axis=-1, keepdims=True)
    return np.divide(ranks, size, out=np.full(ranks.shape, np.nan), where=usable)


def _permutation_p(
    likeness: np.ndarray,
    outcomes: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    permutations: int,
    seed: int,
) -> np.ndarray:
    """Mantel's p [outcome, measure]; NaN where ρ is."""
    classes = outcomes.shape[1]
    fixed = _centred_ranks(likeness)
    complete = 2 * len(rows) == classes * (classes - 1)
    ranked = None
    if complete:  # permuted pairs are the same pairs, so their ranks need no sorting
        ranked = np.zeros_like(outcomes)
        ranked[:, rows, columns] = _centred_ranks(outcomes[:, rows, columns])
        ranked += ranked.transpose(0, 2, 1)
    observed = np.abs(_centred_ranks(outcomes[:, rows, columns]) @ fixed.T)
    total = math.factorial(classes) if classes < 10 else math.inf
    draw = generator(seed, "hierarchy:permutations")
    if total <= permutations + 1:
        reached, count = np.zeros(observed.shape), 0
        orders = map(np.array, itertools.permutations(range(classes)))
    else:  # the order as it is, and random ones
        reached, count = np.ones(observed.shape), 1
        orders = (draw.permutation(classes) for _ in range(permutations))
    for order in orders:
        a, b = order[rows], order[columns]
        ranks = _centred_ranks(outcomes[:, a, b]) if ranked is None else ranked[:, a, b]
        reached += np.abs(ranks @ fixed.T) >= observed - _UNEQUAL
        count += 1
    return np.where(np.isfinite(observed), reached / count, np.nan)


class _Resampled:
    """Computes the statistics of the given classes, and in resamples of the classes."""

    def __init__(self, likeness: np.ndarray, outcomes: np.ndarray):
        self.outcomes = outcomes
        self.both = np.concatenate([outcomes, likeness])
        #: The position of each pair in the order of its value, equal values sharing one.
        ranks = stats.rankdata(np.nan_to_num(self.both), method="dense", axis=1)
        self.positions = ranks.astype(np.int64) - 1
        wup = likeness[MEASURES.index("wup")]
        self.members = np.stack([wup >= SIMILAR, wup <= DISSIMILAR]).astype(float)
        ones = np.ones(outcomes.shape[1])
        self.rho, self.means = self._spearman(ones), self._means(ones)

    def draw(self, rows: np.ndarray, columns: np.ndarray, classes: int, seed: int) -> None:
        drawing = generator(seed, "hierarchy:resamples")
        chances = np.full(classes, 1 / classes)
        rho, means = [], []
        for counts in drawing.multinomial(classes, chances, size=REPLICATES).astype(float):
            weights = counts[rows] * counts[columns]
            rho.append(self._spearman(weights))
            means.append(self._means(weights))
        self.drawn_rho, self.drawn_means = np.stack(rho, -1), np.stack(means, -1)

    def _spearman(self, weights: np.ndarray) -> np.ndarray:
        """Computes the correlations [outcome, measure], each pair counting `weights` times."""
        ranks = np.empty(self.both.shape)
        for row, positions in enumerate(self.positions):
            held = np.bincount(positions, weights)
            ranks[row] = (np.cumsum(held) - held / 2)[positions]
        total = weights.sum()
        ranks -= (ranks @ weights / max(total, 1.0))[:, None]
        product = (ranks * weights) @ ranks.T
        size = np.sqrt(np.diag(product))
        size[(size <= _UNEQUAL * total) | ~np.isfinite(self.both).all(axis=1)] = np.nan
        split = len(self.outcomes)
        return (product / np.outer(size, size))[:split, split:]

    def _means(self, weights: np.ndarray) -> np.ndarray:
        """The outcome's mean over similar and dissimilar pairs, and the difference [3, outcome]."""
        held = self.members * weights
        count = held.sum(axis=1, keepdims=True)
        sums = held @ self.outcomes.T
        means = np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)
        return np.concatenate([means, means[:1] - means[1:]])

    def correlations(self, p: np.ndarray, classes: int) -> pd.DataFrame:
        low, high = percentile_interval(self.drawn_rho.reshape(-1, REPLICATES))
        keys = itertools.product(OUTCOMES, MEASURES)
        frame = pd.DataFrame(keys, columns=pd.Index(["outcome", "measure"]))
        frame["spearman"] = self.rho.ravel()
        frame["ci_low"], frame["ci_high"], frame["p"] = low, high, p.ravel()
        frame["n_pairs"], frame["n_classes"] = self.outcomes.shape[1], classes
        return frame

    def groups(self) -> pd.DataFrame:
        frame = pd.DataFrame({"outcome": OUTCOMES})
        for row, name in enumerate(("similar", "dissimilar", "difference")):
            frame[name] = self.means[row]
            low, high = percentile_interval(self.drawn_means[row])
            frame[f"{name}_low"], frame[f"{name}_high"] = low, high
            if row < 2:
                frame[f"n_{name}"] = int(self.members[row].sum())
        return frame
