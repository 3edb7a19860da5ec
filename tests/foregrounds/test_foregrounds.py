"""The boxes of a data set: the three kinds of masks, what is left out, files, text, messages."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from invariscope.data import open_source
from invariscope.errors import InputError
from invariscope.foregrounds import Foregrounds, measure_foregrounds
from invariscope.foregrounds.boxes import MEASURES
from invariscope.report.foregrounds.text import findings, notes, to_text
from invariscope.runs.progress import Silent
from oracles.boxes import reference_box


def picture(box, size=(40, 20), alpha=255):
    """A grey picture width × height, opaque in (left, top, right, bottom)."""
    width, height = size
    pixels = np.full((height, width, 4), 90, dtype=np.uint8)
    pixels[..., 3] = 0
    left, top, right, bottom = box
    pixels[top:bottom, left:right, 3] = alpha
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path):
    """Two classes; one picture without a foreground, one broken, one without alpha."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            left, top = rng.integers(0, 20), rng.integers(0, 10)
            width, height = rng.integers(3, 20), rng.integers(3, 10)
            one = picture((left, top, left + width, top + height))
            one.save(tmp_path / "data" / name / f"{number}.png")
    picture((0, 0, 5, 5), alpha=20).save(tmp_path / "data" / "cat" / "empty.png")
    (tmp_path / "data" / "dog" / "broken.png").write_bytes(b"no")
    Image.new("RGB", (30, 30)).save(tmp_path / "data" / "dog" / "solid.png")
    return tmp_path / "data"


def test_alpha_gives_the_boxes_of_the_oracle(folder):
    found = measure_foregrounds(folder, masks="alpha")
    assert len(found.images) == 13
    for row in found.images.itertuples():
        mask = np.asarray(Image.open(folder / str(row.image)))[..., 3] / 255
        expected = reference_box(mask.tolist(), 0.1)
        if expected is None:
            assert row.image == "cat/empty.png"
            continue
        assert [getattr(row, name) for name in MEASURES] == pytest.approx(expected)
        assert row.peak == 1.0
        assert row._2 == str(row.image).split("/")[0]  # the column class


def test_what_does_not_count_is_named(folder):
    found = measure_foregrounds(folder, masks="alpha")
    assert found.manifest["images"]["empty"] == ["cat/empty.png"]
    reasons = {entry["image"]: entry["reason"] for entry in found.manifest["images"]["skipped"]}
    assert set(reasons) == {"dog/broken.png", "dog/solid.png"}
    assert reasons["dog/solid.png"] == "it has no alpha channel"
    assert list(found.spread["n"]) == [12, 6, 6]
    assert found.summary[["mean", "sd", "q50"]].notna().all().all()
    text = " ".join(notes(found))
    assert "1 image without any foreground above 0.1, in no mean: cat/empty.png" in text
    assert "skipped 2 images, first" in text
    lower = measure_foregrounds(folder, masks="alpha", threshold=0.05)
    assert lower.manifest["images"]["empty"] == []


def test_masks_from_a_folder_by_path_or_stem_at_any_size(folder, tmp_path):
    masks = tmp_path / "masks"
    (masks / "cat").mkdir(parents=True)
    for number in range(6):
        alpha = Image.open(folder / "cat" / f"{number}.png").getchannel("A")
        alpha.resize((120, 60), Image.Resampling.NEAREST).save(masks / "cat" / f"{number}.bmp")
    Image.open(folder / "cat" / "empty.png").getchannel("A").save(masks / "empty.png")
    Image.new("L", (40, 40), 255).save(masks / "solid.png")
    Image.new("L", (40, 20), 255).save(masks / "0.png")  # of cat/0 or dog/0: nobody can tell
    found = measure_foregrounds(folder, masks=masks)
    alpha = measure_foregrounds(folder, masks="alpha").images.set_index("image")
    own = found.images.set_index("image")
    assert set(own.index) == {f"cat/{number}.png" for number in range(6)} | {
        "cat/empty.png", "dog/solid.png",
    }  # fmt: skip
    for number in range(6):
        name = f"cat/{number}.png"
        left, right = (frame.loc[name, list(MEASURES)] for frame in (own, alpha))
        assert np.allclose(left.to_numpy(dtype=float), right.to_numpy(dtype=float))
    assert own.loc["dog/solid.png", "area"] == 1
    reasons = [entry["reason"] for entry in found.manifest["images"]["skipped"]]
    assert sum("no mask of that name" in reason for reason in reasons) == 7


