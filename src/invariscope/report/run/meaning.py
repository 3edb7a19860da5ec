"""Interprets a metric's values: the better direction, the best value, the scale that shows them.

Read from the manifest's ``direction`` and ``range``, so that no part of the report takes a high
value for a good one where the metric says otherwise. Scales run from the worst (0) to the best (1):

| direction | range | worst | best |
|---|---|---|---|
| higher is more … | up to 1 | 0 | 1 |
| higher is more … | unbounded above | 0 | the largest value shown, at least 1 |
| lower is more … | from -1 (negative correlations) | 0 | -1 |
| lower is more …, share of … | from 0 | 1, or the largest value shown | 0 |
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from invariscope.metrics.kinds import HIGHER, LOWER
from invariscope.report.kit.words import number


@dataclass(frozen=True)
class Meaning:
    """The meaning of a metric's values.

    Attributes:
        metric: Its name.
        label: What it is called on an axis.
        phrase: What it is called within a sentence.
        paragraph: What it is.
        kind: What it is of: "vectors", "orbit", "maps" or "derivative".
        higher: Whether higher values are the better ones.
        quality: What they show: "invariant", "equivariant", or "" for something else.
        direction: The manifest's words, such as "lower is more invariant".
        graded: Whether the words "hardly reacts" to "reacts strongly" fit: invariance on a scale
            where 1 is no reaction at all. Measures of success have no such words: their height
            says nothing about the transformation without that at level 0.
        at_identity: Whether means over levels hold level 0.
        low: Lower end of the range; None if unbounded.
        high: Upper end of the range; None if unbounded.
        unit: Whose unit stands beside its values.
        role: What pages look for, such as whether a prediction is "kept".
        heat_map: Whether it has a heat map of layers: "main", "beside" or "".
        null: What unrelated images score, "near 0" or "above 0"; "" where it has no null.
        words: What the worst and the best end of the scale mean; empty: no words of its own.
    """

    metric: str
    label: str = ""
    phrase: str = ""
    paragraph: str = ""
    kind: str = "vectors"
    higher: bool = True
    quality: str = "invariant"
    direction: str = f"{HIGHER}invariant"
    graded: bool = True
    at_identity: bool = False
    low: float | None = None
    high: float | None = 1.0
    unit: str = "level"
    role: str = ""
    heat_map: str = ""
    null: str = ""
    words: tuple[str, str] = ("", "")

    @property
    def sign(self) -> int:
        """+1 if higher is better, else -1."""
        return 1 if self.higher else -1

    @property
    def levels_words(self) -> str:
        """Over what its means are."""
        return "all levels and elements" if self.at_identity else "the levels above 0"

    def ends(self, values: Iterable[float] = ()) -> tuple[float, float]:
        """The worst and the best value of the scale on which these values are shown.

        Example:
            >>> Meaning("relative_invariance").ends([0.3, 0.9])
            (0.0, 1.0)
            >>> Meaning("latent_eed", higher=False, low=0.0, high=None).ends([0.3, 1.5])
            (1.5, 0.0)
            >>> Meaning("channel_eed", higher=False, low=-1.0).ends()
            (0.0, -1.0)
        """
        known = [float(value) for value in values if np.isfinite(value)]
        if self.higher:
            return 0.0, 1.0 if self.high == 1.0 else max([1.0, *known])
        if self.low is not None and self.low < 0:
            return 0.0, self.low
        return max([1.0, *known]), 0.0

    def share(self, value: float, ends: tuple[float, float]) -> float:
        """Places a value on that scale: 0 at the worst end, 1 at the best; NaN stays NaN.

        Example:
            >>> eed = Meaning("latent_eed", higher=False, low=0.0, high=None)
            >>> eed.share(0.25, (1.0, 0.0)), eed.share(4.0, (1.0, 0.0))
            (0.75, 0.0)
        """
        worst, best = ends
        return float(np.clip((value - worst) / (best - worst), 0.0, 1.0))

    def end_words(self) -> tuple[str, str]:
        """Says in a few words what the worst and the best end of the scale mean."""
        worst, best = self.words
        plain = f"least {self.quality}".strip(), f"most {self.quality}".strip()
        return (worst, best) if worst and best else plain

    def scale_words(self, ends: tuple[float, float]) -> tuple[str, str]:
        """Both ends of a scale with their values.

        Example:
            >>> Meaning("mine", words=("far", "near")).scale_words((0.0, 1.0))
            ('0 · far', '1 · near')
        """
        worst, best = self.end_words()
        return f"{_short(ends[0])} · {worst}", f"{_short(ends[1])} · {best}"


def meaning_of(metric: str, manifest: Mapping[str, Any]) -> Meaning:
    """The meaning of a metric of a run; one that the manifest does not know is an invariance.

    Example:
        >>> about = {"direction": "lower is more invariant", "range": [0.0, None]}
        >>> meaning_of("latent_eed", {"metrics": {"latent_eed": about}}).higher
        False
    """
    about = manifest.get("metrics", {}).get(metric, {})
    direction = str(about.get("direction", f"{HIGHER}invariant"))
    low, high = about.get("range", (None, 1.0))
    higher = direction.startswith(HIGHER)
    quality = direction.removeprefix(HIGHER if higher else LOWER)
    if quality == direction:  # neither: a count, a share
        quality = ""
    role = str(about.get("role", ""))
    label = str(about.get("label", metric))
    worst, best = about.get("ends", ("", ""))
    return Meaning(
        metric, label, str(about.get("phrase") or label[:1].lower() + label[1:]),
        str(about.get("paragraph", "")), str(about.get("kind", "vectors")), higher, quality,
        direction, higher and quality == "invariant" and high == 1.0 and role != "right",
        bool(about.get("at_identity")), low, high, str(about.get("unit", "level")), role,
        str(about.get("heat_map", "")), str(about.get("null", "")), (worst, best),
    )  # fmt: skip


def _short(value: float) -> str:
    return f"{value:.0f}".replace("-", "−") if value == round(value) else number(value)
