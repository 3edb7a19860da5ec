"""Figures of foregrounds: what is drawn where, and that a page can embed them."""

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from PIL import Image

from invariscope.foregrounds.foregrounds import measure_foregrounds
from invariscope.report.foregrounds.figures import areas, centres, classes, write_figures
from invariscope.report.kit.svg import inline


def made(count=24):
    rng = np.random.default_rng(0)
    pictures = []
    for number in range(count):
        pixels = np.zeros((60, 60, 4), dtype=np.uint8)
        side = 6 + 8 * (number % 4)
        left, top = rng.integers(0, 60 - side, 2)
        pixels[top : top + side, left : left + side, 3] = 255
        pictures.append((Image.fromarray(pixels), f"class {number % 4}"))
    return pictures


@pytest.fixture(scope="module")
def found():
    pictures = made()
    return measure_foregrounds(
        ([image for image, _ in pictures], [label for _, label in pictures]), masks="alpha"
    )


def test_centres_have_the_mean_box_and_y_down(found):
    axes = centres(found).axes[0]
    assert axes.get_ylim() == (1.0, 0.0)
    cells, box = [each for each in axes.collections if isinstance(each, PolyCollection)]
    corners = np.asarray(box.get_paths()[0].vertices)[:4]
    mean = {name: found.overall(name)["mean"] for name in ("x", "y", "width", "height")}
    assert np.ptp(corners[:, 0]) == pytest.approx(mean["width"])
    assert corners.mean(axis=0) == pytest.approx([mean["x"], mean["y"]])
    # every centre lies in a cell that is drawn
    drawn = [np.asarray(path.vertices) for path in cells.get_paths()]
    for row in found.images.itertuples():
        assert any(
            low[0] <= row.x <= high[0] and low[1] <= row.y <= high[1]
            for low, high in ((c.min(axis=0), c.max(axis=0)) for c in drawn)
        )


def test_areas_add_up_to_all_images(found):
    bars: Any = areas(found).axes[0].patches
    assert sum(bar.get_height() for bar in bars) == pytest.approx(1)


def test_classes_are_sorted_and_limited(found):
    figure = classes(found)
    assert figure is not None
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [f"class {number}" for number in range(4)]
    assert classes(found, ["class 2"]) is not None
    assert classes(found, ["no such class"]) is None
    images = [image for image, _ in made(90)]
    many = measure_foregrounds((images, [f"c{n % 45}" for n in range(90)]), masks="alpha")
    figure = classes(many)
    assert figure is not None
    assert len(figure.axes[0].get_yticks()) == 40
    assert classes(measure_foregrounds(images, masks="alpha")) is None


def test_a_page_can_embed_them_in_its_colours(found, tmp_path):
    for draw in (centres, areas, classes):
        figure = draw(found)
        assert figure is not None
        markup = inline(figure, draw.__name__, "a label")
        assert "var(--model)" in markup
        assert "#0072b2" not in markup
        assert "http" not in markup
    written = write_figures(found, tmp_path)
    assert [path.name for path in written] == ["centres.svg", "areas.svg", "classes.svg"]
    before = written[0].read_bytes()
    assert write_figures(found, tmp_path)[0].read_bytes() == before
