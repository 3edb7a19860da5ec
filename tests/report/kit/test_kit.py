"""There is one page: every other one extends it and shows its parts with the kit's macros."""

import re
from pathlib import Path

import jinja2
import pytest

from invariscope.errors import InputError
from invariscope.report.kit.drawings import track
from invariscope.report.kit.heat import HeatCell, HeatMap, by_part, link
from invariscope.report.kit.page import columns, render, write_page

REPORT = Path(__file__).parents[3] / "src" / "invariscope" / "report"
PAGES = {
    "run/page.html", "run/layer.html", "leaderboard/page.html", "search/page.html",
    "study/page.html", "improve/page.html", "view/page.html",
}  # fmt: skip


def shown(call, **facts):
    """What a macro makes of facts."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(REPORT), autoescape=True, undefined=jinja2.StrictUndefined
    )
    template = '{% import "kit/macros.html" as kit %}{{ ' + call + " }}"
    return environment.from_string(template).render(**facts)


def test_every_page_extends_the_base_and_repeats_nothing_of_it():
    texts = {
        path.relative_to(REPORT).as_posix(): path.read_text() for path in REPORT.rglob("*.html")
    }
    assert {n for n, text in texts.items() if '{% extends "kit/base.html" %}' in text} == PAGES
    for part in ("<!doctype", "Content-Security-Policy", "<footer", "<script", "<table"):
        assert [name for name, text in texts.items() if part in text] in (
            ["kit/base.html"], ["kit/macros.html"],
        ), part  # fmt: skip
    # What a server answers with has controls that no page on a disk has.
    assert {path.name for path in REPORT.rglob("*.css")} == {"page.css", "view.css"}
    assert {path.name for path in REPORT.rglob("*.js")} == {"page.js", "view.js"}


def test_a_fact_that_a_template_needs_is_missed():
    with pytest.raises(jinja2.UndefinedError):
        render("study/page.html", study="a", preset="laptop")


def test_tables_escape_align_and_say_what_sorts():
    text = shown(
        'kit.table("<L>", headings, rows, "sortable")',
        headings=columns("<a>", "words", numbers=["n"]), rows=[["<b>", "two", 3]],
    )  # fmt: skip
    assert '<p class="hidden" role="status"></p><div class="scroll"' in text
    assert '<th scope="col">&lt;a&gt;</th><th scope="col">words</th>' in text
    assert '<th scope="col" data-type="number" class="num">n</th>' in text
    assert '<tr><th scope="row">&lt;b&gt;</th><td>two<td class="num">3' in text
    assert "<b>" not in text


def test_heat_maps_group_rows_and_mark_cells():
    cells = [HeatCell("0.5", "#08305a", "#ffffff", "n = 3", "chance"), HeatCell("–")]
    rows = [("Early", (link("<x>", "layers/x.html"), cells)), ("Early", (link("y", ""), cells))]
    heat = HeatMap(["a", "b"], by_part(rows), spans=[("both", 2)])
    text = shown('kit.heat(heat, "Map")', heat=heat)
    assert text.count("<tbody>") == 1
    assert '<a href="layers/x.html">&lt;x&gt;</a>' in text
    assert '<td class="chance" style="background:#08305a;color:#ffffff" title="n = 3">0.5' in text
    assert "<td>–" in text
    assert 'colspan="2">both' in text


def test_a_track_that_runs_the_other_way_keeps_its_interval():
    there = track(lambda value: value, 0.2, (0.1, 0.4), inside=(0.0, 0.3))
    back = track(lambda value: 1 - value, 0.2, (0.1, 0.4), inside=(0.0, 0.3))
    assert (there.span, there.inside) == ((10.0, 30.0), (0.0, 30.0))
    assert (back.span, back.inside) == ((60.0, 30.0), (70.0, 30.0))


def test_a_page_is_whole_or_not_there(tmp_path):
    assert write_page(tmp_path, "a", "x.html").read_text() == "a"
    (tmp_path / "x.html").unlink()
    (tmp_path / "x.html").mkdir()
    (tmp_path / "x.html" / "y.html").mkdir()
    with pytest.raises(InputError, match=re.escape(f"cannot write the report {tmp_path}")):
        write_page(tmp_path / "x.html", "a", "y.html")
    assert [path.name for path in (tmp_path / "x.html").iterdir()] == ["y.html"]
