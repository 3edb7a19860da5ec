"""The verdict's words follow the numbers, and never claim a difference whose intervals overlap."""

import pandas as pd
import pytest

from invariscope.report.run.glance import glance
from invariscope.report.run.readings import Readings, Score, apart, score
from invariscope.report.run.standings import reaction, standings
from invariscope.report.run.verdict import verdict


def texts(result):
    found = {}
    for finding in verdict(result):
        found[finding.kind] = f"{found.get(finding.kind, '')} {finding.text}".strip()
    return found


def flat(make, values, width=0.02, twin=None, **others):
    """A result whose curve under each name is constant above level 0, with intervals ± width."""
    result = make(names=tuple(values), **others)
    for table in (result.frame, result.controls):
        for name, value in values.items():
            rows = (table["transformation"] == name) & (table["level"] > 0)
            rows &= table["metric"] == "relative_invariance"
            if "control" in table:
                if twin is None:
                    continue
                rows &= table["control"] == "untrained"
                value = twin[name]
            table.loc[rows, "value"] = value
            table.loc[rows, "ci_low"] = value - width
            table.loc[rows, "ci_high"] = value + width
    return result


def test_names_what_it_hardly_reacts_to_and_what_it_reacts_most_to(make):
    found = texts(flat(make, {"rotate": 0.2, "shear_x": 0.7, "brightness_up": 0.95}))
    assert found["least"] == "Hardly reacts to brightening (0.95 [0.93, 0.97])."
    assert found["most"] == "Reacts most to rotation: 0.20 [0.18, 0.22]."


def test_an_interval_that_reaches_below_the_line_is_not_hardly(make):
    found = texts(flat(make, {"rotate": 0.2, "brightness_up": 0.95}, width=0.06))
    assert "Hardly" not in found["least"]
    assert "The smallest reaction measured is to brightening: 0.95 [0.89, 1.01]." in found["least"]


def test_the_order_stays_open_where_intervals_overlap(make):
    found = texts(flat(make, {"rotate": 0.30, "zoom_out": 0.33, "shear_x": 0.8}))
    assert "Zooming out has an interval that overlaps this one" in found["most"]
    assert "shear" not in found["most"]
    wide = texts(flat(make, {"rotate": 0.30, "zoom_out": 0.33, "shear_x": 0.32}))
    assert "Horizontal shear and zooming out" not in wide["most"]
    assert "Zooming out and horizontal shear have intervals that overlap this one" in wide["most"]


def test_the_twin_is_compared_at_its_own_levels_and_only_where_intervals_part(make):
    values = {"rotate": 0.5, "zoom_out": 0.5, "brightness_up": 0.95}
    twin = {"rotate": 0.8, "zoom_out": 0.51, "brightness_up": 0.6}
    found = texts(flat(make, values, twin=twin))["twin"]
    assert "over levels 3, 6 and 9" in found
    assert "more invariant to brightening;" in found
    assert "less invariant to rotation;" in found
    assert "not told apart from it under zooming out" in found


def test_twins_with_different_levels_are_not_given_common_ones(make):
    result = make(names=("rotate", "brightness_up"))
    dropped = (result.controls["transformation"] == "rotate") & (result.controls["level"] == 6)
    result.controls = result.controls[~dropped]
    assert "over the levels measured for both" in texts(result)["twin"]


def test_many_calm_families_are_listed_without_intervals(make):
    names = ("rotate", "shear_x", "brightness_up", "brightness_down", "contrast_up")
    values = dict.fromkeys(names, 0.97) | {"rotate": 0.2}
    found = texts(flat(make, values))["least"]
    assert "brightening (0.97)" in found
    assert "[" not in found


def test_without_a_twin_nothing_is_said_of_one(make):
    result = make(controls=())
    assert "twin" not in texts(result)
    assert all(standing.twin is None for standing in standings(Readings(result)))


def test_predictions_and_accuracy_are_told_with_their_intervals(make):
    found = texts(make(classes=("a", "b")))["predictions"]
    assert found.startswith("The predicted class stays the same for")
    assert "under rotation and for" in found
    assert (
        "Accuracy on the untouched images is 80\xa0% [80\xa0%, 80\xa0%]; the lowest mean" in found
    )


