"""Rules say which and how far, the evidence how often; images are moved no farther than that."""

import numpy as np
import pytest
import torch

from invariscope.gate import parse_rule
from invariscope.gate.measuring import need_of
from invariscope.improving.policy import OFTEN, SOMETIMES, ingredients, policy_of

CLASSES = ["a", "b", "c"]


def made(texts, weak):
    needs = [need_of(parse_rule(text), "standard", {}) for text in texts]
    return ingredients(needs, dict(zip(texts, weak, strict=True)), CLASSES)


def test_weak_classes_are_moved_more_often():
    (turn,) = made(["rotate@<=15deg accuracy >= 50%"], [[True, False, True]])
    assert turn.chances == (OFTEN, SOMETIMES, OFTEN)
    assert turn.transformation.signed
    assert turn.transformation.magnitudes == pytest.approx(np.linspace(0, 15, 9))


def test_a_rule_for_a_class_asks_for_that_class():
    (turn,) = made(["rotate@<=15deg accuracy for b >= 50%"], [[True, True, True]])
    assert turn.chances == (SOMETIMES, OFTEN, SOMETIMES)


def test_rules_of_one_family_are_one_ingredient_up_to_the_farthest():
    texts = ["rotate@<=15deg accuracy >= 50%", "rotate@<=30deg relative_invariance >= 0.5"]
    (turn,) = made(texts, [[True, False, False], [False, True, False]])
    assert turn.chances == (OFTEN, OFTEN, SOMETIMES)
    assert turn.farthest == "±30°"
    assert turn.rules == tuple(texts)


def test_whole_levels_and_elements_are_no_steps_between():
    texts = ["posterize@>=4bits accuracy >= 50%", "flip_horizontal accuracy >= 50%",
             "C4@=90deg accuracy >= 50%"]  # fmt: skip
    bits, flip, turn = made(texts, [[True] * 3] * 3)
    assert bits.transformation.magnitudes == (8, 7, 6, 5, 4)
    assert flip.transformation.magnitudes == (0, 1)
    assert turn.transformation.magnitudes == (0, 1)


def test_images_are_as_often_and_as_far_moved_as_it_says():
    (dim,) = made(["brightness_down@>=0.5 accuracy >= 50%"], [[True, False, True]])
    policy = policy_of([dim])
    rng = torch.Generator().manual_seed(0)
    draws = torch.rand(3000, policy.num_draws, generator=rng, dtype=torch.float64)
    labels = torch.arange(3000) % 3
    out = policy.augment(torch.ones(3000, 3, 2, 2), draws, labels).mean((1, 2, 3))
    assert out.min() == pytest.approx(0.5)
    assert out.max() == 1
    for number, chance in enumerate(dim.chances):
        moved = float((out[labels == number] < 1).double().mean())
        assert moved == pytest.approx(chance * 8 / 9, abs=0.04)  # level 0 is drawn as well
