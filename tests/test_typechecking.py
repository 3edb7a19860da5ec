"""The type checker of the tests sees a wrong shape, in each test anew."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from invariscope.effects.relabelling import is_lower
from typechecking import MOST


@pytest.mark.parametrize("test", ["one", "the next"])
def test_a_wrong_shape_is_an_error_among_the_first_calls(test):
    right = np.ones((2, 3), np.int64)
    with pytest.raises(TypeCheckError, match="is_lower"):
        is_lower(right, right[0])
    for _ in range(MOST):
        is_lower(right, right)
    assert not is_lower(right, right[:, :1]).any()  # of another number of classes: not seen now
