"""Finite groups: the axioms, on values and on images; exactness; cells that are shared."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.sweep import make_plan
from invariscope.transformations import (
    Element,
    Resampling,
    elements,
    get_group,
    get_groups,
    get_transformation,
    get_transformations,
    warp,
)
from invariscope.transformations.groups import is_group

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


def keys(name):
    return [element.key for element in elements(name)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shift(8)", ["identity", "shift=+8,+8"]),
        ("shift_x(8)", ["identity", "shift=+8,+0"]),
        ("shift_y(-8)", ["identity", "shift=+0,-8"]),
        ("shift(-1..1)", ["identity", "shift=-1,-1", "shift=+1,+1"]),
        ("shift(0..9:4)", ["identity", "shift=+4,+4", "shift=+8,+8"]),
        ("shift_y(3..7:4)", ["identity", "shift=+0,+3", "shift=+0,+7"]),
        ("shift(0)", ["identity"]),
        ("C2*shift_x(2)", ["identity", "rotate=180", "shift=+2,+0", "rotate=180 shift=-2,+0"]),
        ("shift_x(2)*C2", ["identity", "shift=+2,+0", "rotate=180", "rotate=180 shift=+2,+0"]),
    ],
)
def test_shifts_and_products(name, expected):
    assert keys(name) == expected


def test_products_are_the_groups_that_they_make():
    assert elements("C4*flip") == elements("D4")
    assert set(elements("flip*flip_vertical")) == set(elements("D2"))
    assert set(elements("flip*C4")) == set(elements("D4*D4")) == set(elements("D4"))
    assert set(elements("C4*C6")) == set(elements("C12"))
    assert len(elements("shift_x(0..3)*shift_y(0..3)")) == 16
    assert keys("shift(1..32)")[1:] == [f"shift=+{k},+{k}" for k in range(1, 33)]
    # the other eight shifts, each turned four ways, and the four turns
    assert len(elements("C4*shift(0..8)")) == 4 * 9
    assert elements("flip*shift_x(1)*shift_y(1)") == elements("flip*shift_x(1)*shift_y(1)*C1")
    for name in ("C4*flip", "shift(4..9)", "C8*shift_x(-3..3)", "shift_y(2)*C3*flip_vertical"):
        assert elements(name)[0] == Element()
        assert len(set(elements(name))) == len(elements(name)) == len(set(keys(name)))


def test_a_product_does_its_right_factor_first():
    image = torch.rand(1, 1, 6, 6)
    acting = get_group("C4*shift_x(2)", Resampling(border="circular"))
    for level, element in enumerate(elements("C4*shift_x(2)")):
        turned = image.roll(2, 3) if level >= 4 else image
        assert torch.equal(acting(image, level), turned.rot90(level % 4, (2, 3))), element


def test_shifts_move_right_and_down():
    image = torch.rand(1, 3, 6, 5)
    circular = Resampling(border="circular")
    for name, sizes in (("shift(2)", (2, 2)), ("shift_x(-1)", (0, -1)), ("shift_y(3)", (3, 0))):
        assert torch.equal(get_group(name, circular)(image, 1), image.roll(sizes, (2, 3)))
    black = get_group("shift_x(2)")(image, 1)
    assert torch.equal(black[..., 2:], image[..., :-2])
    assert not black[..., :2].any()


def test_names_stand_in_lists_and_are_shown():
    names = ("shift(1..4)", "C4*flip", "shift_x(0..3)*shift_y(0..3)", "shift(0..32:4)")
    assert all(is_group(name) for name in names)
    assert [group.name for group in get_groups(", ".join(names))] == list(names)
    assert [item.name for item in get_transformations("rotate," + ",".join(names))][1:] == [*names]
    for name in ("C4*", "*C4", "shift", "shift()", "shift(1,2)", "shift(1..)", "C4 *flip", ""):
        assert not is_group(name)
    shift, both = get_group("shift(1..3:2)"), get_group("C2*shift_y(2)")
    assert [shift.describe(level) for level in shift.levels] == ["0 px", "+1, +1 px", "+3, +3 px"]
    assert [both.describe(level) for level in both.levels] == [
        "0°",
        "180°",
        "+0, +2 px",
        "180°, +0, -2 px",
    ]
    assert get_group("C2*flip_vertical").operation(3) == "flip_horizontal=1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("G4", "unknown group 'G4': C4, C8, D4, D8"),
        ("C4*G4", r"unknown group 'G4' in 'C4\*G4': C4.*shift_x\(1..32\).* C4\*flip work"),
        ("shift(1", r"unknown group 'shift\(1'"),
        ("C" + "9" * 5000, "unknown group 'C999"),
        ("shift(1.." + "9" * 5000 + ")", r"unknown group 'shift\(1\.\.999"),
        ("C0", "from 1 to 360"),
        ("C999", "C999"),
        ("shift(9..1)", r"shift\(9..1\) ends before it starts: shift\(1..9\) works"),
        ("shift_x(1..9:0)", r"shift_x\(1..9:0\) never moves on: .* shift_x\(1..9:1\)"),
        ("shift_y(99999)", r"shift_y\(99999\): shifts go up to 10000 pixels"),
        ("shift(1..9999)", r"the group shift\(1..9999\) has more than 1024 elements"),
        ("D360*shift(0..9)", "has more than 1024 elements, .* a smaller order, a shorter range"),
    ],
)
def test_messages(name, message):
    with pytest.raises(InputError, match=message) as raised:
        get_group(name)
    assert "\n" not in str(raised.value)
