"""Ranks operations, overall and by class, and answers the questions of paper 000 §4.

An operation is on top by ``change``, by ``relative_change``, by ``proportion_boosted`` or by
``weighted_boost``; among all, among the geometric or the appearance operations (sub-policies of
both kinds belong to neither), or among those without translation and scale.

The answers rest on ``change``, the mean of s_T − s₀, which p and q test as well. Within a class it
ranks as the ratio of means Σ(s_T − s₀) / Σ s₀ does. The paper's mean of ratios, ``relative_change``
(eq. 2), has no finite variance where s₀ may lie near 0: one pair with s₀ = 0.0001 and a change of
0.035 adds 350 to the sum, and whatever moves it is on top. It stays in the table as the paper has
it, and decides nothing here.

Identities take part: with a change of 0 they are on top wherever nothing helps. What moves the mean
similarity by less than `NOTHING` is the identity under another name, as a flip is for a network
that ignores flips, and is never on top. Of equal operations the first name counts, once.

The best of a hundred operations may be above zero by luck alone. So each statement about the tops
of the classes stands twice: in sample, and held out, where the operation is chosen on one half of
a class's pairs and measured on the other, both ways, and the two are averaged. Classes whose images
come back in several pairs have them in both halves.

Shares are over classes, with exact 95 % intervals over classes.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from invariscope.search.table import OVERALL
from invariscope.statistics.estimates import mean_interval
from invariscope.transformations import IDENTITY

BY = ("change", "relative_change", "proportion_boosted", "weighted_boost")
AMONG = ("all", "geometric", "appearance", "no shift or zoom")
KINDS = ("geometric", "appearance", "mixed")
TOP_COUNT = 10
#: Changes of similarity that are smaller come from rounding: cosines are computed in float32.
NOTHING = 1e-6
_MOVES = frozenset(
    ("translate_x", "translate_y", "rescale", "zoom_in", "zoom_out", "shift", "shift_x", "shift_y")
)


@dataclass(frozen=True)
class Estimate:
    """A mean over classes, with its interval.

    Attributes:
        value: The mean; NaN without classes.
        low: Lower end of the 95 % interval; NaN with a single class.
        high: Upper end.
        n: Classes.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Ranks:
    """The operations on top, and the answers to paper 000's questions.

    Attributes:
        tops: One row for each (by, among, class): operation, kind, families, value; class "" is
            the operation that is best on average over classes.
        held_out: One row for each class and half: the operation on top by change in one half, its
            change there (in_sample) and in the other half (held_out).
        above_zero_everywhere: Operations whose change is above 0 in every class (the paper: none).
        overall: Change of the best operation of all classes together, over classes.
        per_class: Change of each class's top, chosen in sample.
        per_class_held_out: The same, chosen on the other half.
        above_zero: Share of classes whose top is above 0, chosen in sample (the paper: all).
        above_zero_held_out: The same, chosen on the other half.
        shares: One row per kind: its share among the classes' tops with interval, and in the pool.
        best: How many operations of a class count as its best: ten, or all where there are fewer.
        raising: How many of a class's best raise the similarity (the paper: 6.5 of ten on average).
        raising_held_out: The same, of the best of the other half.
        identity_on_top: Share of classes in which, among geometric operations, none beats the
            identity.
        null: Largest absolute change of an identity: 0, or something is wrong.
        nulls: How many operations of the pool are identities.
    """

    tops: pd.DataFrame
    held_out: pd.DataFrame
    above_zero_everywhere: tuple[str, ...]
    overall: Estimate
    per_class: Estimate
    per_class_held_out: Estimate
    above_zero: Estimate
    above_zero_held_out: Estimate
    shares: pd.DataFrame
    best: int
    raising: Estimate
    raising_held_out: Estimate
    identity_on_top: Estimate
    null: float
    nulls: int


def rank(frame: pd.DataFrame, *, seed: int = 0) -> Ranks:
    """Ranks the operations of a table of factors.

    Args:
        frame: `Factors.frame`.
        seed: Decides the resamples of classes.

    Example:
        >>> import torch, invariscope
        >>> data = torch.rand(8, 3, 6, 6), [0, 0, 0, 0, 1, 1, 1, 1]
        >>> found = invariscope.find_factors(lambda x: x.flatten(1), data, operations="rotate")
        >>> sorted(set(found.ranks.tops["by"]))
        ['change', 'proportion_boosted', 'relative_change', 'weighted_boost']
    """
    distinct = _distinct(frame)
    tops = pd.concat([_tops(distinct, by, among) for by in BY for among in AMONG])
    tops = tops.reset_index(drop=True)
    classes = distinct[distinct["class"] != OVERALL]
    held_out = _held_out(classes)
    best = _values(tops, BY[0], "all")
    both_ways = held_out.groupby("class", sort=False)["held_out"].mean().to_numpy()
    everywhere = classes.groupby("operation", sort=False)[BY[0]].agg(
        lambda values: bool((values > NOTHING).all())
    )
    identities = frame[frame["kind"] == IDENTITY]
    geometric = _rows(tops, BY[0], "geometric")
    return Ranks(
        tops=tops,
        held_out=held_out,
        above_zero_everywhere=tuple(everywhere.index[everywhere.to_numpy(dtype=bool)]),
        overall=_estimate(_of_best_overall(tops, classes), seed),
        per_class=_estimate(best, seed),
        per_class_held_out=_estimate(both_ways, seed),
        above_zero=_estimate(_share(best), seed, share=True),
        above_zero_held_out=_estimate(_share(both_ways), seed, share=True),
        shares=_shares(tops, distinct, seed),
        best=min(TOP_COUNT, classes.loc[classes["kind"] != IDENTITY, "key"].nunique()),
        raising=_estimate(_raising(classes, BY[0], BY[0]), seed),
        raising_held_out=_estimate(
            (_raising(classes, "first_half", "second_half")
             + _raising(classes, "second_half", "first_half")) / 2, seed,
        ),
        identity_on_top=_estimate(
            (geometric["kind"] == IDENTITY).to_numpy(dtype=float), seed, share=True,
        ),
        null=float(np.abs(identities["change"].to_numpy(dtype=float)).max()),
        nulls=identities["operation"].nunique(),
    )  # fmt: skip


