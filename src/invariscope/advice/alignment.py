"""Tests whether a model becomes invariant to what varies in the data (paper 000 §4.4, figure 3C).

For every family of operations two numbers:

    gap   = mean over levels 3 to 7 of [median invariance, trained − untrained]
    share = mean over its operations of the share of classes that have the operation among their
            five best

and the statistic: mean share of the families with gap > 0, less that of those with gap ≤ 0. Above
0, training makes models invariant to what turns one image of a class into another. Families are the
units, since operations of one family (rotate 3, rotate 4, …) stand or fall together.

- The five best of a class are by ``proportion_boosted``, equal ones by ``relative_change``, among
  distinct single operations without the identity.
- A family of the search is looked up among the measured ones under its own name; else ``rescale``
  under ``zoom_in`` (above 1) or ``zoom_out``, and ``contrast`` and ``brightness`` under the mean of
  their ``_up`` and ``_down``. Families that were not measured are named and left out.
- Where a run has none of the levels 3 to 7, all its levels above 0 count.
- The interval resamples classes and holds the gaps fixed; the test permutes gaps over families.

The published code counts zooming out as zooming in, for both; here each is itself.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.results import Result
from invariscope.search.result import Factors
from invariscope.search.table import OVERALL
from invariscope.seeding import generator
from invariscope.statistics.correlation import permutation_p, spearman
from invariscope.statistics.intervals import bootstrap_interval
from invariscope.transformations import IDENTITY

METRIC, LAYER = "relative_invariance", "embedding"
LEVELS = range(3, 8)
TOP = 5
_DRAWS = 9_999
_EXACT = 20_000


@dataclass(frozen=True)
class Alignment:
    """The test whether the families whose invariance grows in training vary in the data.

    Attributes:
        families: One row per family: family, gap, share, operations (how many), grows (gap > 0).
        difference: Mean share where the gap is above 0, less that elsewhere; NaN if a side is
            empty.
        low: Lower end of the 95 % interval over classes.
        high: Upper end.
        p: One-sided, of a difference as large, over permutations of the gaps among families.
        rho: Spearman's correlation of gap and share over families.
        rho_p: Two-sided, by permutation.
        classes: How many.
        left_out: Families of the search that were not measured.
        sides: Two rows, gap above 0 and not: grows, families (how many), share (their mean), low,
            high (95 % interval over classes); NaN for a side without families.
    """

    families: pd.DataFrame
    difference: float
    low: float
    high: float
    p: float
    rho: float
    rho_p: float
    classes: int
    left_out: tuple[str, ...]
    sides: pd.DataFrame


def align(factors: Factors, trained: Result, untrained: Result | None = None) -> Alignment:
    """Compares the invariance gap of a model with what varies in its data.

    Args:
        factors: What a search has found.
        trained: A run of the trained model with `relative_invariance`.
        untrained: A run of its untrained twin; by default the twin that ``trained`` has measured as
            a control (``--twin``).

    Raises:
        InputError: No untrained model, or no family in common.
    """
    gaps = invariance_gaps(trained, untrained)
    names, shares, counts = _shares(factors)
    matched = {name: family_gap(name, gaps) for name in names}
    known = [family for family, name in enumerate(names) if math.isfinite(matched[name])]
    if not known:
        raise InputError(
            f"none of the search's families ({', '.join(names)}) is among the measured ones "
            f"({', '.join(gaps)}): measure with `transformations` of the same names"
        )
    gap = np.array([matched[names[family]] for family in known])
    shares = shares[:, known]
    grows = gap > 0
    rows = {
        "family": [names[family] for family in known],
        "gap": gap,
        "share": shares.mean(axis=0),
        "operations": [counts[family] for family in known],
        "grows": grows,
    }
    seed = factors.manifest["settings"]["seed"]
    value, low, high = _difference(shares, grows, seed)
    share = shares.mean(axis=0)
    return Alignment(
        pd.DataFrame(rows).sort_values("gap", ascending=False, ignore_index=True),
        value,
        low,
        high,
        _one_sided_p(share, grows, seed),
        float(spearman(gap[:, None], share[:, None])[0]) if len(gap) > 1 else math.nan,
        permutation_p(gap, share, seed=seed) if len(gap) > 2 else math.nan,
        len(shares),
        tuple(names[family] for family in range(len(names)) if family not in set(known)),
        pd.DataFrame([_side(shares, grows, side, seed) for side in (True, False)]),
    )


def invariance_gaps(trained: Result, untrained: Result | None = None) -> dict[str, float]:
    """Computes the median invariance of the trained model less the untrained one's, by family.

    Args:
        trained: A run with `relative_invariance`.
        untrained: The twin's run; by default the control "untrained" of ``trained``.

    Returns:
        The mean over the levels 3 to 7 that both have; over all above 0 if there are none.

    Raises:
        InputError: There is no untrained model, or a run without `relative_invariance`.
    """
    ours = _medians(trained.frame)
    theirs = _medians(
        trained.controls[trained.controls["control"] == "untrained"]
        if untrained is None
        else untrained.frame
    )
    if not ours:
        raise InputError(f"the run of the trained model has no {METRIC} at the {LAYER}")
    if not theirs:
        raise InputError(
            f"no {METRIC} of the untrained model: measure with `twin=True`, or give the run of "
            "MODEL+untrained"
        )
    gaps: dict[str, dict[int, float]] = {}
    for (family, level), value in ours.items():
        if (family, level) in theirs:
            gaps.setdefault(family, {})[level] = value - theirs[family, level]
    return {family: _middle(levels) for family, levels in gaps.items()}


def above_identity(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the metric at the embedding, over all classes, at levels above 0."""
    wanted = (frame["metric"] == METRIC) & (frame["layer"] == LAYER)
    return frame[wanted & frame["class"].isna() & (frame["level"] > 0)]


