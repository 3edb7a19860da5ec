"""What the page is given: the numbers of `Result`, at the levels of each run, escaped."""

import html
import json
import re
import shlex

import pytest

from invariscope.report.kit.words import with_interval
from invariscope.report.run.page import page as report

WHERE = [
    ("relative_invariance", "embedding"),
    ("prediction_consistency", "logits"),
    ("channel_equivariance", "0"),
]
NONE_HERE = "not measured at this level"


def rows_of(result, metric, layer, name):
    """The summary's rows as the user has them, by level."""
    frame = result.frame
    chosen = (frame["metric"] == metric) & (frame["layer"] == layer) & frame["class"].isna()
    rows = frame[chosen & (frame["transformation"] == name)].sort_values("level")
    return rows.to_dict("records")


def words(row):
    return with_interval(row["value"], row["ci_low"], row["ci_high"])


def card(view, names, transformation, **more):
    code, _, text = view.get("/card", runs=view.keys(*names), transformation=transformation, **more)
    assert code == 200
    return text


def stops(text):
    """For each run of a card: what stands at each stop of the slider."""
    sides = re.split(r'<section class="side"', text)[1:]
    return [re.split(r'<div class="stop"', side)[1:] for side in sides]


@pytest.mark.parametrize(("metric", "layer"), WHERE)
def test_a_card_has_the_numbers_of_the_result_at_each_level(view, results, metric, layer):
    for name, count in {"rotate": 4, "brightness_down": 3, "C4": 4}.items():
        rows = rows_of(results[0], metric, layer, name)
        (own,) = stops(card(view, ["first"], name, metric=metric, layer=layer))
        assert len(own) == count
        for row in rows:
            assert f"<strong>{words(row)}</strong>" in own[row["level"]]
            assert f"n = {row['n']}<" in own[row["level"]]
        without = set(range(count)) - {row["level"] for row in rows if row["n"]}
        assert {k for k, stop in enumerate(own) if NONE_HERE in stop} == without


def test_controls_and_flips_stand_beside(view, results):
    (own,) = stops(card(view, ["first"], "rotate"))
    flips = results[0].flips()
    flips = flips[flips["transformation"] == "rotate"]
    assert len(flips) > 1
    for level, stop in enumerate(own):
        assert f"<dd>{(flips['level'] <= level).sum()} of 16 answers</dd>" in stop
    for row in rows_of(results[0], "prediction_consistency", "logits", "rotate"):
        assert f"<dt>prediction kept</dt><dd>{words(row)}</dd>" in own[row["level"]]
    controls = results[0].controls
    null = controls[
        (controls["control"] == "shuffled") & (controls["metric"] == "relative_invariance")
        & (controls["layer"] == "embedding") & (controls["transformation"] == "rotate")
    ]  # fmt: skip
    median = null.set_index("level")["median"][3]
    assert f"<dt>another image</dt><dd>{median:.2f}</dd>".replace("-", "−") in own[3]


def test_flips_are_shown_from_their_level_on(view, results):
    text = card(view, ["first"], "rotate")
    shown = [list(map(int, found.split())) for found in re.findall(r'data-stops="([^"]*)"', text)]
    pictures = [one for one in results[0].flip_pictures if one.transformation == "rotate"]
    assert pictures
    assert shown == [list(range(one.level, 4)) for one in pictures]


def test_levels_of_two_runs_are_one_where_they_are_the_same_motion(view, results):
    text = card(view, ["first", "deep/second"], "rotate")
    assert re.findall(r'<li data-label="([^"]*)"', text) == ["0°", "15°", "30°", "45°", "90°"]
    first, second = stops(text)
    assert [k for k, stop in enumerate(first) if NONE_HERE in stop] == [2]
    assert [k for k, stop in enumerate(second) if NONE_HERE in stop] == [3]
    places = {15: 1, 30: 2, 45: 3, 90: 4}
    for result, own in ((results[0], first), (results[1], second)):
        for row in rows_of(result, "relative_invariance", "embedding", "rotate")[1:]:
            assert f"<strong>{words(row)}</strong>" in own[places[row["magnitude"]]]