def _distinct(frame: pd.DataFrame) -> pd.DataFrame:
    """Reduces the table to each set of equal operations once, under their first name."""
    return frame.drop_duplicates(["class", "key"])


def _tops(distinct: pd.DataFrame, by: str, among: str) -> pd.DataFrame:
    """Finds each class's best operation, the first of equals; classes without any have no row."""
    chosen = distinct[_among(distinct, among) & distinct[by].notna() & _acts(distinct, BY[0])]
    best = chosen.loc[chosen.groupby("class", sort=False)[by].idxmax()]
    columns = ["class", "operation", "kind", "families", by]
    tops = best[columns].rename(columns={by: "value"})
    tops.insert(0, "by", by)
    tops.insert(1, "among", among)
    return tops


def _acts(frame: pd.DataFrame, change: str) -> pd.Series:
    """Says which rows are no identity under another name."""
    return (frame["kind"] == IDENTITY) | ~(frame[change].abs() < NOTHING)


def _among(frame: pd.DataFrame, among: str) -> pd.Series:
    """Says which rows belong to a group; identities belong to every one."""
    if among == "all":
        return pd.Series(True, index=frame.index)
    if among in KINDS:
        return frame["kind"].isin([among, IDENTITY])
    still = [not _MOVES & set(str(names).split("+")) for names in frame["families"]]
    return pd.Series(still, index=frame.index) | (frame["kind"] == IDENTITY)


def _rows(tops: pd.DataFrame, by: str, among: str) -> pd.DataFrame:
    """Selects the tops of the classes, without that of all together."""
    return tops[(tops["by"] == by) & (tops["among"] == among) & (tops["class"] != OVERALL)]


def _values(tops: pd.DataFrame, by: str, among: str) -> np.ndarray:
    return _rows(tops, by, among)["value"].to_numpy()


def _of_best_overall(tops: pd.DataFrame, classes: pd.DataFrame) -> np.ndarray:
    """The change, class by class, of the operation that is best on average."""
    chosen = (tops["by"] == BY[0]) & (tops["among"] == "all") & (tops["class"] == OVERALL)
    names = tops.loc[chosen, "operation"]
    return classes.loc[classes["operation"].isin(names), BY[0]].to_numpy()


def _held_out(classes: pd.DataFrame) -> pd.DataFrame:
    """Finds the top of each half of each class, and its value in the other half."""
    halves = ("first_half", "second_half")
    parts = []
    for chosen_on, tested_on in (halves, halves[::-1]):
        known = classes[classes[chosen_on].notna() & classes[tested_on].notna()]
        known = known[_acts(known, chosen_on)]
        best = known.loc[known.groupby("class", sort=False)[chosen_on].idxmax()]
        columns = {chosen_on: "in_sample", tested_on: "held_out"}
        part = best[["class", "operation", "kind", *columns]].rename(columns=columns)
        parts.append(part.assign(chosen_on=chosen_on))
    return pd.concat(parts, ignore_index=True)


def _raising(classes: pd.DataFrame, chosen_by: str, counted_by: str) -> np.ndarray:
    """Counts how many of the best of each class [class], ten at most, are above 0."""
    known = classes[classes["kind"] != IDENTITY].dropna(subset=[chosen_by, counted_by])
    best = known.sort_values(chosen_by, ascending=False, kind="stable")
    best = best.groupby("class", sort=False).head(TOP_COUNT)
    counts = (best[counted_by] > NOTHING).groupby(best["class"], sort=True).sum()
    return counts.to_numpy(dtype=np.float64)


def _shares(tops: pd.DataFrame, distinct: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Tabulates kind, tops (share of the classes'), low, high, pool (share of it), classes, n."""
    pool = distinct.drop_duplicates("operation")
    pool = pool[pool["kind"] != IDENTITY]
    kinds = _rows(tops, BY[0], "all")["kind"]
    rows = []
    for kind in (*KINDS, IDENTITY):
        estimate = _estimate((kinds == kind).to_numpy(dtype=float), seed, share=True)
        of_pool = float((pool["kind"] == kind).mean()) if len(pool) else np.nan
        rows.append(
            {"kind": kind, "tops": estimate.value, "low": estimate.low, "high": estimate.high,
             "pool": of_pool, "classes": estimate.n}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _share(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.nan, values > 0)


def _estimate(values: np.ndarray, seed: int, *, share: bool = False) -> Estimate:
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan, 0)
    rows = np.asarray(values, dtype=float)[:, None]
    value, low, high, n = mean_interval(rows, share=share, seed=seed)
    return Estimate(float(value[0]), float(low[0]), float(high[0]), int(n[0]))
