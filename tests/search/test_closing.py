"""The share closed: against loops in float64, and what holds exactly."""

import numpy as np
import pytest

from invariscope.search.closing import Before, Distances, Gains, closed, left_out, shares_of_levels
from oracles.closing import reference_share


def embeddings(count, seed, width=8):
    vectors = np.random.default_rng(seed).normal(size=(count, width)) + 0.5
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def met(anchors, plain, moved):
    """Distances and gains of levels [level, moved, feature]."""
    similarity = anchors @ plain.T
    gains = [anchors @ level.T - similarity for level in moved]
    return 1 - similarity, np.array(gains).reshape(len(moved), *similarity.shape)


def of_class(images, levels, strangers=12, seed=0):
    """The distances of a class, and the gains of levels, functions of embeddings."""
    others = embeddings(strangers, seed + 100, images.shape[1])
    moved = np.array([level(images) for level in levels]).reshape(len(levels), *images.shape)
    own, elsewhere = met(images, images, moved), met(others, images, moved)
    distances = Distances(own[0].astype(np.float32), elsewhere[0].astype(np.float32))
    return distances, Gains(own[1].astype(np.float32), elsewhere[1].astype(np.float32))


def some_level(seed):
    shift = np.random.default_rng(seed).normal(size=8) * 0.4

    def level(vectors):
        moved = vectors + shift * np.sign(vectors[:, :1])
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    return level


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_those_of_loops(seed):
    images = embeddings(9, seed)
    distances, family = of_class(images, [some_level(k + seed) for k in range(3)], seed=seed)
    _, before = of_class(images, [some_level(k + 50) for k in range(2)], seed=seed)
    nothing = Gains(before.own[:0], before.elsewhere[:0])
    for earlier in (nothing, before):
        share = closed(family, Before(distances).joined(earlier), distances)
        for value, side, same in (
            (share.within, "own", True),
            (share.between, "elsewhere", False),
        ):
            expected = reference_share(
                getattr(family, side).astype(float), getattr(earlier, side).astype(float),
                getattr(distances, side).astype(float), same,
            )  # fmt: skip
            assert value == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("seed", range(3))
def test_influences_are_those_of_leaving_an_image_out(seed):
    """To first order in 1 / n: leaving one out moves the share by −influence / (n − 1)."""
    images = embeddings(40, seed)
    distances, family = of_class(images, [some_level(k) for k in range(3)], 40, seed)
    share = closed(family, Before(distances), distances)
    left_out = []
    for image in range(40):
        kept = np.delete(np.arange(40), image)
        part = distances.among(kept)
        left_out.append(closed(family.among(kept), Before(part), part).within)
    moves = -(np.array(left_out) - share.within) * 39
    assert np.corrcoef(moves, share.influence[0])[0, 1] > 0.99
    assert np.std(moves) == pytest.approx(np.std(share.influence[0]), rel=0.2)
    assert share.influence.sum(1) == pytest.approx([0, 0], abs=1e-4)


def test_leaving_out_is_that_of_doing_it():
    """Each image in turn left out of the class, and each stranger: by loops."""
    images = embeddings(10, 4)
    distances, family = of_class(images, [some_level(k) for k in range(3)], 7, 4)

    def roots(own, strangers):
        part = Distances(
            distances.own[np.ix_(own, own)], distances.elsewhere[np.ix_(strangers, own)]
        )
        gains = Gains(family.own[:, own][:, :, own], family.elsewhere[:, strangers][:, :, own])
        share = closed(gains, Before(part), part)
        return np.sqrt(share.within) - np.sqrt(share.between)

    everyone, strangers = np.arange(10), np.arange(7)
    without = [roots(np.delete(everyone, k), strangers) for k in range(10)]
    elsewhere = [roots(everyone, np.delete(strangers, k)) for k in range(7)]
    value, error = left_out(family, distances)
    assert value == pytest.approx(roots(everyone, strangers), abs=1e-5)
    assert error == pytest.approx(np.sqrt(9 * np.var(without) + 6 * np.var(elsewhere)), rel=1e-4)


def test_the_share_of_an_anchor_is_that_of_its_distances():
    images = embeddings(9, 2)
    distances, family = of_class(images, [some_level(k) for k in range(3)], seed=2)
    share = closed(family, Before(distances), distances)
    best = np.maximum(family.elsewhere.max(0), 0)
    means = np.concatenate([np.zeros((1, 9)), family.elsewhere.sum(1)])
    levels = np.concatenate([np.zeros_like(family.elsewhere[:1]), family.elsewhere])
    single = levels[means.argmax(0), :, np.arange(9)].T
    expected = (best - single).sum(1) / (distances.elsewhere - single).sum(1)
    assert share.strangers == pytest.approx(expected, abs=1e-5)
    assert share.concern.mean() == pytest.approx(share.within, abs=1e-5)


def test_nothing_closes_nothing():
    images = embeddings(8, 0)
    distances, family = of_class(images, [lambda x: x])
    share = closed(family, Before(distances), distances)
    assert (share.within, share.between) == (0, 0)


def test_an_operation_that_erases_closes_nothing():
    """Every image goes half the way to one point: nearer to all, for all pairs at one level."""
    images = embeddings(12, 1)
    distances, family = of_class(images, [lambda x: 0 * x + x.mean(0) / np.linalg.norm(x.mean(0))])
    assert (family.own.sum(1) > 0).all(), "the level brings every image nearer to all others"
    share = closed(family, Before(distances), distances)
    assert share.within < 0.1
    # and exactly nothing where it gains the same on every pair
    same = Gains(np.full_like(family.own, 0.1), np.full_like(family.elsewhere, 0.1))
    assert closed(same, Before(distances), distances).within == 0


def mirrored(vectors):
    return vectors * np.array([-1, *np.ones(vectors.shape[1] - 1)])


def half_mirrored(count=16):
    """One point and its mirror image, in turn."""
    one = embeddings(1, 3)
    return np.concatenate([one, mirrored(one)] * (count // 2))


def test_a_flip_closes_all_that_it_made():
    distances, family = of_class(half_mirrored(), [mirrored])
    share = closed(family, Before(distances), distances)
    assert share.within == pytest.approx(1, abs=1e-5)
    assert share.between < 0.5
    again = closed(family, Before(distances).joined(family), distances)
    assert (again.within, again.between) == (0, 0)  # beside itself it adds nothing


def test_levels_divide_the_statistic():
    images = embeddings(12, 5)
    distances, family = of_class(images, [some_level(k) for k in range(4)])
    share = closed(family, Before(distances), distances)
    assert shares_of_levels(family, distances).sum() == pytest.approx(share.value, abs=1e-5)
    distances, family = of_class(half_mirrored(), [some_level(0), mirrored, some_level(1)])
    shares = shares_of_levels(family, distances)
    assert shares.argmax() == 1
    assert shares[1] > 0.9 * shares.sum()
