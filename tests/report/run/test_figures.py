"""The figures: figures of their own, the right curves in them, and SVG fit for a shared page."""

import re

import matplotlib.figure
import numpy as np
import pytest

from invariscope.errors import InputError
from invariscope.report.kit import svg
from invariscope.report.run import figures
from invariscope.report.run.figures import plot
from invariscope.report.run.readings import Readings


def labels(figure):
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_all_transformations_are_small_multiples(make, all_families):
    figure = plot(make(names=all_families))
    assert isinstance(figure, matplotlib.figure.Figure)
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert len(titles) == 13
    assert titles[0] == "rotation"
    assert labels(figure) == {
        "model", "untrained twin", "interpolation floor", "prediction kept", "another image",
    }  # fmt: skip


def test_the_drawn_values_are_the_values(make):
    result = make()
    line = next(
        line for line in plot(result, "rotate").axes[0].lines if line.get_label() == "model"
    )
    rows = result.frame[result.frame["class"].isna()]
    rows = rows[(rows["transformation"] == "rotate") & (rows["layer"] == "embedding")]
    rows = rows[rows["metric"] == "relative_invariance"].sort_values("level")
    assert np.asarray(line.get_ydata()).tolist() == list(rows["value"])


def test_twin_points_stand_at_their_levels_also_where_levels_are_missing(make):
    result = make()
    result.frame = result.frame[result.frame["level"].isin([0, 3, 9])]
    axes = plot(result, "rotate").axes[0]
    twin = next(line for line in axes.lines if line.get_label() == "untrained twin")
    assert np.asarray(twin.get_xdata()).tolist() == [1, 2]  # levels 3 and 9; 6 was not measured
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0°", "±60°", "±180°"]


def test_controls_that_were_not_measured_are_not_in_the_legend(make):
    assert labels(plot(make(controls=()), "rotate")) == {"model", "prediction kept"}


def test_metrics_of_predictions_are_found_at_the_logits(make):
    assert plot(make(), "rotate", metric="prediction_consistency").axes


def test_pyplot_knows_nothing_of_it(make):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plot(make(), "rotate")
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transformation": "rotat"}, "unknown transformation of this result 'rotat'.*rotate"),
        ({"metric": "accurate"}, "unknown metric of this result 'accurate'"),
        ({"layer": "embeding"}, "unknown layer of metric .* did you mean embedding"),
    ],
)
def test_unknown_names_are_one_line(make, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        plot(make(), **arguments)
    assert "\n" not in str(caught.value)


def test_svg_is_deterministic_small_and_shares_a_page(make):
    readings = Readings(make())
    limits = figures.y_limits(readings, ["rotate"], *figures_headline(readings))

    def draw(identifier):
        panel = figures.panel(readings, "rotate", figures.WIDE, limits, *figures_headline(readings))
        return svg.inline(panel, identifier, "label")

    first, again, other = draw("a"), draw("a"), draw("b")
    assert first == again
    assert len(first) < 20_000
    ids, others = (set(re.findall(r'\bid="([^"]+)"', text)) for text in (first, other))
    assert ids
    assert not ids & others
    referred = set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", first))
    assert referred == ids
    assert "<style" not in first
    assert "http" not in first


def figures_headline(readings):
    assert readings.headline is not None
    return readings.headline


def test_names_in_a_figure_are_escaped():
    figure = matplotlib.figure.Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, '<script>alert(1)</script> & "quotes"')
    drawn = svg.inline(figure, "a", 'label with "quotes" and <b>')
    assert "<script" not in drawn
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in drawn
    assert 'aria-label="label with &quot;quotes&quot; and &lt;b&gt;"' in drawn


def test_text_that_looks_like_markup_keeps_its_words():
    figure = matplotlib.figure.Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, 'an id="here" and url(#there)')
    assert 'an id="here"' in svg.inline(figure, "a", "label").replace("&quot;", '"')


def test_what_unrelated_images_score_is_drawn_as_a_median(make):
    result = make()
    null = result.controls["control"] == "shuffled"
    result.controls.loc[null, ["value", "ci_low", "ci_high"]] = [-0.9, -2.0, 0.1]
    result.controls["median"] = np.where(null, 0.02, np.nan)
    axes = plot(result, "rotate").axes[0]
    line = next(line for line in axes.lines if line.get_label() == "another image")
    assert set(np.asarray(line.get_ydata()).tolist()) == {0.02}
    assert axes.get_ylim()[0] > -0.5
