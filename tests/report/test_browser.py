"""The page in a real browser: no network, no console error, no overflow, a table that sorts.

Each test opens the page anew in headless Chromium, with every host unreachable.
"""

import re

import pytest

from invariscope.report.leaderboard.page import page as leaderboard_page
from invariscope.report.run.page import page
from invariscope.report.search.page import page as factors_page
from invariscope.report.study.page import page as study_page
from invariscope.results import Leaderboard
from oracles.many import run_of
from oracles.searches import known_examples, known_search
from oracles.studies import known_run

pytestmark = pytest.mark.browser


@pytest.fixture
def ask(show):
    """Runs a script in a page; returns its answer."""

    def run(text, expression, width=1200):
        return show(text, width).answer(expression)

    return run


@pytest.fixture(scope="module")
def whole(make):
    evil = "<script>alert(1)</script>"
    return page(make(classes=(evil, "cat", "dog", "owl"), example_id='"a" & <b>.png'))


def test_the_console_stays_empty_without_network(show, whole):
    page = show(whole)
    assert page.said == []
    assert page.document.count("aria-sort") >= 11  # the page's own script passed its own policy
    broken = show(whole.replace("const table =", "missing(); const table ="))
    assert broken.said, "a broken page must show here, or the check above says nothing"
    calling = show(whole.replace("</main>", '<img src="https://host.invalid/a.png"></main>', 1))
    assert calling.said


SORTED = """
const heads = [...page.querySelectorAll('#table thead th')];
const column = heads.findIndex(head => head.textContent === %r);
const button = heads[column].querySelector('button');
button.focus();
button.click();
%s
return {
  cells: [...page.querySelectorAll('#table tbody tr')].map(row => row.cells[column].textContent),
  sort: heads.map(head => head.getAttribute('aria-sort')),
  focus: page.activeElement === button,
  status: page.getElementById('status').textContent,
};
"""


def test_a_click_sorts_by_value_and_a_second_one_reverses(ask, whole):
    once = ask(whole, SORTED % ("Value", ""))
    values = [float(cell.replace("−", "-")) for cell in once["cells"]]
    assert len(values) > 300
    assert values == sorted(values)
    assert once["sort"].count("ascending") == 1
    assert once["focus"]
    assert once["status"] == "Sorted by value, ascending."
    twice = ask(whole, SORTED % ("Value", "button.click();"))
    values = [float(cell.replace("−", "-")) for cell in twice["cells"]]
    assert values == sorted(values, reverse=True)
    assert twice["sort"].count("descending") == 1


def test_undefined_values_come_last_in_both_directions(ask, make):
    result = make(names=("rotate",), controls=())
    result.frame.loc[result.frame["level"] == 4, ["value", "ci_low", "ci_high"]] = float("nan")
    text = page(result)
    for clicks in ("", "button.click();"):
        cells = ask(text, SORTED % ("Value", clicks))["cells"]
        undefined = cells.count("–")
        assert undefined > 0
        assert set(cells[-undefined:]) == {"–"}


def test_the_filter_keeps_rows_with_all_words(ask, whole):
    found = ask(
        whole,
        """
        const filter = page.getElementById('filter');
        filter.value = 'Rotate untrained';
        filter.dispatchEvent(new view.Event('input'));
        const rows = [...page.querySelectorAll('#table tbody tr')].filter(row => !row.hidden);
        return {rows: rows.map(row => row.textContent), tools: page.querySelector('.tools').hidden,
                status: page.getElementById('status').textContent};
        """,
    )
    assert len(found["rows"]) == 3
    assert all("rotate" in row and "untrained" in row for row in found["rows"])
    assert found["status"].startswith("3 of ")
    assert not found["tools"]


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_nothing_sticks_out_sideways(ask, whole, width):
    found = ask(
        whole,
        """
        const wide = [...page.querySelectorAll('body *')].filter(element =>
          !element.closest('.scroll, pre, svg, .skip, .hidden') &&
          element.getBoundingClientRect().right > view.innerWidth + 1);
        const shown = [...page.querySelectorAll('figure svg')].filter(e => e.clientWidth > 0);
        return {scroll: page.documentElement.scrollWidth, inner: view.innerWidth,
                wide: wide.map(e => e.outerHTML.slice(0, 80)), figures: shown.length,
                classes: [...new Set(shown.map(e => e.getAttribute('class')))],
                text: Math.min(...shown.map(e => 10.5 * e.clientWidth / e.viewBox.baseVal.width))};
        """,
        width,
    )
    assert found["inner"] == width
    assert found["wide"] == []
    assert found["scroll"] <= width
    assert found["figures"] == 3
    assert found["classes"] == (["phone"] if width == 360 else ["wide"])
    assert found["text"] >= 9  # CSS pixels: a figure's labels can be read


def test_photographs_stand_under_their_levels(ask, whole):
    found = ask(
        whole,
        """
        const figure = page.querySelector('figure');
        const svg = figure.querySelector('svg.wide'), box = svg.getBoundingClientRect();
        const scale = box.width / svg.viewBox.baseVal.width;
        const images = [...figure.querySelectorAll('img')].map(image => {
          const at = image.getBoundingClientRect();
          return (at.left + at.right) / 2;
        });
        // The axes run from 92 to 752 of 760, with ten levels evenly spaced between.
        return images.map((at, k) => at - (box.left + scale * (92 + 66 * (k + 0.5))));
        """,
    )
    assert len(found) == 10
    assert max(map(abs, found)) < 1.5


def test_it_prints(show, whole):
    printed = show(whole).page.pdf(format="A4")
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 3 <= pages <= 12


