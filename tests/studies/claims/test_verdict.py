import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from invariscope.errors import InputError
from invariscope.statistics.power import seeds_to_enclose
from invariscope.studies.claims import (
    above,
    below,
    decide,
    interval,
    not_above,
    not_below,
    not_run,
    over_seeds,
    share,
    within,
    without_verdict,
)

SPREAD = np.array([-0.03, 0.0, 0.01, 0.02])
ORDER = ["contradicted", "undecided", "supported"]
RULES = {above: 1, below: -1, not_above: -1, not_below: 1}


@settings(max_examples=25)  # each asks 41 times
@given(st.floats(-2, 2), st.sampled_from(list(RULES)))
def test_shifting_the_data_across_the_threshold_turns_the_verdict(threshold, rule):
    shifts = RULES[rule] * np.linspace(-0.5, 0.5, 41)
    verdicts = [rule(SPREAD + threshold + shift, threshold).verdict for shift in shifts]
    assert verdicts == sorted(verdicts, key=ORDER.index)
    assert set(verdicts) == set(ORDER)


@settings(max_examples=25)  # each asks 101 times
@given(st.floats(-2, 2), st.floats(0.2, 1))
def test_within_is_supported_between_contradicted_on_both_sides(low, width):
    shifts = np.linspace(low - 0.5, low + width + 0.5, 101)
    verdicts = [within(SPREAD + shift, low, low + width).verdict for shift in shifts]
    runs = [verdicts[0]]
    runs += [new for old, new in pairwise(verdicts) if new != old]
    assert runs == ["contradicted", "undecided", "supported", "undecided", "contradicted"]


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=9).filter(lambda v: np.std(v) > 1e-3))
def test_a_verdict_is_the_two_sided_test_at_5_percent(values):
    test = stats.ttest_1samp(values, 0.1)
    side = "supported" if np.mean(values) > 0.1 else "contradicted"
    part = above(values, 0.1)
    assert part.verdict == (side if test.pvalue < 0.05 else "undecided")
    assert part.p == pytest.approx(test.pvalue, abs=1e-9)
    # Two one-sided tests, each at 2.5 %.
    tost = max(
        stats.ttest_1samp(values, -0.5, alternative="greater").pvalue,
        stats.ttest_1samp(values, 0.5, alternative="less").pvalue,
    )
    assert (within(values, -0.5, 0.5).verdict == "supported") == (tost < 0.025)


@pytest.mark.parametrize("values", [[0.031] * 3, [0.0] * 4, [0.25, 0.25]])
@pytest.mark.parametrize("rule", [*RULES, lambda values: within(values, -0.05, 0.5)])
def test_equal_seeds_decide_nothing(rule, values):
    part = rule(values)
    assert part.verdict == "undecided"
    assert decide("000.c2", part).verdict == "undecided"
    assert math.isnan(part.p)


def test_seeds_that_differ_by_an_image_decide_by_the_images_tested():
    few, many = (over_seeds([0.031] * 3, resolution=1 / images) for images in (32, 10_000))
    assert above(few).verdict == "undecided"
    assert above(few).p == pytest.approx(0.23, abs=0.01)
    assert above(many).verdict == "supported"
    zero = over_seeds([0.0] * 4, resolution=1 / 1000)
    assert [rule(zero).verdict for rule in RULES] == ["undecided"] * 4
    assert within(zero, -0.03, 0.03).verdict == "supported"


def test_a_part_without_p_is_not_decided():
    part = replace(above(YES), p=math.nan)
    assert decide("000.c2", part).verdict == "undecided"


def test_looking_often_asks_for_more():
    part = above([0.1, 0.14, 0.2, 0.09])
    assert 0.001 < part.p < 0.05
    assert decide("000.c2", part).verdict == "supported"
    assert decide("000.c2", part, level=0.001).verdict == "undecided"


def test_within_says_how_many_seeds_it_needs():
    part = within([0.01, -0.04, 0.02], -0.03, 0.03)
    assert part.verdict == "undecided"
    spread = float(np.std([0.01, -0.04, 0.02], ddof=1))
    needed = seeds_to_enclose(0.03 / spread, 0.03 / spread)
    assert needed is not None
    assert part.note == f"needs {needed} seeds at this spread if there is no difference"
    draw = np.random.default_rng(0).normal(0, spread, size=(4000, needed))
    held = np.array([within(row, -0.03, 0.03).verdict == "supported" for row in draw[:1000]])
    assert held.mean() == pytest.approx(0.8, abs=0.05)
    assert within([10.0, -10.0], -0.01, 0.01).note.startswith("needs more than 10000 seeds")
    assert "needs" not in within([0.5], -0.03, 0.03).note


