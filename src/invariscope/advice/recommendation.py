"""Recommends augmentations: which, how far, for which classes, and which would hurt.

For each family three kinds of evidence:

- what varies in the data: the classes in which an operation of the family raises the similarity of
  pairs (relative change > 0 with q < 0.05: the class *varies* along it), and those in which every
  operation lowers it (all with q < 0.05);
- what the model ignores already: its invariance at the embedding (1: fully), the mean over the
  measured levels; from a run of `measure`, if there is one;
- what training has taught it: the gap trained − untrained of `alignment`, if there is one.

| advice | when |
|---|---|
| add | at least half of the classes vary along it, and the model does not ignore it |
| add for some classes | fewer do, at least one, and the model does not ignore it |
| has it | classes vary along it, and the model's invariance is at least 0.9 |
| would hurt | no class varies along it, and in at least half every operation lowers similarity |
| no evidence | anything else |

The range goes from the weakest to the strongest magnitude that raises a class, and includes none
that only lowers. A search sees what varies between images, not what helps accuracy: paper 000 found
that policies per class did not raise the accuracy on ImageNet. Train with and without, and compare
(``class-effects``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from invariscope.advice.alignment import above_identity, family_gap, invariance_gaps, singles
from invariscope.advice.snippet import snippet
from invariscope.results import Result
from invariscope.search.result import Factors
from invariscope.search.table import OVERALL

SURE = 0.05
MANY = 0.5
IGNORED = 0.9
ADVICE = ("add", "add for some classes", "has it", "would hurt", "no evidence")


@dataclass(frozen=True)
class Recommendation:
    """The augmentations to take.

    Attributes:
        table: One row per family, in the order of the advice: family, advice, low and high (the
            range, of its magnitude) and unit, signed (both directions), classes (names that vary
            along it), varying and lowered (shares of classes), change (largest relative change of
            one of its operations, mean over classes), invariance, gap, and reason, in words.
        code: Python that makes ``augment``, a torchvision ``v2.Compose`` of what to add for all,
            and ``per_class``, one for each class with something of its own.
    """

    table: pd.DataFrame
    code: str

    def of(self, advice: str) -> pd.DataFrame:
        """Returns the rows with that advice."""
        return self.table[self.table["advice"] == advice]


def recommend(
    factors: Factors, measured: Result | None = None, untrained: Result | None = None
) -> Recommendation:
    """Recommends augmentations from a search, and from the model's own invariances.

    Args:
        factors: What a search has found; its single operations count.
        measured: A run of `measure` of the model, with `relative_invariance`.
        untrained: A run of its untrained twin, for the gap; the control of ``measured`` by default.

    Example:
        >>> import torch, invariscope
        >>> data = torch.rand(8, 3, 6, 6), [0, 0, 0, 0, 1, 1, 1, 1]
        >>> found = invariscope.find_factors(lambda x: x.flatten(1), data, operations="invert")
        >>> recommend(found).table[["family", "advice"]].values.tolist()
        [['invert', 'no evidence']]
    """
    invariance = {} if measured is None else _invariances(measured)
    gaps = _gaps(measured, untrained)
    frame = singles(factors)
    rows = [_row(str(family), some, invariance, gaps) for family, some in frame.groupby("family")]
    columns = [
        "family", "advice", "low", "high", "unit", "signed", "classes", "varying", "lowered",
        "change", "invariance", "gap", "reason",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    rank = {advice: number for number, advice in enumerate(ADVICE)}
    table = table.sort_values(
        ["advice", "varying", "change"],
        key=lambda column: column.map(rank) if column.name == "advice" else -column,
        ignore_index=True,
    )
    return Recommendation(table, snippet(table))


def _invariances(measured: Result) -> dict[str, float]:
    """The mean invariance over levels above 0, by family."""
    chosen = above_identity(measured.frame)
    return {str(k): float(v) for k, v in chosen.groupby("transformation")["value"].mean().items()}


def _gaps(measured: Result | None, untrained: Result | None) -> Mapping[str, float]:
    has_twin = measured is not None and (measured.controls["control"] == "untrained").any()
    if measured is None or (untrained is None and not has_twin):
        return {}
    return invariance_gaps(measured, untrained)


def _row(
    family: str, frame: pd.DataFrame, invariance: Mapping[str, float], gaps: Mapping[str, float]
) -> dict[str, Any]:
    classes = frame[frame["class"] != OVERALL]
    sure = classes["q"] < SURE
    raises = sure & (classes["relative_change"] > 0) & (classes["change"] > 0)
    varying = sorted(set(classes.loc[raises, "class"]))
    all_lower = (sure & (classes["change"] < 0)).groupby(classes["class"]).all()
    count = classes["class"].nunique()
    share, lowered = len(varying) / count, float(all_lower.mean())
    own, gap = family_gap(family, invariance), family_gap(family, gaps)
    magnitudes = classes.loc[raises, "step_magnitude"]
    overall = frame.loc[frame["class"] == OVERALL, "relative_change"]
    advice = _advice(share, lowered, own)
    return {
        "family": family,
        "advice": advice,
        "low": float(magnitudes.min()) if varying else math.nan,
        "high": float(magnitudes.max()) if varying else math.nan,
        "unit": frame["unit"].iloc[0],
        "signed": bool(frame["signed"].any()),
        "classes": varying,
        "varying": share,
        "lowered": lowered,
        "change": float(overall.max()) if overall.notna().any() else math.nan,
        "invariance": own,
        "gap": gap,
        "reason": _reason(varying, count, lowered, own, gap),
    }


def _advice(varying: float, lowered: float, own: float) -> str:
    if varying > 0 and own >= IGNORED:
        return "has it"
    if varying >= MANY:
        return "add"
    if varying > 0:
        return "add for some classes"
    return "would hurt" if lowered >= MANY else "no evidence"


def _reason(varying: Sequence[str], count: int, lowered: float, own: float, gap: float) -> str:
    parts = [f"raises similarity in {len(varying)} of {count} classes"]
    if lowered:
        parts.append(f"only lowers it in {round(lowered * count)}")
    if math.isfinite(own):
        parts.append(f"the model's invariance is {own:.2f}")
    if math.isfinite(gap):
        parts.append(f"training changed it by {gap:+.2f}")
    return ", ".join(parts)
