"""What a number of seeds can tell, against simulated tests."""

import numpy as np
import pytest
from scipy import stats

from invariscope.statistics.group_sequential import plan_looks
from invariscope.statistics.power import (
    detectable,
    detectable_by,
    power,
    seeds_to_enclose,
    seeds_to_tell,
)

TRIALS = 100_000


def drawn(effect, n):
    values = effect + np.random.default_rng(0).standard_normal((TRIALS, n))
    return values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(n)


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_the_smallest_effect_is_told_in_80_percent(n):
    mean, error = drawn(detectable(n), n)
    assert (mean / error > stats.t.isf(0.025, n - 1)).mean() == pytest.approx(0.8, abs=0.01)


def test_one_seed_tells_nothing():
    assert detectable(1) == np.inf
    assert power(1e9, 1) == 0


def test_power_where_the_law_cannot_be_computed():
    assert power(1e6, 3) == 1


@pytest.mark.parametrize("effect", [0.3, 0.89, 2.0, 20.0])
def test_the_seeds_that_tell_an_effect_are_the_fewest(effect):
    n = seeds_to_tell(-effect)
    assert n is not None
    assert power(effect, n) >= 0.8
    assert power(effect, n - 1) < 0.8


@pytest.mark.parametrize(("below", "above"), [(1.0, 1.0), (0.5, 2.0), (3.0, 3.0)])
def test_the_seeds_that_enclose_a_value(below, above):
    n = seeds_to_enclose(below, above)
    assert n is not None
    for seeds, least, most in ((n, 0.79, 1.0), (n - 1, 0.0, 0.8)):
        mean, error = drawn(0.0, seeds)
        half = stats.t.isf(0.025, seeds - 1) * error
        assert least <= ((mean - half > -below) & (mean + half < above)).mean() <= most


def test_too_many_seeds():
    assert seeds_to_tell(0.0) is None
    assert seeds_to_enclose(0.0, 1.0) is None


def test_looks_cost_little_of_what_can_be_told():
    assert detectable(12) < detectable_by(plan_looks()) < 1.1 * detectable(12)