def test_equal_shares_have_no_lowest(make):
    result = make()
    kept = result.frame["metric"] == "prediction_consistency"
    result.frame.loc[kept, ["value", "ci_low", "ci_high"]] = 1.0
    assert "and likewise under every other transformation." in texts(result)["predictions"]


def test_a_lost_image_is_named_with_the_first_level(make):
    result = flat(make, {"rotate": 0.5, "brightness_up": 0.95}, controls=("shuffled",))
    rows = (result.frame["transformation"] == "rotate") & (result.frame["level"] >= 8)
    rows &= result.frame["metric"] == "relative_invariance"
    result.frame.loc[rows, ["value", "ci_low", "ci_high"]] = [0.0, -0.05, 0.05]
    found = texts(result)["limit"]
    assert "rotation (first at 160°)" in found
    assert "brightening" not in found


def test_one_image_gives_numbers_but_no_verdict(make):
    found = texts(make(n=1))
    assert "A single image tells nothing about others." in found["most"]
    assert "1 image;" in found["sample"]
    assert "more invariant" not in found.get("twin", "")


def test_small_samples_are_called_small(make):
    assert "small sample" in texts(make(n=12))["sample"]
    assert "small sample" not in texts(make(n=500))["sample"]


def test_a_run_of_level_zero_only_has_no_verdict(make):
    result = make()
    result.frame = result.frame[result.frame["level"] == 0]
    assert [finding.kind for finding in verdict(result)] == ["none"]


def test_another_headline_metric_is_named_when_relative_invariance_is_absent(make):
    result = make(controls=())
    result.frame = result.frame[result.frame["metric"] == "prediction_consistency"]
    assert "prediction kept at the logits" in texts(result)["words"]


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.90, 0.99, "hardly reacts"),
        (0.8999, 0.99, "reacts a little"),
        (0.75, 0.80, "reacts a little"),
        (0.7499, 0.80, "reacts"),
        (0.4, 0.4999, "reacts strongly"),
        (0.4, 0.50, "reacts"),
        (float("nan"), float("nan"), "too few images"),
    ],
)
def test_the_thresholds_are_those_stated(low, high, word):
    assert reaction(Score((low + high) / 2, low, high, 9, (1,))) == word


def test_touching_intervals_are_not_apart():
    assert apart(Score(0.5, 0.4, 0.6, 9, (1,)), Score(0.7, 0.6, 0.8, 9, (1,))) == 0


def test_a_level_without_interval_leaves_the_mean_without_one():
    nan = float("nan")
    curve = pd.DataFrame(
        {"level": [0, 1, 2], "magnitude": [0, 10, 20], "value": [1.0, 0.5, 0.7],
         "ci_low": [1.0, 0.4, nan], "ci_high": [1.0, 0.6, nan], "n": [5, 5, 1]}
    )  # fmt: skip
    found = score(curve)
    assert found is not None
    assert found.value == pytest.approx(0.6)
    assert not found.has_interval
    assert found.n == 1


def unrelated(result, value, metric="prediction_consistency", layer="logits"):
    """Adds what unrelated images score."""
    rows = result.frame[(result.frame["metric"] == metric) & (result.frame["layer"] == layer)]
    rows = rows.assign(control="shuffled", value=value)
    result.controls = pd.concat([result.controls, rows])
    return result


def test_constant_predictions_are_named(make):
    found = texts(unrelated(make(), 0.97))
    assert "one and the same class for nearly all images" in found["predictions"]
    assert "stays the same" not in found["predictions"]
    readings = Readings(unrelated(make(), 0.97))
    assert {row.kept for row in glance(readings, standings(readings))} == {"constant"}
    assert "stays the same" in texts(unrelated(make(), 0.5))["predictions"]


def test_levels_of_ones_own_are_said(make):
    result = make()
    assert Readings(result).asked == list(Readings(result).transformations)
    cells = result.manifest["settings"]["cells"]
    result.manifest["settings"]["cells"] = [
        cell for cell in cells if cell["transformation"] != "rotate" or cell["level"] in (0, 3, 9)
    ]
    assert "rotate=60/180" in Readings(result).asked
