"""Measures how much of the distance within a class a family closes, against other classes.

For images i, j of a class, d = 1 − cos(f(x_i), f(x_j)), and the gain of a level T is
g_T(i, j) = cos(f(x_i), f(T x_j)) − cos(f(x_i), f(x_j)); that of the identity is 0.

- *Best level for the pair*: max over T. A variation that is symmetric, as flips are, shows in it
  and not in any mean: what one pair gains another loses.
- *Best single level for the image*: the T with the largest mean gain over all anchors i. An
  operation that erases (blur, less contrast) brings x_j nearer to every anchor, and does so at one
  level. What it gains that way is no evidence, and is subtracted.
- *Share closed* of x_j: Σ_i (best for the pair − best single) / Σ_i (d − best single), the share of
  the distance left by the best single level that is closed by choosing a level for each pair.
  In [0, 1]; its mean over j is W. The same with anchors of other classes is B. The statistic is
  W − B: a large choice of levels closes some of any distance.

W is a mean over pairs, so where a share π of the images varies it is of the order π². Its square
root is of the order π and steadier; tests and intervals are made on the scale √W − √B, with the
influence of each image in both its parts, as x_j and as anchor (a jackknife to first order;
Efron and Stein 1981), and of each image of the other classes.
"""

from dataclasses import dataclass

import numpy as np

_TINY = 1e-9


@dataclass(frozen=True)
class Gains:
    """The gains of some levels, within a class and from elsewhere.

    Attributes:
        own: float32 [level, anchor, moved], anchors and moved images being the same.
        elsewhere: float32 [level, anchor of another class, moved].
    """

    own: np.ndarray
    elsewhere: np.ndarray

    def joined(self, more: "Gains") -> "Gains":
        """Puts the levels of two together."""
        return Gains(
            np.concatenate([self.own, more.own]),
            np.concatenate([self.elsewhere, more.elsewhere]),
        )

    def among(self, images: np.ndarray) -> "Gains":
        """Restricts them to some images of the class, by their places."""
        return Gains(self.own[:, images][:, :, images], self.elsewhere[:, :, images])


@dataclass(frozen=True)
class Distances:
    """The distances before anything is done, as in `Gains`: [anchor, moved]."""

    own: np.ndarray
    elsewhere: np.ndarray

    def among(self, images: np.ndarray) -> "Distances":
        """Restricts them to some images of the class, by their places."""
        return Distances(self.own[np.ix_(images, images)], self.elsewhere[:, images])

    def nothing(self) -> Gains:
        """The gains of no level at all."""
        return Gains(
            np.empty((0, *self.own.shape), np.float32),
            np.empty((0, *self.elsewhere.shape), np.float32),
        )


@dataclass(frozen=True)
class Closed:
    """The share that a family closes, beside others that were there before.

    Attributes:
        within: W.
        between: B.
        anchors: The share of each image as an anchor [image].
        strangers: The share of each anchor of another class.
        influence: Of each image on W and on B [2, image].
        influence_elsewhere: Of each anchor of another class on B.
    """

    within: float
    between: float
    anchors: np.ndarray
    strangers: np.ndarray
    influence: np.ndarray
    influence_elsewhere: np.ndarray

    @property
    def value(self) -> float:
        """W − B."""
        return self.within - self.between

    def on_roots(self, margin: float = 0.0) -> tuple[float, float]:
        """√W − √(B + margin), and its standard error."""
        root, other = np.sqrt(max(self.within, _TINY)), np.sqrt(max(self.between + margin, _TINY))
        images, strangers = self.influence.shape[1], len(self.influence_elsewhere)
        both = self.influence[0] / (2 * root) - self.influence[1] / (2 * other)
        variance = (both**2).sum() / (images * (images - 1))
        elsewhere = self.influence_elsewhere / (2 * other)
        variance += (elsewhere**2).sum() / (strangers * (strangers - 1))
        return float(root - other), float(np.sqrt(variance))


def closed(family: Gains, before: Gains, distances: Distances) -> Closed:
    """Measures the share that a family closes beside the levels that were there before."""
    images = distances.own.shape[1]
    counted = 1 - np.eye(images, dtype=np.float32)
    own, by_anchor = _share(family.own, before.own, distances.own, counted)
    everywhere = np.ones_like(distances.elsewhere)
    other, by_stranger = _share(family.elsewhere, before.elsewhere, distances.elsewhere, everywhere)
    within, between = float(own.mean()), float(other.mean())
    as_anchor = by_anchor.sum(1) / (images - 1)
    as_stranger = by_stranger.mean(1)
    return Closed(
        within,
        between,
        within + as_anchor,
        between + as_stranger,
        np.stack([own - within + as_anchor, other - between]),
        as_stranger,
    )


def shares_of_levels(family: Gains, distances: Distances) -> np.ndarray:
    """Divides the statistic of a family among its levels.

    What a pair gains belongs to the level that is best for it; where none is better than the
    identity, to the best single level, which it does without.
    """
    images = distances.own.shape[1]
    counted = 1 - np.eye(images, dtype=np.float32)
    shares = np.zeros(len(family.own))
    for sign, gains, distance, which in (
        (1, family.own, distances.own, counted),
        (-1, family.elsewhere, distances.elsewhere, np.ones_like(distances.elsewhere)),
    ):
        best, single, _ = _chosen(gains, which)
        rest = (np.maximum(distance - single, 0) * which).sum(0)
        share = sign * (best - single) * which / np.maximum(rest, _TINY) / images
        without = (gains * which).sum(1).argmax(0)
        level = np.where(best > 0, gains.argmax(0), without)
        np.add.at(shares, level.ravel(), share.ravel())
    return shares


def _share(
    family: np.ndarray, before: np.ndarray, distance: np.ndarray, counted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Computes the share closed of each moved image, and the influence of each anchor on it.

    Args:
        family: Gains [level, anchor, moved].
        before: Those that were there before.
        distance: [anchor, moved].
        counted: 1 where a pair counts, else 0.
    """
    earlier = _chosen(before, counted)
    best, single, _ = _chosen(family, counted, earlier)
    gain = (best - single - (earlier[0] - earlier[1])) * counted
    rest = np.maximum(distance - single, 0) * counted
    whole = np.maximum(rest.sum(0), _TINY)
    share = gain.sum(0) / whole
    return share, (gain - share * rest) * counted.sum(0) / whole


def _chosen(
    gains: np.ndarray,
    counted: np.ndarray,
    before: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gain of the best level for each pair, that of the best single level, and its total.

    Args:
        gains: [level, anchor, moved].
        counted: 1 where a pair counts, else 0.
        before: What was chosen of the levels that come before; None: the identity alone.
    """
    nothing = np.zeros(gains.shape[1:], gains.dtype)
    best, single, top = before or (nothing, nothing, nothing[0])
    for level in gains:
        best = np.maximum(best, level)
        total = (level * counted).sum(0)
        single = np.where(total > top, level, single)
        top = np.maximum(top, total)
    return best, single, top