@pytest.mark.parametrize("names", [["first"], ["first", "deep/second"]])
def test_marks_stand_on_the_curves(view, names):
    """Where the line and a dot are, the figure has a point of a curve."""
    text = card(view, names, "rotate")
    found = re.findall(r'data-places="([^"]*)">(<svg.*?</svg>)', text, re.DOTALL)
    assert len(found) == 2
    for places, figure in ((json.loads(html.unescape(own)), figure) for own, figure in found):
        drawn = {
            (round(float(x)), round(float(y)))
            for path in re.findall(r' d="([^"]*)"', figure)
            for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)
        }
        assert places["x"] == sorted(places["x"])
        assert len(places["y"]) == len(names)
        for heights in places["y"].values():
            pairs = [(x, y) for x, y in zip(places["x"], heights, strict=True) if y is not None]
            assert len(pairs) == 4
            assert {(round(x), round(y)) for x, y in pairs} <= drawn


def test_the_command_is_that_of_the_report(view, results):
    text = view.get("/choice", runs=view.keys("first"))[2]
    (said,) = re.findall(r'<pre class="command"><code>(.*?)</code>', report(results[0]), re.DOTALL)
    assert said.startswith("invariscope.measure(")
    assert {html.unescape(one) for one in re.findall(r'data-copy="([^"]*)"', text)} == {
        html.unescape(said)
    }
    (copied,) = set(re.findall(r'data-copy="([^"]*)"', card(view, ["first"], "rotate")))
    assert html.unescape(copied) == html.unescape(said)
    two = view.get("/choice", runs=view.keys("first", "deep/second"))[2]
    (compare,) = set(re.findall(r'data-copy="(invariscope compare [^"]*)"', two))
    folders = [f"{view.runs.name}/first", f"{view.runs.name}/deep/second"]
    assert shlex.split(html.unescape(compare)) == ["invariscope", "compare", *folders]


def test_what_is_chosen_is_had_by_all_runs_or_said(view):
    both = view.keys("first", "deep/second")
    text = view.get("/choice", runs=both, metric="channel_equivariance", layer="nowhere")[2]
    assert re.findall(r'<option value="([^"]*)" selected', text) == ["relative_invariance"]
    assert re.findall(r'name="layer" value="([^"]*)" checked', text) == ["embedding"]
    assert "Not all runs have" in text
    assert 'value="channel_equivariance"' not in text
    assert "brightness_down, only A" in text
    code, _, text = view.get("/card", runs=both, transformation="shear_x")
    assert (code, "none of these runs has this transformation" in text) == (404, True)


def test_a_layer_opens_with_its_numbers_and_channels(view, results):
    run = view.keys("first")
    text = view.get("/layers", runs=run, metric="channel_equivariance")[2]
    links = [html.unescape(found) for found in re.findall(r'<a href="(layer\?[^"]*)"', text)]
    code, _, page = view.send(f"/{links[0]}", Cookie=view.cookie)
    assert code == 200
    assert f'<a href="./#runs={run}">The runs</a>' in page
    assert "How many stay, how many change" in page
    first = results[0].manifest["settings"]["layers"][0]["name"]
    rows = rows_of(results[0], "channel_equivariance", first, "brightness_down")
    assert len(rows) == 3
    for row in rows:
        assert words(row) in page
    code, _, text = view.get("/layer", run=run, layer="../embedding")
    assert (code, "has no such layer" in text) == (404, True)


def test_names_are_text(view):
    text = card(view, ["first"], "rotate")
    assert "&lt;i&gt;d&lt;/i&gt;" in text
    assert "<i>d" not in text
    code, _, text = view.get("/card", runs=view.keys("first"), transformation="<b>x</b>")
    assert (code, "<b>" in text) == (404, False)
