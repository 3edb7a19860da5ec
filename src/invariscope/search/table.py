"""Computes the table of a search: a row for each class and operation; class "" is all together.

| column | meaning |
|---|---|
| class, operation | "" is the mean over classes, each counting alike |
| kind | geometric, appearance, mixed or identity |
| families, magnitude, policy | "shear_x+invert"; "±7.59°, on"; whether it has several steps |
| key | what is done; equal for equal operations |
| change | mean of s_T − s₀ |
| relative_change | mean of (s_T − s₀) / s₀ (paper 000, eq. 2) |
| proportion_boosted | share of pairs with s_T > s₀ |
| boost | mean relative change of the boosted pairs; NaN if there is none |
| weighted_boost | boost · proportion_boosted; 0 if none is boosted |
| n | pairs with a finite change |
| n_guarded | pairs with abs(s₀) < 1e-6: no relative change |
| n_negative | pairs with s₀ < 0, where the sign of the relative change turns round |
| n_undefined | pairs whose embeddings are not finite or have no length: they count nowhere |
| p | sign-flip test of change = 0, two-sided; NaN for identities |
| q | Benjamini–Hochberg over classes × computed operations; of "", over its own rows |
| first_half, second_half | change of the pairs of even and of odd number: to choose in one half
and to test in the other |

change, relative_change and proportion_boosted have ``_low`` and ``_high``: 95 % intervals over the
class's pairs (`statistics.estimates`; exact for shares); of "", over classes, as is p. The interval
of one pair or one class is NaN. Where images come back in several pairs these are not independent
and true intervals are wider; the manifest warns. The row "" is the mean over classes of every
column; its counts are sums.

Operations of equal keys get the same numbers and count once in q. Identities have a change of 0.
Source: paper 000, eq. 2 and App. E; the published code has no guard, no interval and no test.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from invariscope.metrics.similarity_change import SMALLEST
from invariscope.search.rows import DRAWN, PairRows, Pairs
from invariscope.statistics.estimates import mean_interval
from invariscope.statistics.ranking import adjusted
from invariscope.statistics.sign_flips import sign_flip_p

OVERALL = ""
_MEANS = ("change", "relative_change", "proportion_boosted")
_PLAIN = ("boost", "weighted_boost", "first_half", "second_half")
_COUNTS = ("n", "n_guarded", "n_negative", "n_undefined")
_NUMBERS = pa.float64()

TABLE_SCHEMA = pa.schema(
    [pa.field(name, pa.string()) for name in ("class", "operation", "kind", "families")]
    + [pa.field("magnitude", pa.string()), pa.field("policy", pa.bool_())]
    + [pa.field("key", pa.string())]
    + [pa.field(f"{name}{end}", _NUMBERS) for name in _MEANS for end in ("", "_low", "_high")]
    + [pa.field(name, _NUMBERS) for name in ("boost", "weighted_boost")]
    + [pa.field(name, pa.int64()) for name in _COUNTS]
    + [pa.field(name, _NUMBERS) for name in ("p", "q", "first_half", "second_half")]
)


def tabulate(
    rows: PairRows,
    classes: Sequence[Mapping[str, Any]],
    operations: Sequence[Mapping[str, Any]],
    seed: int,
) -> pd.DataFrame:
    """Computes the table from the rows of one class after the other.

    Args:
        rows: The pairs.
        classes: The manifest's classes, in the order of the rows.
        operations: The manifest's operations; ``column`` says where the rows have each.
        seed: Decides resamples and signs.

    Returns:
        The columns of the table; "" first, then the classes; operations in the pool's order.
    """
    of_classes = [
        _class_numbers(rows.of_class(number).of_role(DRAWN), seed) for number in range(len(classes))
    ]
    by_class = {name: np.stack([numbers[name] for numbers in of_classes]) for name in of_classes[0]}
    by_class["q"] = adjusted(by_class["p"][:, 1:])
    by_class["q"] = np.column_stack([np.full(len(classes), np.nan), by_class["q"]])
    overall = _overall(by_class, seed)
    numbers = {name: np.vstack([overall[name], values]) for name, values in by_class.items()}
    # Column 0 is the identity; the others follow as in the rows.
    columns = [0 if entry["column"] is None else entry["column"] + 1 for entry in operations]
    names = [OVERALL, *(entry["name"] for entry in classes)]
    frame = pd.DataFrame(
        {
            "class": np.repeat(np.array(names, dtype=object), len(operations)),
            "operation": [entry["name"] for entry in operations] * len(names),
            **{
                name: [entry[name] for entry in operations] * len(names)
                for name in ("kind", "families", "magnitude", "policy")
            },
            "key": [entry["key"] for entry in operations] * len(names),
            **{name: values[:, columns].ravel() for name, values in numbers.items()},
        }
    )
    frame = frame[TABLE_SCHEMA.names]
    return frame.astype({name: np.int64 for name in _COUNTS})


def _class_numbers(rows: Pairs, seed: int) -> dict[str, np.ndarray]:
    """Computes every number of a class, [1 + computed operation]; the identity comes first."""
    change = np.column_stack([np.zeros(len(rows.before)), rows.change])
    change[~np.isfinite(rows.before)] = np.nan
    relative = relative_changes(change, rows.before)
    finite = np.isfinite(change)
    boosted = np.where(finite, change > 0, np.nan)
    shares = mean_interval(boosted, share=True, seed=seed)[:3]
    shares[2][0] = shares[0][0]  # the identity boosts nothing for certain
    numbers = _with_intervals((change, relative), seed) | _named(_MEANS[2], shares)
    raised = np.where(boosted == 1, relative, np.nan)
    numbers["boost"] = _mean(raised)
    weighted = numbers["boost"] * numbers["proportion_boosted"]
    numbers["weighted_boost"] = np.where(numbers["proportion_boosted"] == 0, 0.0, weighted)
    near, below = np.abs(rows.before) < SMALLEST, rows.before < 0
    numbers["n"] = finite.sum(axis=0)
    numbers["n_guarded"] = (finite & near[:, None]).sum(axis=0)
    numbers["n_negative"] = (finite & below[:, None]).sum(axis=0)
    numbers["n_undefined"] = (~finite).sum(axis=0)
    numbers["p"] = sign_flip_p(change, seed)
    numbers["p"][0] = np.nan
    numbers["first_half"], numbers["second_half"] = _mean(change[::2]), _mean(change[1::2])
    return numbers


def relative_changes(change: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Computes (s_T − s₀) / s₀ [pair, operation] (eq. 2); NaN where abs(s₀) < 1e-6."""
    guarded = np.where(np.abs(before) < SMALLEST, np.nan, before)
    return change / guarded[:, None]


