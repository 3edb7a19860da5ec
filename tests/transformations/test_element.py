"""Elements as values: the axioms of a group of motions, exactness, one canonical form, keys."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.transformations import Element

PIXELS = st.integers(-40, 40)
ANY = st.builds(Element, st.integers(1, 12), st.integers(-20, 20), st.booleans(), PIXELS, PIXELS)
QUARTER = st.builds(Element, st.just(4), st.integers(0, 3), st.booleans(), PIXELS, PIXELS)


def whole(element):
    """The motion as a 3 × 3 matrix."""
    return np.vstack([element.matrix()[0], [0, 0, 1]])


@given(a=ANY, b=ANY, c=ANY)
def test_the_axioms(a, b, c):
    assert (a @ b) @ c == a @ (b @ c)
    assert hash((a @ b) @ c) == hash(a @ (b @ c))
    assert ((a @ b) @ c).key == (a @ (b @ c)).key
    assert a @ Element() == Element() @ a == a
    assert a @ ~a == ~a @ a == Element()
    assert ~(a @ b) == ~b @ ~a
    assert ~~a == a


@given(a=ANY, b=ANY)
def test_matrices_multiply_like_elements(a, b):
    assert np.allclose(whole(a @ b), whole(a) @ whole(b), atol=1e-9)
    assert np.allclose(whole(~a), np.linalg.inv(whole(a)), atol=1e-9)


@given(a=QUARTER, b=QUARTER)
def test_quarter_turns_flips_and_whole_shifts_are_exact(a, b):
    assert (whole(a @ b) == whole(a) @ whole(b)).all()
    assert (whole(a) @ whole(~a) == np.eye(3)).all()
    for element in (a, a @ b, ~a):
        assert (element.matrix() == np.round(element.matrix())).all()
        assert not np.signbit(element.matrix()[element.matrix() == 0]).any()


@given(a=ANY, b=ANY)
def test_equal_keys_are_equal_motions(a, b):
    assert (a == b) == (a.key == b.key) == np.allclose(whole(a), whole(b), atol=1e-5)
    assert (a.key == "identity") == (a == Element())


def test_one_form_of_equal_elements():
    assert Element(8, 2) == Element(4, 1) == Element(4, 5) == Element(4, -3)
    assert Element(6, 3, True).key == Element(2, 1, True).key == "flip_vertical=1"
    assert Element(7, 0) == Element() != Element(right=1)
    assert len({Element(2, 1), Element(4, 2), Element(8, 4, False, 0, 0.0)}) == 1
    assert Element(4, 1) @ Element(6, 1) == Element(12, 5)
    assert Element() != "identity"
    third = Element(3, 1)
    assert third @ third @ third == Element()


def test_what_turning_makes_of_a_shift():
    eighth = Element(8, 1) @ Element(right=2)
    assert eighth.right == pytest.approx(math.sqrt(2), abs=1e-15)
    assert eighth.down == pytest.approx(-math.sqrt(2), abs=1e-15)
    assert eighth.key == "rotate=45 shift=+1.414214,-1.414214"
    assert eighth.shown == "45°, +1.41, -1.41 px"
    back = Element(8, 7) @ eighth
    assert (back.right, back.down, back.turns) == (2.0, 0.0, 0)
    shifted = Element(4, 1, True, 8, -3)
    assert shifted.key == "flip_horizontal=1 rotate=90 shift=+8,-3"
    assert (shifted @ Element(right=1)).key == "flip_horizontal=1 rotate=90 shift=+8,-2"


def test_shifts_modulo_the_frame():
    assert Element(4, 1, False, 9, -3).modulo(8, 8) == Element(4, 1, False, 1, 5)
    assert Element(right=9, down=9).modulo(8, 4) == Element(right=1, down=1)
    assert Element(right=-8).modulo(8, 8) == Element()
    assert Element(8, 1).keeps(8, 8) is Element(4, 1).keeps(8, 4) is False
    assert Element(4, 3, True, 2).keeps(8, 8) is Element(2, 1, True).keeps(8, 4) is True


def test_what_is_not_said_is_not_done():
    assert Element(4) == Element(4, 0, False, 0.0, 0.0) == Element()


def test_messages():
    with pytest.raises(InputError, match="order 0: a turn is a part of 1, 2, 3"):
        Element(0)
    with pytest.raises(InputError, match=r"a shift by nan, 0\.0 pixels: give finite numbers"):
        Element(right=math.nan)