@pytest.fixture(scope="module")
def board():
    names = [
        "timm:a_rather_long_name_of_a_model_patch16_224.with_tag+untrained",
        "timm:b",
        "c",
        "d",
    ]
    runs = [run_of(0.9 - 0.2 * k, n, correct=3 + k, seed=k) for k, n in enumerate(names)]
    return leaderboard_page(Leaderboard(runs))


def test_the_leaderboards_console_stays_empty_without_network(show, board):
    page = show(board)
    assert page.said == []
    # models (6 columns), correlations (7), numbers (8)
    assert page.document.count('aria-sort="none"') == 6 + 7 + 8


def test_models_are_sorted_by_any_column(ask, board):
    script = """
    const table = page.querySelector('table.board');
    const heads = [...table.tHead.rows[0].cells];
    const sort = name => heads.find(head => head.textContent === name)
      .querySelector('button').click();
    const letters = () => [...table.tBodies[0].rows].map(row => row.cells[0].textContent[0]);
    const found = [letters()];
    sort('Accuracy, untouched'); sort('Accuracy, untouched'); found.push(letters());
    sort('Rank'); found.push(letters());
    return {found, said: page.querySelector('#standings [role=status]').textContent,
            elsewhere: page.getElementById('status').textContent};
    """
    answer = ask(board, script)
    assert answer["found"] == [list("ABCD"), list("DCBA"), list("ABCD")]
    assert answer["said"] == "Sorted by rank, ascending."
    assert answer["elsewhere"] == ""


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_leaderboard_does_not_stick_out_sideways(ask, board, width):
    found = ask(
        board,
        """
        const wide = [...page.querySelectorAll('body *')].filter(element =>
          !element.closest('.scroll, pre, svg, .skip, .hidden, details:not([open])') &&
          element.getBoundingClientRect().right > view.innerWidth + 1);
        const shown = [...page.querySelectorAll('figure svg')].filter(
          e => !e.closest('details:not([open])'));
        return {scroll: page.documentElement.scrollWidth,
                wide: wide.map(e => e.outerHTML.slice(0, 80)), figures: shown.length,
                text: Math.min(...shown.map(e => 10 * e.clientWidth / e.viewBox.baseVal.width))};
        """,
        width,
    )
    assert found["wide"] == []
    assert found["scroll"] <= width
    assert found["figures"] == 7  # two transformations over levels and depth, three parts
    assert found["text"] >= 8.5


@pytest.fixture(scope="module")
def search():
    names = ("<b>cat</b>", "a rather long name of a class, of many words", "dog", "owl")
    return factors_page(known_search(names, examples=[*known_examples(names[0])]))


def test_the_page_of_a_searchs_console_stays_empty_without_network(show, search):
    page = show(search)
    assert page.said == []
    assert page.document.count('aria-sort="none"') == 9 + 8  # every operation, the classes


def test_classes_are_sorted_and_filtered(ask, search):
    answer = ask(
        search,
        """
        const table = page.getElementById('table');
        const names = () => [...table.tBodies[0].rows].filter(r => !r.hidden)
          .map(row => row.cells[0].textContent);
        [...table.tHead.rows[0].cells][0].querySelector('button').click();
        const found = [names()];
        const filter = page.getElementById('filter');
        filter.value = 'dog';
        filter.dispatchEvent(new view.Event('input'));
        return [...found, names()];
        """,
    )
    assert [name[:4] for name in answer[0]] == ["<b>c", "a ra", "dog", "owl"]
    assert answer[1] == ["dog"]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_of_a_search_does_not_stick_out_sideways(ask, search, width):
    found = ask(
        search,
        """
        const wide = [...page.querySelectorAll('body *')].filter(element =>
          !element.closest('.scroll, pre, svg, .skip, .hidden, details:not([open])') &&
          element.getBoundingClientRect().right > view.innerWidth + 1);
        const shown = [...page.querySelectorAll('figure svg')].filter(
          e => e.clientWidth > 0 && !e.closest('details:not([open])'));
        return {scroll: page.documentElement.scrollWidth,
                wide: wide.map(e => e.outerHTML.slice(0, 80)), figures: shown.length,
                text: Math.min(...shown.map(e => 10 * e.clientWidth / e.viewBox.baseVal.width))};
        """,
        width,
    )
    assert found["wide"] == []
    assert found["scroll"] <= width
    assert found["figures"] == 3  # families, sub-policies, own best
    assert found["text"] >= 9


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_page(known_run(tmp_path_factory.mktemp("study")))


def test_the_console_of_a_studys_page_stays_empty_without_network(show, study):
    page = show(study)
    assert page.said == []
    assert page.document.count('aria-sort="none"') == 3  # the table's columns


@pytest.mark.parametrize("width", [360, 390, 1200])
def test_the_page_of_a_study_does_not_stick_out_sideways(ask, study, width):
    found = ask(
        study,
        """
        const wide = [...page.querySelectorAll('body *')].filter(element =>
          !element.closest('.scroll, pre, svg, .skip, .hidden, details:not([open])') &&
          element.getBoundingClientRect().right > view.innerWidth + 1);
        const shown = [...page.querySelectorAll('figure svg')].filter(e => e.clientWidth > 0);
        return {scroll: page.documentElement.scrollWidth,
                wide: wide.map(e => e.outerHTML.slice(0, 80)), figures: shown.length,
                text: Math.min(...shown.map(e => 10 * e.clientWidth / e.viewBox.baseVal.width))};
        """,
        width,
    )
    assert found["wide"] == []
    assert found["scroll"] <= width
    assert found["figures"] == 2  # each once: for wide screens or for telephones
    assert found["text"] >= 9
