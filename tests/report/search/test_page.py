"""The page of a search: what stands on it, whatever the search has found."""

import re

import numpy as np
import pytest

import invariscope
from invariscope.advice.recommendation import recommend
from invariscope.errors import InputError
from invariscope.report.search.facts import Facts
from invariscope.report.search.page import page
from invariscope.report.search.verdict import findings, lead
from invariscope.search import Factors
from oracles.searches import known_examples, known_search
from search_pages import EVIL, SPACE, own_best, plain


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
        "invariscope.find_factors('builtin:known', 'folder:known', pairs=8)",
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
