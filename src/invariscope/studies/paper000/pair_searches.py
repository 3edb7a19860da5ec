"""Says of a data set what a search of pairs finds, in the few numbers that claims of 000 §4 need.

| number | meaning |
|---|---|
| everywhere | operations whose class means are all above 0 |
| best | the largest mean over classes of an operation's relative change (eq. 2) |
| variance | of the class means, over classes and operations |
| held_out | classes whose top, chosen on one half of the pairs, raises similarity in the other (the
mean of both ways), of `classes` |
| appearance | classes with a top (by mean s_T − s₀, see `search.ranks`) that changes appearance, of
`tops` |
| pool | appearance's share of the operations that change something |
| similar | Spearman's ρ of WordNet similarity (Wu–Palmer) and correlation of ranks |

``everywhere`` and ``best`` have ``_low`` and ``_high``: 95 % percentile intervals over pairs, which
are drawn anew within each class; ``everywhere_p`` is twice the share of these draws (and one more)
with an operation, or without one if that is less; ``similar`` has those of `search.hierarchy`, and
its p.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError

if TYPE_CHECKING:
    from invariscope.effects.wordnet import WordNet
    from invariscope.search import Factors

ENDS = ("", "_low", "_high")
_REPLICATES = 500


def summarise_search(
    search: "Factors", nouns: "WordNet | None", notes: list[str]
) -> dict[str, Any]:
    """The numbers of a search, by name.

    Args:
        search: The search.
        nouns: WordNet; None leaves ``similar`` out.
        notes: Gets a line where WordNet does not know the classes.
    """
    names, changes = relative_changes(search)
    kinds = search.frame.drop_duplicates("operation").set_index("operation")["kind"]
    both_ways = search.ranks.held_out.groupby("class")["held_out"].mean()
    tops = search.ranks.tops.query("by == 'change' and among == 'all' and `class` != ''")
    shares = search.ranks.shares
    pool = float(shares.loc[shares["kind"] == "appearance", "pool"].iloc[0])
    row: dict[str, Any] = {
        "classes": len(both_ways),
        "pairs": sum(map(len, changes)),
        "operations": int((kinds[names] != "identity").sum()),
        "variance": float(np.nanvar([np.nanmean(pairs, axis=0) for pairs in changes])),
        "held_out": int((both_ways > 0).sum()),
        "appearance": int((tops["kind"] == "appearance").sum()),
        "tops": len(tops),
        "pool": pool,
    }
    row |= resample_pairs(changes)
    return row | _similar(search, nouns, notes)


def relative_changes(search: "Factors") -> tuple[list[str], list[np.ndarray]]:
    """The distinct operations, and for each class the relative changes [pair, operation]."""
    from invariscope.search.table import relative_changes as relative

    distinct = search.frame.drop_duplicates(["class", "key"])
    distinct = distinct[distinct["kind"] != "identity"]
    names = list(dict.fromkeys(distinct["operation"]))
    changes = []
    for name in search.classes:
        pairs = search.pairs(name)
        changes.append(relative(pairs[names].to_numpy(), pairs["before"].to_numpy()))
    return names, changes


def resample_pairs(changes: Sequence[np.ndarray]) -> dict[str, float]:
    """Everywhere and best with their 95 % intervals over pairs, drawn anew within each class."""
    random = np.random.default_rng(0)

    def numbers(drawn: Sequence[np.ndarray]) -> tuple[float, float]:
        means = np.stack([_mean(pairs) for pairs in drawn])
        everywhere = float((means > 0).all(axis=0).sum())
        return everywhere, float(means.mean(axis=0).max())

    resampled = [
        numbers([pairs[random.integers(0, len(pairs), len(pairs))] for pairs in changes])
        for _ in range(_REPLICATES)
    ]
    ends = np.nanquantile(np.array(resampled), [0.025, 0.975], axis=0)
    row = {}
    for index, (name, value) in enumerate(zip(("everywhere", "best"), numbers(changes),
                                              strict=True)):  # fmt: skip
        row |= dict(zip((name + end for end in ENDS), (value, *ends[:, index]), strict=True))
    none = np.array(resampled)[:, 0] == 0
    fewer = min(none.sum(), len(none) - none.sum())
    row["everywhere_p"] = float(min(1.0, 2 * (fewer + 1) / (len(none) + 1)))
    return row


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean of each column over what is defined; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def _similar(search: "Factors", nouns: "WordNet | None", notes: list[str]) -> dict[str, float]:
    from invariscope.search.hierarchy import class_hierarchy

    if nouns is None:
        return {}
    wnids = {entry["name"]: entry["wnid"] for entry in search.manifest["settings"]["classes"]
             if entry.get("wnid")}  # fmt: skip
    try:
        rows = class_hierarchy(search.frame, nouns, synsets=wnids or None).correlations
    except InputError as problem:
        data = search.manifest["settings"]["data"]
        notes.append(f"WordNet does not know the classes of {data}: {problem}")
        return {}
    row = rows[(rows["outcome"] == "rank_correlation") & (rows["measure"] == "wup")].iloc[0]
    names = ("similar", "similar_low", "similar_high", "similar_p", "similar_n")
    return dict(zip(names, row[["spearman", "ci_low", "ci_high", "p", "n_classes"]], strict=True))


def top_operations(searches: "dict[tuple[str, int], Factors]") -> pd.DataFrame:
    """The top operation of each class, and what it does held out."""
    tables = []
    for (network, seed), search in searches.items():
        tops = search.ranks.tops.query("by == 'change' and among == 'all'")
        tops = tops[tops["class"] != ""].set_index("class")
        held_out = search.ranks.held_out.groupby("class")["held_out"].mean()
        tables.append(
            pd.DataFrame(
                {"network": network, "seed": seed, "class": tops.index,
                 "operation": tops["operation"], "kind": tops["kind"],
                 "change": tops["value"], "held_out": held_out.reindex(tops.index)}
            )
        )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def all_operations(searches: "dict[tuple[str, int], Factors]") -> pd.DataFrame:
    """Each operation over all classes."""
    columns = ["operation", "kind", "relative_change", "relative_change_low",
               "relative_change_high", "proportion_boosted", "q"]  # fmt: skip
    tables = [
        search.frame[search.frame["class"] == ""][columns].assign(network=network, seed=seed)
        for (network, seed), search in searches.items()
    ]
    return pd.concat(tables, ignore_index=True)