def test_numbers_without_a_verdict():
    found = decide("000.c2", above(YES), ran_on="toys", note="seen")
    trial = without_verdict(found, "a trial run")
    assert (trial.verdict, trial.note) == ("not run", "a trial run; seen")
    assert trial.parts[0].verdict == "undecided"
    assert trial.statistic == found.statistic


def test_one_seed_or_an_undefined_number_decides_nothing():
    for found in ([0.5], [math.nan, math.nan], [math.nan, 0.5]):
        for rule in (above, below):
            assert rule(found, 0.1).verdict == "undecided"
            assert decide("000.c2", rule(found, 0.1)).verdict == "undecided"
    assert above([0.5], 0.1).note == "one seed has no interval"


def test_within_takes_the_lower_end_first():
    with pytest.raises(InputError, match=r"within 0.1 to -0.1: give the lower end first"):
        within([0, 1], 0.1, -0.1)


YES, NO = [0.5, 0.51, 0.52], [-0.5, -0.51, -0.52]
MAYBE = [-0.3, 0.1, 0.3]


@pytest.mark.parametrize(
    ("parts", "verdict", "statistic"),
    [
        ([YES], "supported", 0.51),
        ([NO], "contradicted", -0.51),
        ([YES, YES], "supported", 0.51),
        ([YES, MAYBE], "undecided", np.mean(MAYBE)),
        ([MAYBE, NO, YES], "contradicted", -0.51),
    ],
)
def test_parts_are_combined(parts, verdict, statistic):
    found = decide("000.c1", [above(part) for part in parts], ran_on="toys", note="seen")
    assert found.verdict == verdict
    assert found.statistic == pytest.approx(statistic)
    assert (found.id, found.ran_on, found.note, found.rule) == ("000.c1", "toys", "seen", "> 0")


def test_the_weakest_part_stands_for_a_claim_that_holds():
    weak = [0.1, 0.3, 0.2, 0.35]
    found = decide("000.c1", [above(YES), above(weak), above(YES)])
    assert found.verdict == "supported"
    assert found.statistic == pytest.approx(np.mean(weak))


def test_a_family_is_corrected():
    against = np.array([-1.0, -1.6, -1.3, -0.4])
    alone = above(against)
    assert alone.verdict == "contradicted"
    maybe = [above(MAYBE) for _ in range(9)]
    found = decide("000.c1", [alone, *maybe])
    p = [alone.p, *[part.p for part in maybe]]
    assert stats.false_discovery_control(p)[0] > 0.05
    assert found.verdict == "undecided"
    assert "adjusted p" in found.parts[0].note
    assert "10 comparisons" in found.parts[0].note


@given(st.lists(st.floats(0.1, 1), min_size=1, max_size=8))
def test_the_correction_does_not_touch_parts_that_all_hold(means):
    parts = [above(SPREAD + mean) for mean in means]
    if all(part.verdict == "supported" for part in parts):
        assert decide("000.c1", parts).verdict == "supported"


def test_a_permutation_test_takes_part():
    found = over_seeds(YES)
    assert decide("000.c16", above(found, p=0.01)).verdict == "supported"
    assert decide("000.c16", above(found, p=0.2)).verdict == "undecided"


def test_other_evidence_than_seeds():
    assert above(share(10, 10, unit="data sets"), 0.5).verdict == "supported"
    assert above(share(4, 5, unit="data sets"), 0.5).verdict == "undecided"
    assert below(interval(0.2, 0.1, 0.3, n=9, unit="images"), 0.5).verdict == "supported"


def test_claims_that_are_not_there_or_have_no_part():
    with pytest.raises(InputError, match=r"unknown claim '005.c1'"):
        decide("005.c1", above(YES))
    with pytest.raises(InputError, match=r"claim 000.c1: no part; `not_run` says why"):
        decide("000.c1", [])
    found = not_run("000.c8", "no ViT")
    assert (found.verdict, found.note, found.parts) == ("not run", "no ViT", ())
    assert math.isnan(found.statistic)