def _medians(frame: pd.DataFrame) -> dict[tuple[str, int], float]:
    chosen = above_identity(frame)
    chosen = chosen[chosen["median"].notna()]
    keys = zip(chosen["transformation"], chosen["level"].astype(int), strict=True)
    return dict(zip(keys, chosen["median"].astype(float), strict=True))


def _middle(levels: Mapping[int, float]) -> float:
    some = [value for level, value in levels.items() if level in LEVELS]
    return float(np.mean(some or list(levels.values())))


def family_gap(name: str, gaps: Mapping[str, float]) -> float:
    """Looks up the number of a family of the search among measured families; NaN if none.

    Example:
        >>> family_gap("contrast", {"contrast_up": 0.25, "contrast_down": 0.75})
        0.5
    """
    if name in gaps:
        return gaps[name]
    both = [gaps[f"{name}_{way}"] for way in ("up", "down") if f"{name}_{way}" in gaps]
    return float(np.mean(both)) if both else math.nan


def _shares(factors: Factors) -> tuple[list[str], np.ndarray, list[int]]:
    """Families, the share of their operations in each class's top [class, family], and how many."""
    frame = singles(factors)
    frame = frame[frame["class"] != OVERALL]
    if frame.empty:
        raise InputError("the search has no single operations: search with `operations='singles'`")
    order = ["proportion_boosted", "relative_change"]
    best = frame.sort_values(order, ascending=False, kind="stable").groupby("class").head(TOP)
    frame = frame.assign(top=frame.index.isin(best.index[best["proportion_boosted"].notna()]))
    table = frame.pivot_table(index="class", columns="family", values="top", aggfunc="mean")
    counts = frame.groupby("family")["operation"].nunique()
    names = [str(name) for name in table.columns]
    return names, table.to_numpy(dtype=float), [int(counts[name]) for name in names]


def singles(factors: Factors) -> pd.DataFrame:
    """Returns the distinct single operations but the identity, by class, with their magnitudes."""
    frame = factors.frame
    frame = frame[(frame["kind"] != IDENTITY) & ~frame["policy"]].drop_duplicates(["class", "key"])
    entries = factors.manifest["settings"]["operations"]
    steps = {entry["name"]: entry["steps"][0] for entry in entries if entry["steps"]}
    chosen = [steps[name] for name in frame["operation"]]
    return frame.assign(
        family=[measured_name(step) for step in chosen],
        step_magnitude=[step["magnitude"] for step in chosen],
        signed=[step["signed"] for step in chosen],
        unit=[step["unit"] for step in chosen],
    )


def measured_name(step: Mapping[str, Any]) -> str:
    """Returns the name under which `measure` knows a step of an operation.

    Example:
        >>> measured_name({"family": "rescale", "magnitude": 0.5, "signed": False})
        'zoom_out'
    """
    if step["family"] != "rescale" or step["signed"]:
        return step["family"]
    return "zoom_in" if step["magnitude"] > 1 else "zoom_out"


def _difference(shares: np.ndarray, grows: np.ndarray, seed: int) -> tuple[float, float, float]:
    if grows.all() or not grows.any():
        return math.nan, math.nan, math.nan
    of_class = shares[:, grows].mean(axis=1) - shares[:, ~grows].mean(axis=1)
    value, low, high, _ = bootstrap_interval(of_class[:, None], seed=seed)
    return float(value[0]), float(low[0]), float(high[0])


def _side(shares: np.ndarray, grows: np.ndarray, side: bool, seed: int) -> dict[str, Any]:
    """The mean share of the families of one side, over classes."""
    chosen = shares[:, grows == side]
    row = {"grows": side, "families": chosen.shape[1], "share": math.nan}
    row |= {"low": math.nan, "high": math.nan}
    if chosen.shape[1]:
        value, low, high, _ = bootstrap_interval(chosen.mean(axis=1)[:, None], seed=seed)
        row |= {"share": float(value[0]), "low": float(low[0]), "high": float(high[0])}
    return row


def _one_sided_p(share: np.ndarray, grows: np.ndarray, seed: int) -> float:
    """Computes how often as many families, drawn at random, have a difference as large."""
    n, k = len(share), int(grows.sum())
    if k in (0, n):
        return math.nan
    if math.comb(n, k) <= _EXACT:
        sums = [share[list(some)].sum() for some in itertools.combinations(range(n), k)]
        extra = 0
    else:
        random = generator(seed, "alignment")
        sums = [share[random.permutation(n)[:k]].sum() for _ in range(_DRAWS)]
        extra = 1  # the observed one belongs to them
    # The difference grows with the sum over the chosen ones; equal sums but for rounding are equal.
    as_large = np.count_nonzero(np.array(sums) >= share[grows].sum() - 1e-12)
    return (as_large + extra) / (len(sums) + extra)
