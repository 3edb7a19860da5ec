"""The leaderboard page: what stands on it, what it escapes, what is left out where."""

import re

import numpy as np
import pytest

from invariscope.errors import InputError
from invariscope.report.leaderboard import overlays
from invariscope.report.leaderboard.page import page, render_leaderboard
from invariscope.report.leaderboard.tables import number_rows, short_names
from invariscope.report.leaderboard.text import letters_of
from invariscope.results import Leaderboard
from oracles.many import run_of


def board_of(models=5, **settings):
    return Leaderboard(
        [run_of(0.2 + 0.1 * k, f"timm:model_{k}", correct=2 + k, seed=k, **settings)
         for k in range(models)]
    )  # fmt: skip


@pytest.fixture(scope="module")
def board():
    return board_of()


@pytest.fixture(scope="module")
def whole(board):
    return page(board)


def test_it_holds_every_model_transformation_part_and_number(whole, board):
    for text in ("5 models on", "timm:model_4 stands first", "Rotation", "Horizontal shear"):
        assert text in whole
    assert whole.count('class="card"') == 2
    # 2 transformations × (levels, depth), the other metric × 2 over depth, 3 parts against accuracy
    assert whole.count('<svg class="half"') == 4 + 2 + 3
    row = board.standings.iloc[0]
    assert f"{row['value']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]" in whole
    assert "measured in the runs, on 12 untouched images" in whole
    assert "interval is over images, given these models" in whole
    assert "p is over models: all 120 orders of the 5" in whole


def test_the_same_runs_give_the_same_bytes(whole):
    assert page(board_of()) == whole


def test_nothing_is_loaded_and_no_id_is_there_twice(whole):
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', whole)
    assert "http" not in re.sub(r"http-equiv", "", whole)
    ids = re.findall(r' id="([^"]+)"', whole)
    assert len(ids) == len(set(ids))


def test_names_are_escaped():
    evil = "<script>alert(1)</script>&"
    runs = [run_of(0.5, f"{evil}{k}", correct=3 + k, seed=k) for k in range(4)]
    text = page(Leaderboard(runs))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;0" in text


def test_without_accuracy_and_with_few_models_the_page_says_so():
    text = page(Leaderboard([run_of(0.5, f"m{k}", seed=k) for k in range(4)]))
    assert "`accuracy` gives it" in text
    assert "against accuracy (" not in text
    assert "Every measure, the strongest first" not in text
    text = page(board_of(models=3))
    assert "over 3 models it is not meaningful" in text
    assert "against accuracy (" in text  # the points can be shown all the same


def test_models_without_values_and_metrics_of_any_name_and_scale():
    empty = run_of(np.nan, "empty")
    runs = [empty, *(run_of(-40.0 * k, f"m{k}", seed=k, direction="lower is more invariant")
                     for k in range(3))]  # fmt: skip
    text = page(Leaderboard(runs))
    assert "empty: relative_invariance has no value in Early, Pool, Final" in text
    assert "nan" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def test_a_long_table_is_cut_and_says_so(board):
    rows, note = number_rows(board, 1000)
    assert note == f"{len(rows)} rows."
    assert len(rows) == 5 * (2 * 3 * 3 + 2)  # accuracy: under rotation and all, in one part
    few, note = number_rows(board, 60)
    assert len(few) == 60
    assert note.startswith("60 of 100 rows: the first metric under each transformation")


def test_writing(tmp_path):
    board = board_of(models=2)
    assert render_leaderboard(board, tmp_path) == tmp_path / "leaderboard.html"
    assert board.to_html(tmp_path / "page.html").read_text() == page(board)
    with pytest.raises(InputError, match="cannot write the report"):
        board.to_html(tmp_path / "nowhere" / "page.html")


def test_every_model_has_a_mark_of_its_own():
    drawn = overlays.marks({f"m{k}": chr(65 + k) for k in range(24)})
    assert len({(mark.colour, mark.dash) for mark in drawn.values()}) == 24
    first = list(drawn.values())[:8]
    assert len({mark.colour for mark in first}) == 8
    assert len({mark.marker for mark in first}) == 8


def test_limits_hold_values_and_most_intervals(board):
    curves = board.curves
    low, high = overlays.limits_of(curves)
    assert low <= 0
    assert high >= curves["value"].max()
    large = curves.assign(value=50 * curves["value"], ci_high=60 * curves["value"])
    low, high = overlays.limits_of(large)
    assert high > large["value"].max()
    below = curves.assign(value=-0.4, ci_low=-0.45)
    assert overlays.limits_of(below)[0] == -0.5
    nothing = curves.assign(value=np.nan, ci_low=np.nan, ci_high=np.nan)
    assert overlays.limits_of(nothing) == (-0.03, 1.05)


def test_short_names_stay_apart():
    names = short_names(["timm:a/x", "torchvision:x", "timm:" + "long_" * 10])
    assert len(set(names.values())) == 3
    assert all(len(name) <= 22 for name in names.values())


def test_figures_are_laid_over_each_other(board):
    drawn = overlays.marks(letters_of(board))
    curves = board.curves[board.curves["transformation"] == "rotate"]
    curves = curves[curves["metric"] == "relative_invariance"]
    figure = overlays.over_levels(curves, {0: "0°", 1: "10°"}, drawn, (-0.03, 1.05))
    axes = figure.axes[0]
    lines = [line for line in axes.lines if len(np.asarray(line.get_xdata())) == 3]
    assert len(lines) == 5
    own = curves[curves["model"] == "timm:model_0"]["value"].to_numpy()
    assert any(np.allclose(np.asarray(line.get_ydata()), own) for line in lines)
    assert {text.get_text() for text in axes.texts} == set("ABCDE")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0°", "10°", "2"]
