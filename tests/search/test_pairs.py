"""Pairs: none with itself, none twice, no image twice until all were used, seeded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.search.pairs import class_pairs, most_pairs


def ids(count):
    return [f"image {k}" for k in range(count)]


@given(st.integers(2, 23), st.integers(1, 300), st.integers(0, 5))
def test_what_must_hold_of_any_list_of_pairs(images, count, seed):
    pairs = class_pairs(ids(images), count, seed)
    assert len(pairs) == min(count, images * (images - 1) // 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs)
    assert pairs.min() >= 0
    assert pairs.max() < images
    # until the last image has had its turn, none comes back (with an odd number: but for its mate)
    uses = np.zeros(images, dtype=int)
    for one, other in pairs:
        if (uses == 0).any():
            assert (uses[one] == 0) or (uses[other] == 0)
            assert uses[one] + uses[other] == 0 or (uses == 0).sum() == 1
        uses[one] += 1
        uses[other] += 1
    assert uses.max() - uses.min() <= 2


def test_pairs_do_not_depend_on_the_order_or_the_number_asked_for():
    names = ids(9)
    pairs = [tuple(names[k] for k in pair) for pair in class_pairs(names, 20, 1)]
    turned = names[::-1]
    again = [tuple(turned[k] for k in pair) for pair in class_pairs(turned, 20, 1)]
    assert pairs == again
    fewer = [tuple(names[k] for k in pair) for pair in class_pairs(names, 7, 1)]
    assert fewer == pairs[:7]
    assert pairs != [tuple(names[k] for k in pair) for pair in class_pairs(names, 20, 2)]


def test_either_image_may_be_the_anchor():
    names = ids(40)
    anchors = [pair[0] < pair[1] for pair in class_pairs(names, most_pairs(40), 0)]
    assert 0.4 < np.mean(anchors) < 0.6


@pytest.mark.parametrize("images", [0, 1])
def test_no_pair_without_two_images(images):
    assert class_pairs(ids(images), 5, 0).shape == (0, 2)
