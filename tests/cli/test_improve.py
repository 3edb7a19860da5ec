"""`invariscope improve`: exit codes, 80 columns, weights that open again, one line of error."""

import numpy as np
import pytest
from PIL import Image

RULE = "brightness_down@>=0.6 prediction_consistency >= 1%"
BEYOND = "rotate@=180deg relative_invariance >= 99.9%"
TINY = ("improve", "python:tiny:make", "-d", "labelled", "--model-classes", "order", "-j", "0",
        "--device", "cpu", "--epochs", "0.5", "--tuning-batch", "8")  # fmt: skip


@pytest.fixture
def labelled(place):
    """Four classes of ten pictures each."""
    rng = np.random.default_rng(1)
    for name in "abcd":
        (place / "labelled" / name).mkdir(parents=True)
        for number in range(10):
            coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)
            picture.save(place / "labelled" / name / f"{number}.png")
    return place


def test_what_holds_ends_with_0_and_nothing_tuned(invariscope, labelled):
    code, out, _ = invariscope(*TINY, "-r", RULE, "-o", "out")
    assert code == 0
    assert "The rule holds already, so nothing was tuned." in out
    assert (labelled / "out" / "report.html").exists()
    assert not (labelled / "out" / "improved").exists()


def test_what_fails_ends_with_1_and_its_weights_open_again(invariscope, labelled):
    code, out, err = invariscope(*TINY, "-r", BEYOND, "-o", "out")
    assert code == 1, err
    assert max(map(len, out.splitlines())) <= 80
    assert "28 images to tune on, 12 held out: 30 % of each class" in out
    assert f"✗ failed: {BEYOND} (before: failed)" in out
    assert "not there yet:" in out
    code, out, _ = invariscope("check", "improved:out/improved", "-d", "labelled", "-r", RULE,
                               "--model-classes", "order", "-j", "0")  # fmt: skip
    assert code == 0
    assert "improved:out/improved on labelled" in out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["-d", "pictures", "-r", RULE], "pictures has no labels, and a network is tuned on them"),
        (["-r", "rotate >= 1"], "write TRANSFORMATION@<=MAGNITUDE METRIC >= VALUE"),
        (["-r", RULE, "--lr", "0"], "--lr is 0; it must be above 0"),
        (["-r", RULE, "--margin", "0"], "margin is 0: give a share above 0"),
        (["-r", RULE, "-n", "4"], "--num-images 4: give a number from 8 on"),
        ([], "Missing option '--rule'"),
    ],
)
def test_what_is_wrong_ends_with_2(invariscope, labelled, more, message):
    code, out, err = invariscope(*TINY, *more)
    assert (code, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("invariscope: ")]
    assert message in line
