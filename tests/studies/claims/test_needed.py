"""What an undecided claim would take."""

import math

import pytest

from invariscope.statistics.power import seeds_to_enclose, seeds_to_tell
from invariscope.studies.claims import (
    above,
    decide,
    needed,
    over_images,
    share,
    with_needed,
    within,
)
from invariscope.studies.claims.needed import thresholds

HALF = [0.1, -0.1, 0.2, 0.0]  # mean 0.05


def spread(part):
    return part.error * math.sqrt(part.n)


def test_a_threshold_takes_the_t_test():
    part = above(HALF, -0.05)
    seeds = seeds_to_tell(0.1 / spread(part), 0.03)
    assert f"about {seeds} seeds" in needed(decide("000.c2", part), 0.03)


def test_an_equivalence_takes_two_tests():
    part = within(HALF, -0.1, 0.1)
    seeds = seeds_to_enclose(0.15 / spread(part), 0.05 / spread(part))
    assert f"about {seeds} seeds" in needed(decide("000.c2", part))


def test_one_part_beyond_is_enough_but_is_corrected():
    parts = [above(HALF, 0.0, name="one"), above(HALF, 0.15, name="two")]
    seeds = seeds_to_tell(0.1 / spread(parts[1]), 0.05 / 2)
    assert f"about {seeds} seeds" in needed(decide("000.c1", parts))
    assert "(two)" in needed(decide("000.c1", parts))


def test_what_seeds_do_not_decide():
    assert "over classes, 4 of them" in needed(
        decide("000.c1", above(share(3, 4, unit="classes"), 0.5))
    )
    assert "over images" in needed(decide("000.c1", above(over_images([0.1, -0.1, 0.2]))))
    assert "one seed has no interval" in needed(decide("000.c1", above([0.5])))
    assert "more than 10,000 seeds" in needed(decide("000.c1", above([0.1, -0.1])))


def test_decided_claims_need_nothing():
    assert with_needed(decide("000.c1", above([0.1, 0.11, 0.12]))).needed == ""


@pytest.mark.parametrize(("rule", "ends"), [("≤ -0.02", [-0.02]), ("0.1 to 1e-05", [0.1, 1e-5])])
def test_thresholds_are_read(rule, ends):
    assert thresholds(rule) == ends
