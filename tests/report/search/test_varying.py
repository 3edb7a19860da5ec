"""What varies, on the page of a search and in its words."""

import math
import re

import numpy as np
import pytest
from scipy import special

from invariscope.report.search.facts import Facts
from invariscope.report.search.page import page
from invariscope.report.search.tables import factor_heat, found_rows, gradient, shade_styles
from invariscope.report.search.verdict import findings, lead
from invariscope.search import Factors
from oracles.searches import known_search
from search_pages import SPACE, closes, own_best, plain


def test_the_heat_map_has_every_share_and_marks_what_is_found(differing):
    heat = factor_heat(Facts(differing))
    assert heat is not None
    ((_, shown),) = heat.groups
    assert [name for name, _ in shown] == ["cat", "dog", "owl", "fox"]  # the largest find first
    assert heat.columns[:3] == ["rotation", "colour inversion", "horizontal shift"]
    for name, cells in shown:
        for column, cell in zip(heat.columns, cells, strict=True):
            family = {"rotation": "rotate", "colour inversion": "invert",
                      "horizontal shift": "translate_x"}.get(column, "")  # fmt: skip
            share = closes(name, family)
            assert cell.text == f"{100 * share:.0f}"
            assert ("s" in cell.marks.split()) == (share > 0.05)
            assert bool(cell.title) == (share > 0.05)
            assert int(cell.marks.split()[0][1:]) == (6 if share == 0.3 else math.ceil(share * 20))
    assert cells[0].title == ""
    title = shown[0][1][0].title.replace(SPACE, " ")
    assert title == "[28, 32] %, q: 0.001"
    assert len(shade_styles().splitlines()) == 7
    assert gradient().count("rgb(") == 7


def test_what_is_found_stands_first_in_words_and_numbers(whole, differing):
    text = plain(whole)
    assert (
        "Something is found to vary in 2 of 4 classes: rotation in 1, colour inversion in 1 and"
        " horizontal shift in 1." in text
    )
    assert text.index("What varies in which class") < text.index("Pairs to look at")
    assert text.index("Pairs to look at") < text.index("The paper’s ranking of operations")
    assert [row[:2] for row in found_rows(Facts(differing))] == [
        ("cat", "rotation"), ("cat", "horizontal shift"), ("dog", "colour inversion"),
    ]  # fmt: skip
    assert found_rows(Facts(differing))[0][2:] == (
        f"30{SPACE}%", "[28, 32]", "0.001", "10° to 30°",
    )  # fmt: skip
    assert "Found: rotation closes 30 % [28, 32] of the distance within the class" in text
    nothing = plain(page(known_search()))
    assert "Nothing is found to vary in any of 3 classes." in nothing
    assert "What is found, in numbers" not in nothing


def test_what_a_family_adds_is_noted():
    found = known_search(closed=closes)
    shift = (found.factors["class"] == "cat") & (found.factors["family"] == "translate_x")
    beside = "rotate, zoom_in and zoom_out"
    found.factors.loc[shift, ["beside", "added", "rests_on"]] = [beside, 0.07, 5]
    notes = [row[6] for row in found_rows(Facts(found))]
    assert notes[1].replace(SPACE, " ") == (
        "adds 7.0 % beside rotation, zooming in and zooming out in 5 of 16 images"
    )
    assert "adds 7.0 % beside rotation" in plain(page(found))


def test_families_of_opposite_directions_are_one_find():
    found = known_search(
        operations="zoom_in=1.5/2,zoom_out=0.5,invert",
        closed=lambda name, family: 0.2 if "zoom" in family and name == "cat" else 0.0,
    )
    heat = factor_heat(Facts(found))
    assert heat is not None
    assert heat.columns == ["zooming in and zooming out", "colour inversion"]
    out = (found.factors["family"] == "zoom_out") & (found.factors["class"] == "cat")
    assert found_rows(Facts(found))[0][5] == "×1.5 to ×2; ×0.5"
    found.factors.loc[out, ["low", "high"]] = np.nan  # none of its levels did it
    row = found_rows(Facts(found))[0]
    assert (row[1], row[5]) == ("zooming in", "×1.5 to ×2")


