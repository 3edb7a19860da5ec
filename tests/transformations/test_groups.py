"""Finite groups: the axioms, on values and on images; exactness; cells that are shared."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.sweep import make_plan
from invariscope.transformations import get_group, get_groups, get_transformation, warp
from invariscope.transformations.groups import Element, elements

NAMES = ("C1", "C4", "C5", "D1", "D3", "D4", "flip", "flip_vertical")


@pytest.mark.parametrize("name", NAMES)
def test_the_axioms(name):
    members = elements(name)
    identity = members[0]
    assert len(set(members)) == len(members)
    for a, b in itertools.product(members, repeat=2):
        assert a @ b in members
        assert a @ identity == identity @ a == a
        assert a @ ~a == ~a @ a == identity
    for a, b, c in itertools.product(members, repeat=3):
        assert (a @ b) @ c == a @ (b @ c)


@pytest.mark.parametrize("name", ["C4", "D4", "D2", "flip", "flip_vertical"])
def test_the_action_on_images_is_exact_and_a_homomorphism(name):
    image = torch.rand(1, 3, 7, 7)
    for a, b in itertools.product(elements(name), repeat=2):
        one_by_one = warp(warp(image, b.matrix()), a.matrix())
        assert torch.equal(one_by_one, warp(image, (a @ b).matrix()))
        assert torch.equal(warp(warp(image, a.matrix()), (~a).matrix()), image)


@given(turns=st.integers(0, 7), mirrored=st.booleans(), other=st.integers(0, 7))
def test_matrices_multiply_like_elements(turns, mirrored, other):
    a, b = Element(8, turns, mirrored), Element(8, other, not mirrored)
    product = torch.as_tensor(a.matrix()[0, :, :2] @ b.matrix()[0, :, :2])
    assert torch.allclose(product, torch.as_tensor((a @ b).matrix()[0, :, :2]), atol=1e-12)


def test_what_the_elements_do():
    image = torch.rand(2, 3, 6, 6)
    c4, d4 = get_group("C4"), get_group("D4")
    assert [c4.describe(level) for level in c4.levels] == ["0°", "90°", "180°", "270°"]
    assert d4.describe(5) == "flip, 90°"
    assert c4(image, 0) is image
    for level in range(4):
        assert torch.equal(c4(image, level), image.rot90(level, (2, 3)))
        assert torch.equal(d4(image, 4 + level), image.flip(3).rot90(level, (2, 3)))
    assert len({tuple(d4(image, level).flatten().tolist()) for level in range(8)}) == 8
    assert torch.equal(get_group("flip")(image, 1), image.flip(3))
    assert torch.equal(get_group("flip_vertical")(image, 1), image.flip(2))
    assert len(get_group("D8").levels) == 16
    assert torch.allclose(get_group("C8")(image, 1), get_transformation("rotate=45")(image, 1))


def test_elements_share_cells_with_equal_transformations():
    chosen = (*get_groups("C4,D4,C8"), get_transformation("rotate=90"))
    plan = make_plan((*chosen, get_transformation("flip_horizontal")), twin=False, floor=False)
    # identity, 7 rotations of C8 (those of C4, D4 and rotate among them), 4 flips of D4
    assert len(plan.cells) == 1 + 7 + 4
    both = (get_group("flip_vertical"), get_group("D4"))
    assert both[0].operation(1) == both[1].operation(6) == "flip_vertical=1"
    assert get_transformation("flip_vertical").operation(1) == "flip_vertical=1"
    circular = get_groups("C8", chosen[0].resampling.__class__(border="circular"))
    assert circular[0].operation(1) != get_group("C8").operation(1)


@pytest.mark.parametrize(
    ("name", "message"),
    [("G4", "unknown group 'G4': C4, C8, D4, D8"), ("C0", "from 1 to 360"), ("C999", "C999")],
)
def test_messages(name, message):
    with pytest.raises(InputError, match=message):
        get_group(name)
    with pytest.raises(InputError, match="have no product"):
        Element(4, 1, False) @ Element(8, 1, False)
