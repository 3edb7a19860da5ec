"""The page of a search: what stands on it, whatever the search has found."""

import html
import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy import special

import invariscope
from invariscope.advice.alignment import Alignment
from invariscope.advice.recommendation import recommend
from invariscope.errors import InputError
from invariscope.foregrounds.foregrounds import measure_foregrounds
from invariscope.report.search.facts import Facts
from invariscope.report.search.page import page
from invariscope.report.search.tables import factor_heat, found_rows, gradient, shade_styles
from invariscope.report.search.verdict import findings, lead
from invariscope.search import Factors
from invariscope.search.hierarchy import OUTCOMES, Hierarchy
from oracles.searches import known_examples, known_search

EVIL = "<script>alert(1)</script>"
SPACE = "\u00a0"


def closes(name, family):
    """In the cat two families close something, in the dog one, in the others none."""
    known = {("cat", "rotate"): 0.30, ("cat", "translate_x"): 0.12, ("dog", "invert"): 0.20}
    return known.get((name, family), 0.01)


def own_best(name, operation):
    """Each class has an operation of its own that helps; all others hurt."""
    best = {"cat": "rotate 9", "dog": "invert 3", "owl": "posterize 8", "fox": "translate_x 3"}
    return (0.10 if best[name[:3]] == operation else -0.05) + 0.001 * len(operation)


