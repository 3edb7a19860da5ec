"""Groups acting on images and on maps: the axioms bit for bit, what is a group, the kernel."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.transformations import Element, Resampling, elements, is_closed, kernel, warp
from invariscope.transformations.geometry import at_grid

CIRCULAR = Resampling(border="circular")


def act(element, maps, side=None):
    """What an element of images of that side does to maps, which repeat."""
    forward, grid = element.matrix(), (maps.shape[-2], maps.shape[-1])
    image = grid if side is None else (side, side)
    return warp(maps, at_grid(forward, image, grid), CIRCULAR)


@st.composite
def worlds(draw):
    """Sides of an image and of a map of it, and three elements that take cells to cells."""
    side, cells = draw(st.integers(1, 230)), draw(st.integers(1, 12))
    motions = [
        Element(
            4,
            draw(st.integers(0, 3)),
            draw(st.booleans()),
            draw(st.integers(-30, 30)) * side / cells,
            draw(st.integers(-30, 30)) * side / cells,
        )
        for _ in range(3)
    ]
    return side, cells, motions


@given(world=worlds(), seed=st.integers(0, 9))
def test_the_action_on_maps_of_any_stride_is_a_group_action(world, seed):
    """Also where the stride, side / cells, is no whole number. A map of stride 1 is an image."""
    side, cells, (a, b, c) = world
    maps = torch.rand(2, 3, cells, cells, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(act(Element(), maps, side), maps)
    assert torch.equal(act(a @ b, maps, side), act(a, act(b, maps, side), side))
    assert torch.equal(act(~a, act(a, maps, side), side), maps)
    one_way, other = act((a @ b) @ c, maps, side), act(a @ (b @ c), maps, side)
    assert torch.equal(one_way, other)
    assert torch.equal(one_way, act(a, act(b, act(c, maps, side), side), side))


@given(
    a=st.builds(Element, st.just(2), st.integers(0, 1), st.booleans(), st.integers(-9, 9)),
    b=st.builds(Element, st.just(2), st.integers(0, 1), st.booleans(), st.integers(-9, 9)),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
)
def test_flips_and_shifts_act_on_images_of_any_aspect(a, b, height, width):
    image = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0))
    assert torch.equal(act(a @ b, image), act(a, act(b, image)))
    assert torch.equal(act(~a, act(a, image)), image)


@pytest.mark.parametrize("name", ["C4", "D4", "flip*shift_x(0..4:4)", "shift(0..16:8)"])
def test_pooling_commutes_with_the_action(name):
    """Average pooling of stride 4 is equivariant: the map moves as the image does."""
    image = torch.rand(1, 2, 24, 24, dtype=torch.float64)
    for element in elements(name):
        moved = torch.nn.functional.avg_pool2d(act(element, image), 4)
        expected = act(element, torch.nn.functional.avg_pool2d(image, 4), 24)
        assert torch.allclose(moved, expected, rtol=0, atol=1e-15), element


@pytest.mark.parametrize("border", ["zeros", "circular"])
def test_a_quarter_turn_of_what_is_not_square_is_no_group_action(border):
    """It keeps the square in the middle, exactly; the ends of the longer side do not come back."""
    quarter = Element(4, 1).matrix()
    image = torch.arange(1.0, 25.0).reshape(1, 1, 4, 6)
    turned = warp(image, quarter, Resampling(border=border))
    assert torch.equal(turned[..., 1:5], image[..., 1:5].rot90(1, (2, 3)))
    twice = warp(turned, quarter, Resampling(border=border))
    assert not torch.equal(twice, image.rot90(2, (2, 3)))
    if border == "zeros":
        assert not turned[..., [0, 5]].any()
    # An odd side and an even one: the turned pixels fall between those of the grid.
    odd = warp(image[..., :5], quarter, Resampling(border=border))
    assert not np.isin(odd[0, 0, 1:3, 1:3], image).any()


@pytest.mark.parametrize(
    ("name", "frame", "expected"),
    [
        ("C7", None, True),
        ("D8", None, True),
        ("C4*flip", None, True),
        ("C3*flip_vertical", None, True),
        ("flip*flip_vertical", (4, 9), True),
        ("C8", (8, 8), True),
        ("shift(0..7)", None, False),
        ("shift(0..7)", (8, 8), True),
        ("shift(0..6)", (8, 8), False),
        ("shift(1..32)", (224, 224), False),
        ("shift(0..220:4)", (224, 224), True),
        ("shift(0..7)", (8, 4), True),
        ("shift(0..3)", (8, 4), False),
        ("shift_x(0..3)", (8, 4), True),
        ("shift_x(0..3)*shift_y(0..7)", (8, 4), True),
        ("shift_x(0..31)*shift_y(0..31)", (32, 32), True),
        ("C4*shift(0..7)", (8, 8), False),  # turned shifts go up the other diagonal
        ("C4*shift_x(0..3)*shift_y(0..3)", (4, 4), True),
        ("C4*shift_x(0..3)*shift_y(0..3)", (4, 8), False),
        ("C2*shift(0..7)", (8, 8), True),
        # modulo the frame the shift is none, but the frame does not survive the turn
        ("C4*shift_x(8)", (4, 8), False),
        ("C8*shift_x(0..3)*shift_y(0..3)", (4, 4), False),
    ],
)
def test_which_sets_are_groups(name, frame, expected):
    assert is_closed(elements(name), frame) is expected


@given(chosen=st.sets(st.sampled_from(elements("D4*shift_x(0..1)*shift_y(0..1)")), max_size=6))
def test_closure_against_the_definition(chosen):
    """Every product and every inverse, one by one; as motions modulo a frame of 2 × 2."""
    chosen = [Element(), *chosen]
    members = {element.modulo(2, 2) for element in chosen}
    products = {(a @ b).modulo(2, 2) for a, b in itertools.product(members, repeat=2)}
    inverses = {(~a).modulo(2, 2) for a in members}
    assert is_closed(chosen, (2, 2)) is (products | inverses <= members)


def test_an_empty_set_and_one_without_the_identity_are_no_groups():
    assert not is_closed([])
    assert not is_closed([Element(2, 1)])


@pytest.mark.parametrize(
    ("name", "image", "grid", "border", "expected"),
    [
        ("D4", (8, 8), None, "zeros", range(8)),
        ("C4*shift(0..3)", (8, 8), (1, 1), "zeros", range(16)),
        ("D4", (8, 8), (2, 2), "circular", [0]),
        ("shift(0..16:4)", (8, 8), (2, 2), "circular", [0, 2, 4]),
        ("shift(0..16:4)", (8, 8), (2, 2), "zeros", [0]),
        ("shift_x(0..8:4)*shift_y(0..16:4)", (16, 8), (4, 2), "circular", [0, 2, 12, 14]),
        ("flip*flip_vertical", (8, 8), (1, 4), "circular", [0, 2]),
        ("flip*flip_vertical", (8, 8), (4, 1), "zeros", [0, 1]),
        ("C4*shift_y(3)", (8, 8), (1, 4), "circular", [0, 4]),
        ("C4*shift_y(3)", (8, 8), (1, 4), "zeros", [0]),
        ("shift(1..32)", (224, 224), (7, 7), "circular", [0]),
        # two rows: upside down and on by one row is where they were
        ("flip_vertical*shift_y(4)", (8, 8), (2, 3), "circular", [0, 3]),
        ("flip_vertical*shift_y(4)", (8, 8), (2, 3), "zeros", [0]),
    ],
)
def test_the_kernel(name, image, grid, border, expected):
    assert kernel(elements(name), image, grid, border=border) == tuple(expected)


@given(
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    border=st.sampled_from(["zeros", "circular"]),
    name=st.sampled_from(["D4", "D4*shift_x(-4..4:4)", "C2*shift_y(-8..8:2)", "flip*shift(0..8)"]),
)
def test_the_kernel_is_what_leaves_every_map_alone(height, width, border, name):
    """Against the action itself, on images of 8 × 8 and maps of two cells or more."""
    maps = torch.rand(1, 4, height, width, generator=torch.Generator().manual_seed(0))
    members = elements(name)
    still = [
        number
        for number, element in enumerate(members)
        if torch.allclose(
            warp(
                maps,
                at_grid(element.matrix(), (8, 8), (height, width)),
                Resampling(border=border),
            ),
            maps,
            rtol=0,
            atol=1e-6,
        )
    ]
    if (height, width) == (1, 1):
        still = list(range(len(members)))
    assert kernel(members, (8, 8), (height, width), border=border) == tuple(still)


def test_the_kernel_of_a_group_is_a_subgroup():
    members = elements("C2*shift(0..31)")
    for grid in ((4, 4), (1, 4), (1, 1), None):
        inside = kernel(members, (32, 32), grid, border="circular")
        assert 0 in inside
        assert is_closed([members[number] for number in inside], (32, 32))
