import numpy as np
import pytest

from invariscope.studies.lab.matrices import matrix


def drawn(values):
    columns = ["x", "y", "z"]
    return matrix(
        "A <title>", "caption", values, "ab", columns,
        row_label="trained on", column_label="tested on",
    )  # fmt: skip


def test_numbers_names_and_two_widths():
    found = drawn(np.array([[0.1, 0.25, np.nan], [1.0, 0.5, 0.375]]))
    assert found.svg.count("<svg ") == 2
    assert 'aria-label="a: 0.10, 0.25, –; b: 1.00, 0.50, 0.38"' in found.svg
    assert "#0072b2" not in found.svg  # colours are the page's
    assert found.svg.count("fill: var(--model)") == 2 * 4  # the smallest stays white


def test_one_value_everywhere_and_nothing_at_all():
    assert drawn(np.full((2, 3), 0.5)).svg.count("<svg ") == 2
    assert drawn(np.full((2, 3), np.nan)).svg.count("<svg ") == 2


def test_names_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(3, 2\) values for 2 rows, 3 columns"):
        drawn(np.zeros((3, 2)))
