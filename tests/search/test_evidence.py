"""The two tests whether a family closes more in a class than elsewhere."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from invariscope.search.closing import Closed
from invariscope.search.evidence import MARGIN, evidence, permuted


def share(own, strangers, within=0.3, between=0.0, spread=10.0):
    """A share whose t test says nothing, unless its influences are small."""
    images = len(own)
    influence = spread * np.where(np.arange(images) % 2, 1.0, -1.0)
    return Closed(
        within, between, np.array(own), np.array(strangers), np.zeros(images),
        np.stack([influence, 0 * influence]), np.zeros(len(strangers)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_permutations_are_counted_exactly(seed):
    """Against going through all ways to draw 4 of 10."""
    rng = np.random.default_rng(seed)
    own, others = rng.integers(0, 5, 4), rng.integers(0, 4, 6)
    everyone = np.concatenate([own, others])
    sums = [sum(drawn) for drawn in combinations(everyone.tolist(), 4)]
    assert permuted(own, others) == pytest.approx(np.mean(np.array(sums) >= own.sum()))


def test_equal_points_are_the_hypergeometric_law():
    own = np.array([4] * 6 + [0] * 34)
    assert permuted(own, np.zeros(64, int)) == pytest.approx(stats.hypergeom.sf(5, 104, 40, 6))
    assert permuted(np.zeros(40, int), np.zeros(64, int)) == 1
    assert permuted(own, np.full(64, 4)) == pytest.approx(1)


@pytest.mark.parametrize("scale", [1, 2])
def test_many_images_follow_the_normal_law_of_the_counted_ones(scale, monkeypatch):
    rng = np.random.default_rng(0)
    own, others = rng.integers(0, 4 + scale, 150), rng.integers(0, 4, 64)
    counted = permuted(own, others)
    monkeypatch.setattr("invariscope.search.evidence._COUNTED", 100)
    assert 1e-9 < counted < 0.2
    assert np.log(permuted(own, others)) == pytest.approx(np.log(counted), rel=0.06)
    assert permuted(np.full(150, 2), np.full(64, 2)) == 1


def test_a_minority_is_told_by_its_anchors():
    """12 of 40 images lie above all strangers: the t test alone would not see them."""
    minority = [0.5] * 12 + [0.0] * 28
    p = evidence(share(minority, [0.02] * 64))
    assert p == pytest.approx(2 * stats.hypergeom.sf(11, 104, 40, 12))
    assert evidence(share(minority, [0.5] * 64)) > 0.5


def test_a_share_of_the_margin_is_no_evidence():
    everyone = [0.9] * 40
    assert evidence(share(everyone, [0.0] * 64, within=MARGIN, spread=1e-6)) == 1
    assert evidence(share(everyone, [0.0] * 64, within=0.3, spread=1e-6)) < 1e-20
    # an image of the class must lie above by a margin of its own
    assert evidence(share([0.05] * 40, [0.0] * 64)) > 0.5


def test_a_share_below_nothing_elsewhere_counts_as_nothing():
    """Beside other levels B may be below 0; the error of its root must not explode there."""
    nothing = share([0.0] * 40, [0.0] * 64, within=0.4, between=0.0, spread=0.1)
    below = share([0.0] * 40, [0.0] * 64, within=0.4, between=-0.2, spread=0.1)
    assert evidence(below) == evidence(nothing) < 1e-6


@pytest.mark.parametrize("law", ["exponential", "two in a hundred"])
def test_the_level_holds_where_own_anchors_are_like_strangers(law):
    rng = np.random.default_rng(0)

    def drawn(count):
        if law == "exponential":
            return rng.exponential(0.1, count)
        return 0.5 * (rng.random(count) < 0.02)

    p = np.array([evidence(share(drawn(40), drawn(64))) for _ in range(300)])
    assert np.mean(p <= 0.05) <= 0.05


def test_up_to_200_images_are_counted_and_more_are_not():
    """Two points of two images: the normal law is far from it."""
    for images in (199, 200, 201):
        own = np.array([2] * 2 + [0] * (images - 2))
        exact = stats.hypergeom.sf(1, images + 64, 2, images)
        counted = permuted(own, np.zeros(64, int)) == pytest.approx(exact, rel=1e-6)
        assert counted == (images <= 200), images
