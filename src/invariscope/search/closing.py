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
root is of the order π and steadier; the test is made on the scale √W − √B, with the influence of
each image in both its parts, as x_j and as anchor (a jackknife to first order; Efron and Stein
1981), and of each image of the other classes. Beside other levels B may be below 0, which counts
as 0: an error of √B would have no end there.

An interval needs more where images are few: there leaving one out changes which single level is
best, so `left_out` does it for each in turn.
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

    @property
    def counted(self) -> tuple[np.ndarray, np.ndarray]:
        """1 where a pair counts, else 0: an image does not meet itself."""
        images = self.own.shape[1]
        return 1 - np.eye(images, dtype=np.float32), np.ones_like(self.elsewhere)


#: The gain of the best level for each pair, that of the best single level for its moved image, and
#: the total of the latter [moved].
_Chosen = tuple[np.ndarray, np.ndarray, np.ndarray]


class Before:
    """What was chosen of the levels that were there before.

    Args:
        distances: The distances of the class.
    """

    def __init__(self, distances: Distances):
        self._distances = distances
        self.own = _nothing(distances.own)
        self.elsewhere = _nothing(distances.elsewhere)

    def joined(self, levels: Gains) -> "Before":
        """Puts more levels to them."""
        own, elsewhere = self._distances.counted
        more = Before(self._distances)
        more.own = _chosen(levels.own, own, self.own)
        more.elsewhere = _chosen(levels.elsewhere, elsewhere, self.elsewhere)
        return more


@dataclass(frozen=True)
class Closed:
    """The share that a family closes, beside others that were there before.

    Attributes:
        within: W.
        between: B.
        anchors: Σ_j gain / Σ_j what the best single levels leave, of each image as an anchor.
        strangers: The same of each anchor of another class.
        concern: What each image as an anchor adds to W, as a pseudo-value: their mean is W.
        influence: Of each image on W and on B [2, image].
        influence_elsewhere: Of each anchor of another class on B.
    """

    within: float
    between: float
    anchors: np.ndarray
    strangers: np.ndarray
    concern: np.ndarray
    influence: np.ndarray
    influence_elsewhere: np.ndarray

    @property
    def value(self) -> float:
        """W − B."""
        return self.within - self.between

    def on_roots(self, margin: float = 0.0) -> tuple[float, float]:
        """√W − √(B + margin), and its standard error to first order."""
        root = np.sqrt(max(self.within, _TINY))
        other = np.sqrt(max(max(self.between, 0) + margin, _TINY))
        images, strangers = self.influence.shape[1], len(self.influence_elsewhere)
        both = self.influence[0] / (2 * root) - self.influence[1] / (2 * other)
        variance = (both**2).sum() / (images * (images - 1))
        elsewhere = self.influence_elsewhere / (2 * other)
        variance += (elsewhere**2).sum() / (strangers * (strangers - 1))
        return float(root - other), float(np.sqrt(variance))


def closed(family: Gains, before: Before, distances: Distances) -> Closed:
    """Measures the share that a family closes beside the levels that were there before."""
    counted, everywhere = distances.counted
    own, by_anchor, anchors = _share(family.own, before.own, distances.own, counted)
    other, by_stranger, strangers = _share(
        family.elsewhere, before.elsewhere, distances.elsewhere, everywhere
    )
    within, between = float(own.mean()), float(other.mean())
    as_anchor = by_anchor.sum(1) / (distances.own.shape[1] - 1)
    return Closed(
        within,
        between,
        anchors,
        strangers,
        within + as_anchor,
        np.stack([own - within + as_anchor, other - between]),
        by_stranger.mean(1),
    )


def left_out(family: Gains, distances: Distances) -> tuple[float, float]:
    """√W − √B of a family by itself, and its standard error by leaving out each image in turn.

    An image leaves as an anchor and as a moved image at once, and the best single level of every
    other one is chosen anew (the delete-one jackknife; Efron and Stein 1981).
    """
    counted, everywhere = distances.counted
    own, fewer = _without_each(family.own, distances.own, counted)
    other, fewer_strangers = _without_each(family.elsewhere, distances.elsewhere, everywhere)
    images = len(own)
    within = (fewer * counted).sum(1) / (images - 1)
    between = (other.sum() - other) / (images - 1)
    value = np.sqrt(own.mean()) - np.sqrt(other.mean())
    each = np.sqrt(within.clip(0)) - np.sqrt(between.clip(0))
    elsewhere = np.sqrt(fewer_strangers.mean(1).clip(0))
    variance = sum((len(left) - 1) * left.var() for left in (each, elsewhere))
    return float(value), float(np.sqrt(variance))


def shares_of_levels(family: Gains, distances: Distances) -> np.ndarray:
    """Divides the statistic of a family among its levels.

    What a pair gains belongs to the level that is best for it; where none is better than the
    identity, to the best single level, which it does without.
    """
    images = distances.own.shape[1]
    counted, everywhere = distances.counted
    shares = np.zeros(len(family.own))
    for sign, gains, distance, which in (
        (1, family.own, distances.own, counted),
        (-1, family.elsewhere, distances.elsewhere, everywhere),
    ):
        best, single, _ = _chosen(gains, which, _nothing(distance))
        rest = (np.maximum(distance - single, 0) * which).sum(0)
        share = sign * (best - single) * which / np.maximum(rest, _TINY) / images
        without = (gains * which).sum(1).argmax(0)
        level = np.where(best > 0, gains.argmax(0), without)
        np.add.at(shares, level.ravel(), share.ravel())
    return shares


def _share(
    family: np.ndarray, earlier: _Chosen, distance: np.ndarray, counted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes the share closed of each moved image, the influence of each anchor, its own share.

    Args:
        family: Gains [level, anchor, moved].
        earlier: What was chosen before.
        distance: [anchor, moved].
        counted: 1 where a pair counts, else 0.
    """
    best, single, _ = _chosen(family, counted, earlier)
    gain = (best - single - (earlier[0] - earlier[1])) * counted
    rest = np.maximum(distance - single, 0) * counted
    whole = np.maximum(rest.sum(0), _TINY)
    share = gain.sum(0) / whole
    of_anchor = gain.sum(1) / np.maximum(rest.sum(1), _TINY)
    return share, (gain - share * rest) * counted.sum(0) / whole, of_anchor


def _without_each(
    family: np.ndarray, distance: np.ndarray, counted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The share of each moved image, and the same without each anchor [anchor, moved]."""
    gains = np.concatenate([np.zeros((1, *distance.shape)), family]) * counted
    best, whole, total = gains.max(0), (distance * counted).sum(0), gains.sum(1)
    single = total.max(0)
    share = (best.sum(0) - single) / np.maximum(whole - single, _TINY)
    single = (total[:, None] - gains).max(0)
    rest = whole - distance * counted - single
    return share, (best.sum(0) - best - single) / np.maximum(rest, _TINY)


def _nothing(distance: np.ndarray) -> _Chosen:
    """The identity alone."""
    nothing = np.zeros(distance.shape, np.float32)
    return nothing, nothing, nothing[0]


def _chosen(gains: np.ndarray, counted: np.ndarray, before: _Chosen) -> _Chosen:
    """Chooses among more levels [level, anchor, moved]."""
    best, single, top = before
    for level in gains:
        best = np.maximum(best, level)
        total = (level * counted).sum(0)
        single = np.where(total > top, level, single)
        top = np.maximum(top, total)
    return best, single, top
