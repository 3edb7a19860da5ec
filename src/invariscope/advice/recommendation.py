"""Recommends augmentations: which, how far, for which classes, and which would hurt.

For each family three kinds of evidence:

- what varies in the data (`invariscope.search.factor_table`): the classes in which the family is
  found (q < 0.05: the class *varies* along it), and those whose images it takes nearest to another
  class already at its mildest level (the exact 95 % interval of their share lies above 1 in 20:
  the class is *lost*);
- what the model ignores already: its invariance at the embedding (1: fully), the mean over the
  measured levels; from a run of `measure`, if there is one;
- what training has taught it: the gap trained − untrained of `alignment`, if there is one.

| advice | when |
|---|---|
| add | at least half of the classes vary along it, and the model does not ignore it |
| add for some classes | fewer do, at least one, and the model does not ignore it |
| has it | classes vary along it, and the model's invariance is at least 0.9 |
| would hurt | no class varies along it, and at least half are lost |
| no evidence | anything else |

The range goes from the weakest to the strongest level that closes the distance in a class. A
search sees what varies between images, not what helps accuracy: paper 000 found that policies per
class did not raise the accuracy on ImageNet. Train with and without, and compare
(``class-effects``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from invariscope.advice.alignment import above_identity, family_gap, invariance_gaps
from invariscope.advice.snippet import snippet
from invariscope.results import Result
from invariscope.search.factor_table import SURE
from invariscope.search.result import Factors

MANY = 0.5
IGNORED = 0.9
LOST = 0.05
ADVICE = ("add", "add for some classes", "has it", "would hurt", "no evidence")


@dataclass(frozen=True)
class Recommendation:
    """The augmentations to take.

    Attributes:
        table: One row per family, in the order of the advice: family, advice, low and high (the
            range, of its magnitude) and unit, signed (both directions), classes (names that vary
            along it), varying and lost (shares of classes), closed (the share of the distance that
            it closes, mean over classes), invariance, gap, and reason, in words.
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
        factors: What a search has found.
        measured: A run of `measure` of the model, with `relative_invariance`.
        untrained: A run of its untrained twin, for the gap; the control of ``measured`` by default.

    Example:
        >>> import torch, invariscope
        >>> images = torch.rand(8, 3, 6, 6, generator=torch.Generator().manual_seed(0))
        >>> data = images, [0, 0, 0, 0, 1, 1, 1, 1]
        >>> found = invariscope.find_factors(lambda x: x.flatten(1), data, operations="invert")
        >>> recommend(found).table[["family", "advice"]].values.tolist()
        [['invert', 'no evidence']]
    """
    invariance = {} if measured is None else _invariances(measured)
    gaps = _gaps(measured, untrained)
    families = factors.factors.groupby("family", sort=False)
    rows = [_row(str(family), classes, invariance, gaps) for family, classes in families]
    columns = [
        "family", "advice", "low", "high", "unit", "signed", "classes", "varying", "lost",
        "closed", "invariance", "gap", "reason",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    rank = {advice: number for number, advice in enumerate(ADVICE)}
    table = table.sort_values(
        ["advice", "varying", "closed"],
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
    family: str, classes: pd.DataFrame, invariance: Mapping[str, float], gaps: Mapping[str, float]
) -> dict[str, Any]:
    varies = (classes["q"] < SURE) & classes["low"].notna()
    varying = sorted(classes.loc[varies, "class"])
    count = len(classes)
    share, lost = len(varying) / count, float((classes["lost_low"] > LOST).mean())
    own, gap = family_gap(family, invariance), family_gap(family, gaps)
    return {
        "family": family,
        "advice": _advice(share, lost, own),
        "low": float(classes.loc[varies, "low"].min()),
        "high": float(classes.loc[varies, "high"].max()),
        "unit": classes["unit"].iloc[0],
        "signed": bool(classes["signed"].any()),
        "classes": varying,
        "varying": share,
        "lost": lost,
        "closed": float(classes["statistic"].mean()),
        "invariance": own,
        "gap": gap,
        "reason": _reason(varying, count, lost, own, gap),
    }


def _advice(varying: float, lost: float, own: float) -> str:
    if varying > 0 and own >= IGNORED:
        return "has it"
    if varying >= MANY:
        return "add"
    if varying > 0:
        return "add for some classes"
    return "would hurt" if lost >= MANY else "no evidence"


def _reason(varying: Sequence[str], count: int, lost: float, own: float, gap: float) -> str:
    parts = [f"{len(varying)} of {count} classes vary along it"]
    if lost:
        parts.append(f"its mildest level loses images of {round(lost * count)} to others")
    if math.isfinite(own):
        parts.append(f"the model's invariance is {own:.2f}")
    if math.isfinite(gap):
        parts.append(f"training changed it by {gap:+.2f}")
    return ", ".join(parts)
