"""A margin of accuracy: rarely called kept where it was lost, and never for want of images."""

import numpy as np
import pytest

from invariscope.errors import InputError
from invariscope.statistics.non_inferiority import non_inferiority


def drawn(gained, missed, n, seed, times):
    """Answers of two models that differ with these chances, many times."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        kind = rng.choice(3, size=n, p=[gained, missed, 1 - gained - missed])
        yield np.isin(kind, (1, 2)), np.isin(kind, (0, 2))


@pytest.mark.parametrize(
    ("gained", "missed", "n"), [(0.02, 0.03, 1000), (0.0, 0.05, 300), (0.1, 0.12, 500)]
)
def test_what_lost_the_margin_is_called_kept_in_five_of_a_hundred(gained, missed, n):
    margin = missed - gained
    ends = [non_inferiority(*pair, margin).outcome for pair in drawn(gained, missed, n, 0, 2000)]
    assert 0.02 < ends.count("kept") / len(ends) < 0.062
    assert ends.count("lost") / len(ends) < 0.062


def test_what_lost_nothing_is_found_to_be_kept_with_enough_images():
    ends = [non_inferiority(*pair, 0.01).outcome for pair in drawn(0.02, 0.02, 5000, 1, 100)]
    assert ends.count("kept") > 90
    (few,) = drawn(0.02, 0.02, 200, 1, 1)
    found = non_inferiority(*few, 0.01)
    assert found.outcome == "undecided"
    assert found.points == "1 point"
    assert non_inferiority(*few, 0.005).points == "0.5 points"
    assert found.needs is not None
    assert 1000 < found.needs < 20000


def test_a_loss_is_shown():
    (pair,) = drawn(0.0, 0.05, 2000, 2, 1)
    found = non_inferiority(*pair, 0.01)
    assert found.outcome == "lost"
    assert found.low < found.difference < found.high < -0.01
    assert found.after - found.before == pytest.approx(found.difference)


def test_the_ends_are_those_that_the_score_does_not_reject():
    """Against the likelihood, maximised by search."""
    (pair,) = drawn(0.03, 0.04, 500, 3, 1)
    found = non_inferiority(*pair, 0.01)
    for d in (found.low, found.high):
        x = np.linspace(max(d, 0) + 1e-6, (1 + d) / 2 - 1e-6, 400_001)
        equal = 500 - found.gained - found.missed
        likely = (
            found.gained * np.log(x) + found.missed * np.log(x - d) + equal * np.log(1 - 2 * x + d)
        )
        best = x[likely.argmax()]
        score = (found.gained - found.missed - 500 * d) / np.sqrt(500 * (2 * best - d - d * d))
        assert abs(score) == pytest.approx(1.644854, rel=1e-3)


@pytest.mark.parametrize("margin", [0, -0.01, 1])
def test_a_margin_that_is_none(margin):
    with pytest.raises(InputError, match=r"give a share above 0, such as 0\.01"):
        non_inferiority(np.ones(9), np.ones(9), margin)
    with pytest.raises(InputError, match="2 or more"):
        non_inferiority(np.ones(1), np.ones(1), 0.01)