def plain(text):
    """The words of a page, without style, script and marks."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ").split())


@pytest.fixture(scope="module")
def alike():
    """In every class the same operation helps, by 0.05 to 0.07."""

    def change(name, operation):
        return 0.05 + 0.01 * "cdo".index(name[0]) if operation == "rotate 9" else -0.05

    return known_search(change=change)


@pytest.fixture(scope="module")
def differing():
    return known_search(("cat", "dog", "owl", "fox"), change=own_best, closed=closes)


@pytest.fixture(scope="module")
def alignment():
    families = pd.DataFrame(
        {"family": ["rotate", "invert", EVIL], "gap": [0.4, 0.1, -0.2], "share": [0.5, 0.25, 0.125],
         "operations": [4, 1, 2], "grows": [True, True, False]}
    )  # fmt: skip
    sides = pd.DataFrame(
        {"grows": [True, False], "families": [2, 1], "share": [0.375, 0.125], "low": [0.3, 0.1],
         "high": [0.4, 0.2]}
    )  # fmt: skip
    return Alignment(
        families, 0.25, 0.1, 0.3, 0.012, 1.0, 0.33, 3, ("equalize",), sides
    )  # fmt: skip


@pytest.fixture(scope="module")
def hierarchy():
    random = np.random.default_rng(0)
    pairs = pd.DataFrame(
        {"class_a": "a", "class_b": "b", "wup": random.random(900), "path": 0.5, "lch": 1.0,
         "rank_correlation": random.random(900), "iou_25": 0.5, "iou_5": 0.5}
    )  # fmt: skip
    rows = [
        {"outcome": outcome, "measure": measure, "spearman": 0.31, "ci_low": 0.11, "ci_high": 0.52,
         "p": 0.02, "n_pairs": 900, "n_classes": 43}
        for outcome in OUTCOMES for measure in ("wup", "path", "lch")
    ]  # fmt: skip
    groups = pd.DataFrame({"outcome": OUTCOMES})
    for name, value in (("similar", 0.61), ("dissimilar", 0.21), ("difference", 0.4)):
        groups[name], groups[f"{name}_low"], groups[f"{name}_high"] = value, value - 0.1, 0.9
        groups[f"n_{name}"] = 30
    return Hierarchy(
        pd.DataFrame(rows), groups, pairs, {}, {f"{EVIL}x": "no synset: it is no wnid"}
    )


@pytest.fixture(scope="module")
def foregrounds():
    from PIL import Image

    pictures = []
    for left in (0, 20, 40):
        pixels = np.zeros((50, 100, 4), dtype=np.uint8)
        pixels[10:40, left : left + 40, 3] = 255
        pictures.append(Image.fromarray(pixels))
    return measure_foregrounds(pictures, masks="alpha")


@pytest.fixture(scope="module")
def whole(differing, alignment, hierarchy, foregrounds):
    found = Factors(
        differing.manifest, differing.frame, differing.factors, differing._rows, None,
        known_examples(),
    )  # fmt: skip
    return page(found, alignment=alignment, hierarchy=hierarchy, foregrounds=foregrounds)


def test_it_holds_what_was_found(whole):
    text = plain(whole)
    for words in (
        "What varies in folder:known ?",
        "is not shown to be more than the best single operation",
        "No operation brings images closer in every class.",
        "Null controls: 1 operation that changes nothing changed the similarity by exactly 0",
        "rotation 30°", "horizontal shear ±7.59° and colour inversion", "posterizing to 4 bits",
        "4 classes", "32 pairs of 4 classes, 8 of each", "64 images of 10,000",
        "cat: rotation 30° rotate 9",
        "builtin:known",
        "invariscope.find_factors('builtin:known', 'folder:known', pairs=8, seed=0)",
        "from torchvision.transforms import v2",
    ):  # fmt: skip
        assert words in text, words


def test_the_tops_of_the_classes(differing, whole):
    tops = {
        name: (0.10 + 0.001 * len(operation), words)
        for name, operation, words in (
            ("cat", "rotate 9", "rotation 30°"), ("dog", "invert 3", "colour inversion"),
            ("owl", "posterize 8", "posterizing to 4 bits"),
            ("fox", "translate_x 3", "horizontal shift ±15.1 %"),
        )
    }  # fmt: skip
    rows = re.findall(r"<tr>((?:<td>[^\n<]*){8})\n", whole)
    found = {}
    for row in rows:
        cells = [cell.replace(SPACE, " ") for cell in row.split("<td>")[1:]]
        found[cells[0]] = cells
    assert list(found) == ["fox", "owl", "cat", "dog"]  # the largest change first
    for name, (value, words) in tops.items():
        change = value / 2  # as the oracle has it
        assert found[name][1] == words
        assert found[name][3] == f"+{change:.3f} [+{change - 0.01:.3f}, +{change + 0.01:.3f}]"
        assert found[name][4] == f"+{change:.3f}"  # both halves are the same here
        assert found[name][6:] == ["8", "0.01"]
    shares = differing.ranks.shares.set_index("kind")
    assert shares.loc["appearance", "tops"] == 0.5
    assert f"50{SPACE}%" in whole


def test_verdicts(alike):
    both = lead(Facts(alike)).replace(SPACE, " ")
    assert both.startswith(
        "One operation explains variation in the classes as a whole: rotation 30° brings two images"
        " of a class closer by +0.030 [+0.020, +0.040]"
    )
    assert "In every class, rotation 30° brings images closer on average." in findings(Facts(alike))
    names = [f"{name}{number}" for number in "12" for name in ("cat", "dog", "owl", "fox")]
    own = lead(Facts(known_search(names, change=own_best))).replace(SPACE, " ")
    assert own.startswith("What varies is a matter of the class")
    nothing = known_search(change=lambda name, operation: -0.01 * len(name + operation))
    said = lead(Facts(nothing)).replace(SPACE, " ")
    assert said.startswith("On average over the classes none of the 10 operations brings images")
    little = known_search(
        change=lambda name, operation: (
            {"cat": 0.05, "dog": -0.01, "owl": -0.03}[name] if operation == "invert 3" else -0.1
        )
    )
    said = lead(Facts(little)).replace(SPACE, " ")
    assert said.startswith("On average over the classes, none of the 10 operations is shown to")
    assert "The best for all is colour inversion: +0.002 [−0.008, +0.012]." in said


def test_what_only_shines_on_its_own_pairs_is_not_believed():
    found = known_search(("cat", "dog", "owl", "fox"), change=own_best)
    frame = found.frame.copy()
    frame["second_half"] = -frame["first_half"]  # what helps in one half hurts in the other
    lucky = Facts(Factors(found.manifest, frame, found.factors, found._rows))
    assert lucky.ranks.above_zero.value == 1
    assert lucky.ranks.per_class.low > 0
    assert lead(lucky).startswith("On average over the classes, none of the")
    text = " ".join(findings(lucky)).replace(SPACE, " ")
    assert "above zero in 100 % of the classes" in text
    assert "On the pairs that did not choose it 0 % remain" in text


def test_a_broken_null_control_and_negative_similarities_are_said():
    found = known_search()
    frame = found.frame.copy()
    frame.loc[frame["kind"] == "identity", "change"] = 0.25
    frame["n_negative"] = frame["n"] // 4
    text = " ".join(findings(Facts(Factors(found.manifest, frame, found.factors, found._rows))))
    assert "changed the similarity by up to 0.25; they should not" in text
    assert f"In 25{SPACE}% of the pairs the two images have a similarity below 0" in text


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


def test_evidence_beside_the_search(whole):
    text = plain(whole)
    for words in (
        "The invariances that training adds are those to what varies in the data: the families"
        " whose invariance grew differ from the others by +25.0 percentage points [+10.0, +30.0]",
        "p = 0.012 over 3 families, one-sided. Rank correlation of gap and share: 1.00, p = 0.33.",
        "Not measured, so left out: histogram equalization.",
        "Classes that are alike in WordNet have more similar ranks of operations: Spearman’s ρ 0.31"
        " [0.11, 0.52], p = 0.02, over 900 pairs of 43 classes.",
        "correlate by 0.61 [0.51, 0.90] on average",
        "Left out, 1 class:", "no synset",
        "Where the things are, and how large", "its centre is at x = 0.400",
    ):  # fmt: skip
        assert words in text, words
    assert whole.count('<svg class="half"') == 2 + 1 + 2
    without = page(known_search())
    for section in ("alignment", "hierarchy", "foregrounds", "pairs"):
        assert f'<section id="{section}"' in whole
        assert f'<section id="{section}"' not in without


def test_pictures_of_pairs(whole):
    text = plain(whole)
    assert "The pair it brings closest".lower() in text
    for words in ("+0.250", "s₀ = 0.500", "s T = 0.750", "s T = 0.550", "−0.100", "s T = 0.400"):
        assert words in text, words
    assert whole.count("data:image/jpeg;base64,") == 9
    assert 'alt="helped/b.png after rotation 30°"' in whole


def test_the_recommendation(differing):
    found = known_search(closed=lambda name, family: 0.1 if family == "rotate" else 0.0)
    found.factors.loc[found.factors["family"] == "invert", "lost_low"] = 0.2
    text = page(found)
    assert "10° to 30°" in text
    assert '<span class="advice-word add">add</span>' in text
    assert '<span class="advice-word would-hurt">would hurt</span>' in text
    assert "<td>all of them</td>" in text
    code = recommend(found).code
    assert code.replace("'", "&#39;") in text
    assert "No evidence either way: 2 families" in plain(text)
    none = page(known_search())
    assert "For none of the 4 families is there evidence" in plain(none)
    policies = page(known_search(operations="shear_x 4 + invert 3,invert 3 + rotate 9"))
    assert "no single operations, of which a recommendation is made" in plain(policies)
    given = recommend(differing)
    given.table.loc[0, "reason"] = "because I say so"
    assert "because I say so" in page(differing, recommendation=given)


def test_names_are_escaped(alignment, hierarchy):
    found = known_search((EVIL, "a&b", '"c"'), change=lambda name, operation: 0.1,
                         examples=known_examples(EVIL))  # fmt: skip
    found.manifest["settings"]["data"] = found.manifest["settings"]["model"] = EVIL
    found.manifest["warnings"].append(EVIL)
    text = page(found, alignment=alignment, hierarchy=hierarchy)
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 6


def test_nothing_is_loaded_no_id_is_there_twice_and_nothing_is_nan(whole):
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', whole)
    assert "http" not in re.sub(r"http-equiv", "", whole)
    assert "url(" not in re.sub(r"url\(#", "", whole)
    ids = re.findall(r' id="([^"]+)"', whole)
    assert len(ids) == len(set(ids))
    assert not re.search(r"\bnan\b|\binf\b|None\b(?!:)", plain(whole))


def test_undefined_numbers_are_dashes():
    found = known_search(("cat", "dog", "owl", "fox"), change=own_best)
    frame = found.frame.copy()
    of_cat = (frame["class"] == "cat") & (frame["kind"] != "identity")
    numbers = [name for name in frame.columns if frame[name].dtype == float]
    frame.loc[of_cat, numbers] = np.nan
    frame.loc[frame["class"] == "dog", [n for n in numbers if n.endswith(("_low", "_high"))]] = (
        np.nan
    )
    text = page(Factors(found.manifest, frame, found.factors, found._rows))
    assert not re.search(r"\bnan\b|\binf\b", plain(text))
    frame.loc[frame["kind"] != "identity", numbers] = np.nan
    text = page(Factors(found.manifest, frame, found.factors, found._rows))
    assert "No operation has a defined change" in text
    assert not re.search(r"\bnan\b|\binf\b", plain(text))


def test_one_class_has_no_intervals_over_classes():
    found = known_search(("cat",), change=lambda name, operation: 0.04)
    text = plain(page(found))
    assert "In the only class, cat, rotation 10° brings two images closer by +0.020" in text
    assert not re.search(r"\bnan\b", text)
    bad = plain(page(known_search(("cat",), change=lambda name, operation: -0.04)))
    assert "No operation brings images of the only class, cat, closer on average." in bad


def test_a_thousand_classes_and_the_whole_pool_stay_small():
    found = known_search(tuple(f"n{k:08}" for k in range(1000)), "all",
                         examples=known_examples("n00000000") * 6)  # fmt: skip
    text = page(found)
    assert len(text.encode()) < 3_000_000
    assert "n00000999" in text
    assert len(found.operations) == 112


def test_a_real_search_is_shown_without_the_model_or_the_data(tmp_path):
    import torch

    data = (
        torch.rand(24, 3, 12, 12, generator=torch.Generator().manual_seed(0)),
        [0] * 12 + [1] * 12,
    )
    found = invariscope.find_factors(
        lambda x: x.flatten(1), data, operations="rotate=10/90,invert", output=tmp_path / "run"
    )
    loaded = Factors.load(tmp_path / "run")
    assert loaded.to_html(tmp_path / "run") == tmp_path / "run" / "report.html"
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert text == page(found)
    assert text == loaded.to_html(tmp_path / "other.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="cannot write the report"):
        found.to_html(tmp_path / "nowhere" / "page.html")