def test_a_mask_of_another_shape_is_refused(folder, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.new("L", (20, 20), 255).save(masks / "solid.png")
    Image.new("L", (20, 20), 255).save(masks / "empty.png")
    found = measure_foregrounds(folder, masks=masks)
    reasons = {entry["image"]: entry["reason"] for entry in found.manifest["images"]["skipped"]}
    assert reasons["cat/empty.png"] == "its mask is 20 × 20, the image 40 × 20"


@pytest.mark.parametrize("kind", ["0 and 1", "one bit", "palette", "16 bit 0 and 1", "grey"])
def test_kinds_of_mask_files(tmp_path, kind):
    values = np.zeros((10, 20), dtype=np.uint8)
    values[2:6, 5:15] = 1
    if kind == "0 and 1":
        mask = Image.fromarray(values)
    elif kind == "one bit":
        mask = Image.fromarray(values.astype(bool))
    elif kind == "palette":
        mask = Image.fromarray(values).convert("P")
        mask.putpalette([0, 0, 0, 0, 0, 60])  # a dark blue that is hardly bright
    elif kind == "16 bit 0 and 1":
        mask = Image.fromarray(values.astype(np.uint16))
    else:
        mask = Image.fromarray(values * 200)
    (tmp_path / "m").mkdir()
    mask.save(tmp_path / "m" / "0.png")
    found = measure_foregrounds([Image.new("RGB", (20, 10))] * 2, masks=tmp_path / "m")
    assert found.images[list(MEASURES)].to_numpy().tolist()[0] == [0.5, 0.4, 0.5, 0.4, 0.2, 0.2]


def test_labels_that_come_with_the_images_are_found():
    class Pictures:
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return picture((index, 2, index + 9, 8)), index % 2

    found = measure_foregrounds(Pictures(), masks="alpha")
    assert sorted(found.images["class"]) == ["0", "0", "1", "1"]
    assert found.classes == ["0", "1"]


def test_a_subset_is_stratified_and_the_seed_decides(folder):
    some = measure_foregrounds(folder, masks="alpha", num_images=6, seed=1)
    again = measure_foregrounds(folder, masks="alpha", num_images=6, seed=1)
    other = measure_foregrounds(folder, masks="alpha", num_images=6, seed=2)
    pd.testing.assert_frame_equal(some.images, again.images)
    pd.testing.assert_frame_equal(some.spread, again.spread)
    assert set(some.images["image"]) != set(other.images["image"])
    assert some.manifest["images"]["selected"] == 6


def test_saved_and_read_it_is_the_same(folder, tmp_path):
    found = measure_foregrounds(folder, masks="alpha")
    back = Foregrounds.load(found.save(tmp_path / "out"))
    assert back.manifest == found.manifest
    for name in ("images", "summary", "spread"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(found, name), check_exact=True)
    assert to_text(back) == to_text(found)


def test_files_that_cannot_be_read(folder, tmp_path):
    with pytest.raises(InputError, match=r"is not a run folder .it has no manifest.json.: give"):
        Foregrounds.load(tmp_path)
    measure_foregrounds(folder, masks="alpha").save(tmp_path / "out")
    path = tmp_path / "out" / "foregrounds.parquet"
    content = path.read_bytes()
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"cannot read .*foregrounds.parquet .damaged.: delete it"):
        Foregrounds.load(tmp_path / "out")
    measure_foregrounds(folder, masks="alpha", seed=1).save(tmp_path / "second")
    path.write_bytes((tmp_path / "second" / path.name).read_bytes())
    with pytest.raises(InputError, match=r"foregrounds.parquet holds boxes of another run than"):
        Foregrounds.load(tmp_path / "out")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"out is not empty: give a new or empty folder"):
        Foregrounds.load(tmp_path / "out").save(tmp_path / "out")
    path.unlink()
    with pytest.raises(InputError, match=r"out has no foregrounds.parquet yet: run the same comma"):
        Foregrounds.load(tmp_path / "out")


def test_the_text_is_80_columns_and_says_which_varies_more(folder):
    found = measure_foregrounds(folder, masks="alpha")
    lines = to_text(found).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("scale") for line in lines)
    assert "nan" not in to_text(found)
    size = [picture((20 - a, 10 - a, 20 + a, 10 + a)) for a in range(2, 9)]
    place = [picture((a, a, a + 6, a + 6)) for a in range(2, 12)]
    same = [picture((a, a, a + 6, a + 6)) for a in (3, 3)]
    assert "size varies more than place" in findings(measure_foregrounds(size, masks="alpha"))[2]
    assert "place varies more than size" in findings(measure_foregrounds(place, masks="alpha"))[2]
    assert "nothing varies" in findings(measure_foregrounds(same, masks="alpha"))[2]
    alone = to_text(measure_foregrounds(size[:1], masks="alpha"))
    assert "nan" not in alone


def test_progress_is_told(folder):
    class Told(Silent):
        def start(self, **counts):
            assert counts == {"images": 10, "cells": 1, "passes": 10, "done": 0}

        def advance(self, passes):
            told.append(passes)

    told = []
    measure_foregrounds(folder, masks="alpha", num_images=10, progress=Told())
    assert told == [10]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.0}, "threshold=1: give a number from 0 up to, not including, 1"),
        ({"threshold": float("nan")}, "threshold=nan"),
        (
            {"masks": "nowhere"},
            "`masks='nowhere'`: no such folder; give alpha, saliency or a folder",
        ),
        ({"masks": "alpha", "threshold": 0.999}, None),
    ],
)
def test_messages(folder, settings, message):
    if message is None:
        assert measure_foregrounds(folder, **settings).manifest["images"]["empty"] == [
            "cat/empty.png"
        ]
        return
    with pytest.raises(InputError, match=message) as error:
        measure_foregrounds(folder, **settings)
    assert "\n" not in str(error.value)


def test_no_mask_or_no_foreground_at_all(tmp_path):
    solid = [Image.new("RGB", (8, 8))] * 3
    with pytest.raises(
        InputError,
        match=r"none of the 3 images of .* has a mask; the first: .*: it has no alpha channel; "
        r"give masks as alpha, saliency or a folder",
    ):
        measure_foregrounds(solid, masks="alpha")
    clear = [picture((0, 0, 4, 4), alpha=3)] * 2
    with pytest.raises(InputError, match=r"none of the 2 masks of .* has a pixel above 0.1"):
        measure_foregrounds(clear, masks="alpha")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no image in that folder"):
        measure_foregrounds(solid, masks=tmp_path / "none")


def test_sources_say_what_is_transparent(folder):
    source = open_source(folder)
    alpha = source.alpha(0)
    assert alpha is not None
    assert alpha.shape == (20, 40)
    assert set(np.unique(alpha)) == {0.0, 1.0}
    assert source.alpha(source.ids.index("dog/solid.png")) is None
    assert open_source(np.zeros((2, 4, 4, 3), dtype=np.uint8)).alpha(0) is None