def _overall(by_class: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Computes the numbers of "" [1 + computed operation] from those of the classes [class, …]."""
    numbers = _with_intervals([by_class[name] for name in _MEANS], seed)
    numbers |= {name: _mean(by_class[name]) for name in _PLAIN}
    numbers |= {name: by_class[name].sum(axis=0) for name in _COUNTS}
    numbers["p"] = sign_flip_p(by_class["change"], seed)
    numbers["p"][0] = np.nan
    numbers["q"] = adjusted(numbers["p"])
    return numbers


def _mean(values: np.ndarray) -> np.ndarray:
    """Averages the finite values of each column; NaN where none is finite."""
    finite = np.isfinite(values)
    total, count = np.where(finite, values, 0.0).sum(axis=0), finite.sum(axis=0)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def _with_intervals(parts: Sequence[np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Computes the means of `_MEANS` and their intervals from [row, operation] of each."""
    ends = mean_interval(np.hstack(parts), seed=seed)[:3]
    split = zip(*(np.split(end, len(parts)) for end in ends), strict=True)
    numbers: dict[str, np.ndarray] = {}
    for name, own in zip(_MEANS, split, strict=False):
        numbers |= _named(name, own)
    return numbers


def _named(name: str, ends: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}{end}": own for end, own in zip(("", "_low", "_high"), ends, strict=True)}
