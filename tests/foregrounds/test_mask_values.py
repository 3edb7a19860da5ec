"""What the values of mask files mean, over the kinds that data sets have; boxes say it is right."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from invariscope.errors import InputError
from invariscope.foregrounds.foregrounds import measure_foregrounds
from invariscope.report.foregrounds.text import notes

COUNT, SIDE = 6, 40
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [90, 90, 90] * 251 + [224, 224, 192]


def places(number):
    """Where the thing of a mask lies: a square of 10 or 20, never at the border."""
    side = 10 if number % 2 else 20
    return 5 + number, 3 + number, side


def squares(number, value=1, inner=None):
    """A mask with a square, and another value in a part of it."""
    left, top, side = places(number)
    mask = np.zeros((SIDE, SIDE), dtype=np.uint16)
    mask[top : top + side, left : left + side] = value
    if inner is not None and number % 2:
        mask[top + 2 : top + 8, left + 2 : left + 8] = inner
    return mask


def outlined(number):
    """Labels with a void outline around the thing, as in Pascal VOC."""
    left, top, side = places(number)
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[top - 2 : top + side + 2, left - 2 : left + side + 2] = 255
    mask[top : top + side, left : left + side] = 1 + number % 3
    return mask


def palette(values, colours):
    picture = Image.fromarray(values.astype(np.uint8)).convert("P")
    picture.putpalette(colours)
    return picture


def colours(number, void=False):
    mask = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    left, top, side = places(number)
    if void:
        mask[top - 2 : top + side + 2, left - 2 : left + side + 2] = (224, 224, 192)
    mask[top : top + side, left : left + side] = [(128, 0, 0), (0, 0, 60)][number % 2]
    return Image.fromarray(mask)


def smooth(number):
    picture = Image.fromarray((255 * squares(number)).astype(np.uint8))
    return picture.filter(ImageFilter.GaussianBlur(0.7))


def cut_out(number):
    mask = np.full((SIDE, SIDE, 4), 255, dtype=np.uint8)
    mask[..., 3] = 255 * squares(number)
    return Image.fromarray(mask)


def grey(values):
    return Image.fromarray(values)


KINDS = {
    "0 and 1": (lambda n: grey(squares(n).astype(np.uint8)), "values 0, 1 are labels"),
    "0 and 255": (lambda n: grey((255 * squares(n)).astype(np.uint8)), "values 0 and 255"),
    "bits": (lambda n: grey(squares(n) > 0), "values 0 and 1 are background and foreground"),
    "labels": (lambda n: grey(squares(n, 1, 2).astype(np.uint8)), "values 0, 1, 2 are labels"),
    "bright labels": (lambda n: grey(squares(n, 85, 170).astype(np.uint8)), "are labels"),
    "scaled labels": (lambda n: grey(squares(n, 128, 255).astype(np.uint8)), "are labels"),
    "void": (lambda n: grey(outlined(n)), "one but 0 and 255, taken for void, is foreground"),
    "void by palette": (lambda n: palette(outlined(n), VOC), "palette indices 0, 1, 2, 3, 255"),
    "colours": (colours, "colours #000000, #00003c, #800000 are labels"),
    "colours with void": (lambda n: colours(n, void=True), "and #e0e0c0, taken for void,"),
    "instances": (lambda n: grey(squares(n, 26000 + n, 24001)), "are labels"),
    "16 bits": (lambda n: grey((65535 * squares(n).astype(int)).astype(np.uint16)), "0 and 65535"),
    "16 bits of 255": (lambda n: grey(255 * squares(n)), "values 0 and 255"),
    "32 bits": (lambda n: grey(squares(n).astype(np.int32) * (70000 + n)), "are labels"),
    "cut out": (cut_out, "the alpha of the mask files is the mask"),
    "white by palette": (
        lambda n: palette(1 - squares(n), [255, 255, 255, 0, 0, 0]),
        "values 0 and 255 are background and foreground",
    ),
    "soft": (smooth, "grey values from 0 to 255 are soft masks"),
}  # fmt: skip


def measured(tmp_path, make, suffix=".png", **how):
    (tmp_path / "masks").mkdir()
    for number in range(COUNT):
        picture = make(number)
        end = ".tiff" if picture.mode == "I" else suffix
        picture.save(tmp_path / "masks" / f"{number}{end}")
    return measure_foregrounds(
        [Image.new("RGB", (SIDE, SIDE))] * COUNT, masks=tmp_path / "masks", **how
    )


def areas(found):
    return found.images.sort_values("image")["area"].to_numpy()


TRUTH = np.array([places(n)[2] ** 2 / SIDE**2 for n in range(COUNT)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_mask_gives_the_box_of_the_thing(tmp_path, kind):
    make, decision = KINDS[kind]
    found = measured(tmp_path, make, threshold=0.5)
    np.testing.assert_allclose(areas(found), TRUTH, atol=1e-9)
    assert decision in found.manifest["decisions"]["masks"]
    assert f"masks: {found.manifest['decisions']['masks']}" in notes(found)
    assert bool(found.manifest["warnings"]) == ("void" in kind)


def test_a_mask_that_shows_two_of_the_labels_is_read_as_the_others(tmp_path):
    """Alone, {0, 255} would be binary; beside {0, 1, 255} its 255 is void."""

    def make(number):
        mask = outlined(number)
        if number == 0:
            mask[mask < 255] = 0
        return grey(mask)

    found = measured(tmp_path, make)
    assert found.manifest["images"]["empty"] == ["0"]
    np.testing.assert_allclose(areas(found)[1:], TRUTH[1:])


def test_files_of_0_and_1_beside_files_of_0_and_255(tmp_path):
    found = measured(tmp_path, lambda n: grey(squares(n, 255 if n % 2 else 1).astype(np.uint8)))
    np.testing.assert_allclose(areas(found), TRUTH)


def test_jpeg_masks_have_no_labels_in_their_noise(tmp_path):
    make = KINDS["0 and 255"][0]
    found = measured(tmp_path, make, ".jpg", threshold=0.5)
    np.testing.assert_allclose(areas(found), TRUTH, rtol=0.2)
    assert "JPEG" in found.manifest["decisions"]["masks"]


def test_an_inverted_mask_is_named_and_turned_around(tmp_path):
    def make(number):
        return grey((1 - squares(number)).astype(np.uint8))

    found = measured(tmp_path, make)
    (note,) = found.manifest["warnings"]
    assert "in 6 of 6 masks looked at most of the image's border is foreground" in note
    (tmp_path / "again").mkdir()
    turned = measured(tmp_path / "again", make, values=[0])
    np.testing.assert_allclose(areas(turned), TRUTH)
    assert turned.manifest["warnings"] == []
    assert turned.manifest["decisions"]["masks"] == "foreground is what has the value 0, as given"


def test_without_a_0_all_is_foreground_and_that_is_said(tmp_path):
    """Oxford-IIIT Pet: 1 the animal, 2 the background, 3 the outline."""

    def make(number):
        return grey((2 - squares(number)).astype(np.uint8))

    found = measured(tmp_path, make)
    assert "no mask has a pixel of value 0 (values 1, 2)" in found.manifest["warnings"][0]
    (tmp_path / "again").mkdir()
    np.testing.assert_allclose(areas(measured(tmp_path / "again", make, values=[1])), TRUTH)


def test_values_that_do_not_occur_or_have_no_file(tmp_path):
    with pytest.raises(InputError, match=r"`values=\[1\]` are of mask files"):
        measure_foregrounds([Image.new("RGBA", (4, 4))] * 2, masks="alpha", values=[1])
    make = KINDS["labels"][0]
    found = measured(tmp_path, make, values=[1, 7])
    assert found.manifest["warnings"] == ["no mask looked at has the value 7; they have 0, 1, 2"]


def test_floats_that_nobody_can_read_are_skipped_with_the_reason(tmp_path):
    (tmp_path / "masks").mkdir()
    for number in range(3):
        values = 0.5 * squares(number).astype(np.float32) * (1 if number else 9)
        Image.fromarray(values).save(tmp_path / "masks" / f"{number}.tiff")
    found = measure_foregrounds([Image.new("RGB", (SIDE, SIDE))] * 3, masks=tmp_path / "masks")
    (skipped,) = found.manifest["images"]["skipped"]
    assert "floats from 0 to 4.5; in [0, 1], or whole numbers, work" in skipped["reason"]
    np.testing.assert_allclose(areas(found), TRUTH[1:3])
