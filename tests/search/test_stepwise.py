"""Which families are found: by simulation on embeddings whose factors are known."""

import numpy as np
import pytest

from invariscope.search.closing import Closed, Distances, Gains
from invariscope.search.stepwise import MARGIN, _exceedance, decide

WIDTH = 48
TURN, MIRROR, SHRINK, NOISE = range(4)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def turned(vectors, angle, plane=0):
    """Turns two features into each other, as a picture's turning moves its embedding."""
    a, b = 2 * plane, 2 * plane + 1
    moved = vectors.copy()
    moved[:, a] = np.cos(angle) * vectors[:, a] - np.sin(angle) * vectors[:, b]
    moved[:, b] = np.sin(angle) * vectors[:, a] + np.cos(angle) * vectors[:, b]
    return moved


def levels(rng):
    """Turning, mirroring, an operation that erases, and two that do something else."""
    somewhere = rng.normal(size=(2, WIDTH)) * 0.1
    return [
        [lambda x, a=a: turned(x, a) for a in (-0.8, -0.4, 0.4, 0.8)],
        [lambda x: x * np.where(np.arange(WIDTH) == 4, -1.0, 1.0)],
        [lambda x, s=s: (1 - s) * x + s * x.mean(0) for s in (0.3, 0.6)],
        [lambda x, d=d: x + d for d in somewhere],
    ]


def simulated(seed, vary, count=40, strangers=64, law=None):
    """Decides on a class of `count` images about one point of a law, which `vary` moves."""
    law = np.random.default_rng(seed if law is None else law)
    rng = np.random.default_rng([seed, 1])
    base = law.normal(size=WIDTH)
    base[[0, 4]] = 3.0
    images = unit(vary(rng, np.tile(base, (count, 1))) + 0.25 * rng.normal(size=(count, WIDTH)))
    others = unit(rng.normal(size=(strangers, WIDTH)))
    families, finer = [], []
    similarity = images @ images.T, others @ images.T
    for family in levels(law):
        moved = [unit(level(images)) for level in family]
        gains = [
            np.array([side @ m.T - s for m in moved], np.float32)
            for side, s in zip((images, others), similarity, strict=True)
        ]
        families.append(Gains(*gains))
        between = [unit(images + m) for m in moved]
        more = [
            np.array([side @ m.T - s for m in between], np.float32)
            for side, s in zip((images, others), similarity, strict=True)
        ]
        finer.append(families[-1].joined(Gains(*more)))
    distances = Distances(*((1 - s).astype(np.float32) for s in similarity))
    return decide(families, finer, distances)


def nothing(rng, x):
    return x


def turning(rng, x):
    return np.concatenate([turned(row[None], rng.uniform(-0.9, 0.9)) for row in x])


def mirroring(rng, x):
    return x * np.where((np.arange(WIDTH) == 4) & (rng.random((len(x), 1)) < 0.5), -1.0, 1.0)


def mixture(rng, x):
    return np.where(rng.random((len(x), 1)) < 0.7, turning(rng, x), mirroring(rng, x))


def fading(rng, x):
    """Some images are more of a kind than others: what an operation that erases undoes."""
    return x + rng.uniform(0, 0.5, (len(x), 1)) * rng.normal(size=x.shape)


def found(decisions, tests=16):
    return {place for place, decision in enumerate(decisions) if decision.p * tests < 0.05}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("vary", "family"), [(turning, TURN), (mirroring, MIRROR)])
def test_a_symmetric_variation_is_found_and_nothing_else(vary, family, seed):
    decisions = simulated(seed, vary)
    assert found(decisions) == {family}
    assert max(decisions, key=lambda d: d.alone.value) is decisions[family]


def test_both_parts_of_a_mixture_are_found():
    tables = [found(simulated(seed, mixture)) for seed in range(20)]
    assert all(TURN in table and table <= {TURN, MIRROR} for table in tables)
    assert sum(table == {TURN, MIRROR} for table in tables) >= 15


@pytest.mark.parametrize("vary", [nothing, fading])
def test_where_nothing_of_the_pool_varies_few_tables_hold_a_find(vary):
    tables = [found(simulated(seed, vary, count=24, strangers=32), 4) for seed in range(600)]
    assert sum(map(bool, tables)) <= 0.05 * 600


@pytest.mark.parametrize("count", [4, 8, 16])
def test_small_classes(count):
    """Few images find little, and nothing that is not there."""
    turns = [found(simulated(seed, turning, count)) for seed in range(10)]
    assert all(places <= {TURN} for places in turns)
    assert count < 16 or sum(map(bool, turns)) >= 8
    assert not any(found(simulated(seed, nothing, count)) for seed in range(10))


def test_the_interval_covers():
    """Of √W − √B, over classes drawn anew; the truth is the mean over many."""
    values, ends = [], []
    for seed in range(150):
        share = simulated(seed, turning, count=24, strangers=48, law=0)[TURN].alone
        root, error = share.on_roots()
        values.append(root)
        ends.append((root - 2.07 * error, root + 2.07 * error))
    truth = np.mean(values)
    covered = np.mean([low <= truth <= high for low, high in ends])
    assert 0.88 <= covered <= 1


def test_margin_is_not_found():
    """A share of no more than the margin is never found, however sure."""
    decisions = simulated(0, nothing)
    for decision in decisions:
        if decision.alone.value <= MARGIN:
            assert decision.p == 1 or decision.beside


def test_beside_itself_a_family_adds_nothing():
    decisions = simulated(1, turning)
    assert decisions[TURN].beside == ()
    for place in (MIRROR, SHRINK, NOISE):
        assert decisions[place].beside[:1] == (TURN,)
        assert decisions[place].added < decisions[TURN].added


def test_a_minority_is_told_by_counting():
    """3 of 4 anchors lie above all of 6 strangers by more than 0.1: 4/10 · 3/9 · 2/8."""
    strangers = np.array([0.0, 0.1, 0.2, 0.05, 0.0, 0.1])
    share = Closed(
        0.4, 0.1, np.array([0.9, 0.5, 0.31, 0.29]), strangers, np.zeros((2, 4)), np.zeros(6)
    )
    assert _exceedance(share) == pytest.approx(4 / 10 * 3 / 9 * 2 / 8)
