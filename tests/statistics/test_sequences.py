"""Confidence sequences: against their definition, and whenever one looks."""

import math

import numpy as np
import pytest
from scipy import integrate, optimize

from invariscope.statistics.estimates import estimate
from invariscope.statistics.sequences import ALPHA, reach, sequence_p, share_sequence

LOOKS = (8, 16, 32, 64, 128, 256, 512)


@pytest.mark.parametrize(("right", "n"), [(32, 32), (30, 32), (0, 9), (120, 200)])
def test_a_share_is_held_while_the_mixture_of_coins_is_not_20_times_as_likely(right, n):
    """By Jeffreys' mixture, integrated numerically."""
    whole = integrate.quad(
        lambda angle: np.sin(angle) ** (2 * right) * np.cos(angle) ** (2 * (n - right)),
        0, math.pi / 2,
    )[0] / (math.pi / 2)  # fmt: skip

    def over(p):
        return whole * ALPHA - p**right * (1 - p) ** (n - right)

    low, high = share_sequence(np.array([float(right)]), np.array([n]))
    share = right / n
    wanted_low = 0.0 if right == 0 else optimize.brentq(over, 0, share)
    wanted_high = 1.0 if right == n else optimize.brentq(over, share, 1)
    assert (low[0], high[0]) == pytest.approx((wanted_low, wanted_high), abs=1e-6)


def test_the_reach_is_that_of_the_normal_mixture():
    """The mean of n rows of variance 1 is held where the mixture is not 20 times as likely."""
    weight = (-2 * math.log(ALPHA) + math.log(1 - 2 * math.log(ALPHA))) / 128
    for n in (10, 128, 5000):
        mean = reach(np.array([n]))[0] / math.sqrt(n)
        log_mixture = n**2 * mean**2 * weight / (2 * (n * weight + 1)) - 0.5 * math.log(
            n * weight + 1
        )
        assert log_mixture == pytest.approx(-math.log(ALPHA))


@pytest.mark.parametrize(
    ("law", "truth", "kind"),
    [
        (lambda rng, shape: rng.random(shape) < 0.95, 0.95, "share"),
        (lambda rng, shape: rng.random(shape) < 0.99, 0.99, "share"),
        (lambda rng, shape: rng.standard_normal(shape), 0.0, "mean"),
        (lambda rng, shape: 1 - rng.exponential(size=shape), 0.0, "mean"),
    ],
)
def test_values_are_held_at_every_look(law, truth, kind):
    """600 runs that are looked at seven times; intervals for fixed numbers fail in a fifth."""
    values = law(np.random.default_rng(0), (LOOKS[-1], 600)) * 1.0
    always, fixed = np.ones(600, bool), np.ones(600, bool)
    for n in LOOKS[2:]:
        plain = estimate(values[:n], kind=kind)
        for held, anytime in ((always, True), (fixed, False)):
            low, high = plain.at_any_time(anytime).interval(seed=0)
            held &= (low <= truth) & (truth <= high)
    assert always.mean() > 0.95
    assert fixed.mean() < always.mean()


def test_p_at_any_time_is_that_of_the_normal_mixture():
    """Ville's inequality: p is 1 over the mixture's likelihood ratio."""
    n, errors = np.array([32, 512]), np.array([2.5, 4.0])
    weight = [variance_of_mixture(int(count)) for count in n]
    for k in range(2):
        mixture = integrate.quad(
            lambda mean, k=k: math.exp(errors[k] * mean - mean**2 / 2)
            * math.exp(-(mean**2) / (2 * weight[k])) / math.sqrt(2 * math.pi * weight[k]),
            -30, 30,
        )[0]  # fmt: skip
        assert sequence_p(errors, n)[k] == pytest.approx(1 / mixture, rel=1e-6)
    assert sequence_p(np.zeros(2), n).tolist() == [1.0, 1.0]


def variance_of_mixture(n):
    """The mixture that makes the reach at 128 images as short as it can be (its docstring)."""
    return n * (-2 * math.log(ALPHA) + math.log(-2 * math.log(ALPHA) + 1)) / 128
