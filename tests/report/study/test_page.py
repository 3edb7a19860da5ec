"""The page of a study: what stands on it."""

import html
import re

import pytest

from invariscope.report.study.page import page, render_study, track
from invariscope.studies.claims import above, over_seeds, within
from invariscope.studies.lab.folder import read_study
from oracles.studies import EVIL, known_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return known_run(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def text(run):
    return page(run)


def plain(text):
    body = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ").split())


def test_question_verdicts_and_notes_stand_there(text):
    words = plain(text)
    for part in (
        "Is it so?",
        "The paper: It is so.",
        "Of 4 claims: 1 supported, 1 contradicted, 1 undecided and 1 not run.",
        "training lowers invariance to rotation and shear",
        "Not run: no ViT here",
        "a note of a claim",
        "0.110 [0.085, 0.135]",
        "> 0, n = 3 seeds",
        "Marks are means.",
        "invariscope study run toy --preset laptop",
        "seeds 0, 1, 2",
    ):
        assert part in words, part
    assert "This is the smoke preset" not in words


def test_texts_are_escaped(text):
    assert EVIL not in text
    assert html.escape(EVIL) in text


def test_it_needs_nothing_else(text):
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_a_page_read_from_the_folder_is_the_same(run, text, tmp_path):
    again = read_study(run.folder)
    assert page(again) == text
    assert render_study(again, tmp_path / "other.html").read_text() == text
    assert render_study(again) == run.folder / "report.html"


def test_the_smoke_preset_warns(tmp_path):
    assert "This is the smoke preset" in page(known_run(tmp_path, "smoke"))


def test_the_track_shows_value_interval_and_threshold():
    found = track(above([0.1, 0.2, 0.15], 0.0))
    assert found is not None
    assert found.span is not None
    (zero,) = found.lines
    assert zero < found.span[0] < found.at < 100
    found = track(within([0.0, 0.01], -0.5, 0.5))
    assert found is not None
    assert found.inside is not None
    assert found.lines == []
    assert found.inside[0] < found.at < sum(found.inside)
    assert track(above(over_seeds([]))) is None
    alone = track(above([0.3]))
    assert alone is not None
    assert alone.span is None