def test_classes_without_images_to_test_are_named():
    found = known_search(closed=closes)
    of_owl = found.factors["class"] == "owl"
    found.factors.loc[of_owl, ["statistic", "ci_low", "ci_high", "p", "q"]] = np.nan
    text = plain(page(found))
    assert "Fewer than 4 images that can be read, so not tested: owl." in text
    assert "in 2 of 2 classes" in text
    found.factors.loc[:, ["statistic", "ci_low", "ci_high", "p", "q"]] = np.nan
    text = plain(page(found))
    assert "Nothing could be tested" in text
    assert "In which class" not in text


def test_power_is_what_the_intervals_allow():
    """The share said is found in four of five draws about it, with the error of the table."""
    found = known_search(closed=lambda name, family: 0.01)
    varying = Facts(found).varying
    least = varying.least()
    families, freedom = len(varying.families), 15  # the oracle's classes have 16 images
    error = 0.02 / -special.stdtrit(freedom, 0.05 / families / 2)  # its intervals reach 0.02
    drawn = np.random.default_rng(0).standard_t(freedom, 100_000)
    seen = (least + error * drawn - 0.02) / error
    p = 2 * special.stdtr(freedom, -seen)
    assert np.mean(p < 0.05 / (3 * families)) == pytest.approx(0.8, abs=0.01)
    narrow = known_search()
    narrow.factors["ci_low"] = narrow.factors["statistic"] - 0.01
    assert Facts(narrow).varying.least() < least
    assert "With 16 images of each class" in plain(page(found))


def test_a_pair_whose_similarity_is_near_zero_puts_nothing_on_top():
    """One pair with s₀ = 0.0001 and a change of 0.035 has a relative change of 35,000 %."""
    found = known_search(change=own_best)
    frame = found.frame.copy()
    spoiled = frame["operation"] == "posterize 6"
    frame.loc[spoiled, ["relative_change", "weighted_boost", "boost"]] = 350.0
    page_text = page(Factors(found.manifest, frame, found.factors, found._rows))
    before, _, numbers = plain(page_text).partition("Every operation in numbers")
    assert not re.search(r"35,?000", before)
    rows = numbers[: numbers.index("Class by class")]
    assert "+35,000 %" in rows  # in the column of eq. 2, as the paper has it
    assert rows.index("rotate 9") < rows.index("posterize 6")
    ranks = Factors(found.manifest, frame, found.factors, found._rows).ranks
    tops = ranks.tops.query("by == 'change' and `class` != ''")
    assert "posterize 6" not in set(tops["operation"])
    assert "posterize 6" not in set(ranks.held_out["operation"])


def test_an_identity_under_another_name_is_not_called_best():
    found = known_search(
        operations="flip_horizontal,rotate=10",
        change=lambda name, operation: 2e-8 if operation == "flip_horizontal" else -0.05,
    )
    said = lead(Facts(found))
    assert said.startswith(
        "On average over the classes none of the 2 operations brings images of a class closer."
    )
    assert "flip" not in said
    assert "horizontal flip" not in " ".join(findings(Facts(found)))
    assert set(found.ranks.tops.query("by == 'change'")["kind"]) == {"identity"}
    ignored = known_search(operations="flip_horizontal", change=lambda name, operation: 0.0)
    assert lead(Facts(ignored)) == (
        "No operation changes what the model sees, on average over the classes."
    )


def test_small_pools_are_counted_as_they_are():
    four = known_search(operations="rotate 3,rotate 9,invert 3,posterize 8", change=own_best)
    text = " ".join(findings(Facts(four)))
    assert "and of all 4 operations" in text
    assert "10 best" not in text
    one = known_search(operations="invert", change=lambda name, operation: -0.1)
    said = lead(Facts(one)) + " ".join(findings(Facts(one)))
    assert "colour inversion does not bring images of a class closer" in said
    assert "1 operations" not in plain(page(one))
    assert "best of 1 " not in said
