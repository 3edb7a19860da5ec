"""The report of a real run: every section of it filled by `invariscope.measure` itself."""

import numpy as np
import pytest
import torch

import invariscope
from invariscope.report.run.page import page
from invariscope.report.run.readings import Readings
from invariscope.report.run.verdict import verdict


@pytest.fixture(scope="module")
def result():
    colours = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 3), dtype=np.uint8)
    images = colours.repeat(8, axis=1).repeat(8, axis=2)  # 32 × 32, with edges to move
    labels = np.arange(16) % 4
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 5, stride=2),
            torch.nn.ReLU(),
            torch.nn.Conv2d(8, 16, 3, stride=2),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(16, 4),
        )
    return invariscope.measure(
        model,
        (images, labels),
        transformations="rotate,brightness_up,posterize",
        twin=True,
        floor=True,
    )


def test_every_section_is_there(result):
    text = page(result)
    for section in ("verdict", "curves", "layers", "classes", "numbers", "conventions"):
        assert f'<section id="{section}"' in text
    assert text.count("<img ") == 30
    for words in ("its untrained twin", "interpolation floor", "another image", "prediction kept"):
        assert words in text


def test_the_verdict_speaks_of_this_run(result):
    found = {finding.kind: finding.text for finding in verdict(result)}
    assert "16 images" in found["sample"]
    assert {"least", "most", "twin", "words"} <= set(found)


def test_a_mean_over_levels_is_that_of_the_averages(result):
    """The standard table has 6 and 3 bits twice: equal cells count once."""
    averages = result.averages("relative_invariance").query("layer == 'embedding'")
    means = averages.set_index("transformation")["value"]
    overview, readings = result.overview(), Readings(result)
    for name in ("rotate", "brightness_up", "posterize"):
        own = readings.score(name, metric="relative_invariance", layer="embedding")
        assert own is not None
        assert own.value == pytest.approx(means[name], abs=1e-6)
        assert overview.loc[name, "mean"] == pytest.approx(means[name], abs=1e-6)


def test_plot_and_page_through_the_result(result, tmp_path):
    assert result.plot("rotate").axes[0].get_title() == "rotation"
    assert result.to_html(tmp_path / "report.html").stat().st_size < 3_000_000


CONVOLUTION = torch.nn.Conv2d(3, 5, 3)


@pytest.mark.parametrize(
    ("model", "how", "words"),
    [
        (lambda x: x.mean((2, 3)), {"task": "embedding"}, "no classifier of one class per image"),
        (lambda x: x.mean((1, 2, 3)), {}, "no classifier of one class per image"),
        (CONVOLUTION, {}, "no classifier of one class per image"),
        (lambda x: x.mean((2, 3)), {"task": "multilabel"}, "no classifier of one class per image"),
        (lambda x: x.mean((2, 3)), {"metrics": "lie_derivative"}, "measured derivatives alone"),
    ],
    ids=["embedding", "regression", "dense", "multilabel", "derivatives"],
)
def test_a_run_without_answers_has_a_page(model, how, words):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    result = invariscope.measure(model, pictures, transformations="rotate=45", **how)
    text = page(result)
    assert words in text
    assert '<section id="numbers"' in text
    assert "Most affected" not in text
