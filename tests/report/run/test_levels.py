"""Labels and photographs show the levels that the run measured, whatever table they came from."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from invariscope.report.run.levels import level_names, strip, transformation_of
from invariscope.report.run.readings import Readings
from invariscope.transformations import from_function


def decoded(thumbnail):
    data = base64.b64decode(thumbnail.uri.split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)


def test_labels_have_sign_and_unit(make):
    readings = Readings(make(names=("rotate", "zoom_in", "translate_x")))
    assert list(level_names(readings, "rotate").values())[:3] == ["0°", "±20°", "±40°"]
    assert level_names(readings, "zoom_in")[1] == "×1.28"
    assert level_names(readings, "translate_x")[1] == "±5.6 %"


@pytest.mark.parametrize(
    ("magnitudes", "shown"),
    [((0.0, 0.5, 2.0), ["0", "0.5", "2"]), ((0.0, 1.0, 2.0), ["0", "1", "2"]),
     ((0.0, 1.0), ["off", "on"])],
)  # fmt: skip
def test_levels_without_a_unit_are_numbers_unless_they_are_off_and_on(
    make, monkeypatch, magnitudes, shown
):
    levels = [(level, magnitude, "") for level, magnitude in enumerate(magnitudes)]
    monkeypatch.setattr("invariscope.report.run.levels.levels_of", lambda readings, name: levels)
    assert list(level_names(Readings(make(names=("rotate",))), "own").values()) == shown
    family = from_function("own", lambda images, amount: images, magnitudes)
    assert [family.describe(level) for level in family.levels] == shown


def test_the_strip_shows_what_the_model_saw(make):
    result = make(names=("rotate", "brightness_down"))
    readings = Readings(result)
    dark = strip(readings, "brightness_down")
    assert len(dark) == 10
    assert decoded(dark[9]).max() <= 3  # brightness 0
    untouched = Image.fromarray(result.example).resize((112, 112), Image.Resampling.LANCZOS)
    assert np.abs(decoded(dark[0]) - np.asarray(untouched, dtype=float)).mean() < 4
    upside_down = decoded(strip(readings, "rotate")[9])
    assert np.abs(upside_down - decoded(dark[0])[::-1, ::-1]).mean() < 4
    assert dark[9].alternative == "brightness_down at level 9: 0×"


def test_magnitudes_of_the_users_own_are_rebuilt(make):
    result = make(names=("rotate",))
    result.frame = result.frame[result.frame["level"] < 3].copy()
    result.frame["magnitude"] = result.frame["level"].map({0: 0.0, 1: 5.0, 2: 10.0})
    readings = Readings(result)
    family = transformation_of(readings, "rotate")
    assert family is not None
    assert family.magnitudes == (0.0, 5.0, 10.0)
    assert list(level_names(readings, "rotate").values()) == ["0°", "5°", "10°"]
    assert len(strip(readings, "rotate")) == 3


def test_the_runs_border_is_used(make):
    result = make(names=("zoom_out",))
    black = decoded(strip(Readings(result), "zoom_out")[9])
    result.manifest["settings"]["fill"] = 1.0
    white = decoded(strip(Readings(result), "zoom_out")[9])
    assert black[3, 3].max() < 10
    assert white[3, 3].min() > 245


@pytest.mark.parametrize("shape", [(28, 28), (300, 200), (1, 1)])
def test_thumbnails_have_one_size_and_keep_their_shape(make, shape):
    result = make(names=("brightness_up",))
    result.example = np.zeros((*shape, 3), np.uint8)
    height, width = decoded(strip(Readings(result), "brightness_up")[0]).shape[:2]
    assert max(height, width) == 112
    assert height / width == pytest.approx(shape[0] / shape[1], rel=0.02)
