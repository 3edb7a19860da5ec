"""What is shown of names, and what spreadsheets get of them."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.files import read_csv, write_csv
from invariscope.outside import from_cell, to_cell, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a [b] é 猫", "a [b] é 猫"),
        ("\x1b[2J\x9b", "\\x1b[2J\\x9b"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\u202egpj", "\\u202egpj"),
        ("\u2028", "\\u2028"),
        ("no\u00a0break \u0646\u200c\u0647", "no\u00a0break \u0646\u200c\u0647"),
        ("byte \udcff", "byte \\udcff"),
    ],
)
def test_what_a_terminal_would_carry_out_is_visible(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown
    shown.encode()


def test_lines_may_stay():
    assert visible("a\nb\x1b", lines=True) == "a\nb\\x1b"


@given(st.text(st.sampled_from("'=+-@\t\r1ax.e"), max_size=5))
def test_cells_are_no_formulas_and_come_back(text):
    cell = to_cell(text)
    assert from_cell(cell) == text
    if cell[:1] in tuple("=+-@\t\r"):
        float(cell)


def test_tables_come_back(tmp_path):
    table = pd.DataFrame({"class": ["=1+1", None, "'@x"], "=n": [-1.5, 2.0, -3.0]})
    write_csv(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_text().splitlines()[:2] == ["class,'=n", "'=1+1,-1.5"]
    assert read_csv(tmp_path / "a.csv").equals(table)
