"""What a metric's values say: which way is better, at what they are best, how a scale shows them.

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

from invariscope.report.kit.words import number

HIGHER, LOWER = "higher is more ", "lower is more "
# Measures of success, whose height says nothing about the transformation without that at level 0.
_NOT_GRADED = ("accuracy",)


@dataclass(frozen=True)
class Meaning:
    """What a metric's values say.

    Attributes:
        metric: Its name.
        higher: Whether higher values are the better ones.
        quality: What they show: "invariant", "equivariant", or "" for something else.
        direction: The manifest's words, such as "lower is more invariant".
        graded: Whether the words "hardly reacts" to "reacts strongly" fit: invariance on a scale
            where 1 is no reaction at all.
        at_identity: Whether means over levels hold level 0.
        low: Lower end of the range; None if unbounded.
        high: Upper end of the range; None if unbounded.
    """

    metric: str
    higher: bool = True
    quality: str = "invariant"
    direction: str = f"{HIGHER}invariant"
    graded: bool = True
    at_identity: bool = False
    low: float | None = None
    high: float | None = 1.0

    @property
    def sign(self) -> int:
        """+1 if higher is better, else -1."""
        return 1 if self.higher else -1

    @property
    def is_correlation(self) -> bool:
        """Whether it is a correlation of channels, of which there is a null."""
        return self.metric.startswith(("channel_invariance", "channel_equivariance"))

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
        """Where a value lies on that scale: 0 at the worst end, 1 at the best; NaN stays NaN.

        Example:
            >>> eed = Meaning("latent_eed", higher=False, low=0.0, high=None)
            >>> eed.share(0.25, (1.0, 0.0)), eed.share(4.0, (1.0, 0.0))
            (0.75, 0.0)
        """
        worst, best = ends
        return float(np.clip((value - worst) / (best - worst), 0.0, 1.0))

    def end_words(self) -> tuple[str, str]:
        """What the worst and the best end of the scale mean, in a few words."""
        if self.is_correlation:
            return "unrelated", "the same"
        if self.metric == "channel_eed":
            return "unrelated", "the same up to the motion"
        if self.metric.startswith(("latent_eed", "softmax_eed", "normalized_variance")):
            return "moves", "stays where it is"
        if self.metric == "dead_channels":
            return "all dead", "all alive"
        if self.quality == "equivariant":
            return "no more than by chance", "equivariant"
        if self.higher and self.high == 1.0 and self.metric != "accuracy":
            return "like another image", "like the original"
        return f"least {self.quality}".strip(), f"most {self.quality}".strip()

    def scale_words(self, ends: tuple[float, float]) -> tuple[str, str]:
        """Both ends of a scale with their values.

        Example:
            >>> Meaning("relative_invariance").scale_words((0.0, 1.0))
            ('0 · like another image', '1 · like the original')
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
    graded = higher and quality == "invariant" and high == 1.0 and metric not in _NOT_GRADED
    return Meaning(
        metric, higher, quality, direction, graded, bool(about.get("at_identity")), low, high
    )


def _short(value: float) -> str:
    return f"{value:.0f}".replace("-", "−") if value == round(value) else number(value)
