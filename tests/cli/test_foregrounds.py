"""`invariscope foregrounds`: the findings, the folder, the messages."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def cut_outs(place):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (place / "cuts" / name).mkdir(parents=True)
        for number in range(4):
            pixels = np.full((30, 50, 4), 80, dtype=np.uint8)
            pixels[..., 3] = 0
            left, top = rng.integers(0, 20, 2)
            pixels[top : top + 9, left : left + 14, 3] = 255
            Image.fromarray(pixels).save(place / "cuts" / name / f"{number}.png")
    return place


def test_findings_on_the_screen_and_tables_in_the_folder(cut_outs, invariscope):
    code, out, err = invariscope("foregrounds", "-d", "cuts", "--masks", "alpha", "-o", "found")
    assert code == 0, err
    assert "foregrounds of cuts: 8 images, masks alpha, threshold 0.1" in out
    assert "place varies more than size" in out
    assert max(map(len, out.splitlines())) <= 80
    files = {path.name for path in (cut_outs / "found").iterdir()}
    assert files == {
        "manifest.json", "rows", "foregrounds.parquet", "foregrounds-summary.csv",
        "foregrounds-spread.csv", "centres.svg", "areas.svg", "classes.svg",
    }  # fmt: skip
    assert json.loads((cut_outs / "found" / "manifest.json").read_text())["images"]["used"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--data'"),
        (("-d", "cuts", "-n", "0"), "--num-images 0: give a number from 1 on, or all"),
        (("-d", "cuts", "--masks", "nowhere"), "--masks nowhere: no such folder"),
        (("-d", "pictures", "--masks", "alpha"), "it has no alpha channel; give masks as alpha"),
        (("-d", "cuts", "--masks", "alpha", "--threshold", "2"), "threshold=2: give a number"),
    ],
)
def test_messages_are_one_line(cut_outs, invariscope, arguments, message):
    code, out, err = invariscope("foregrounds", *arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not out


def test_a_folder_that_cannot_be_written(cut_outs, invariscope):
    (cut_outs / "file").write_text("")
    code, _, err = invariscope("foregrounds", "-d", "cuts", "--masks", "alpha", "-o", "file/x")
    assert code == 2
    assert "cannot write to file/x: Not a directory; give another folder as --output" in err


def test_the_same_command_goes_on_and_others_are_refused(cut_outs, invariscope):
    words = ("foregrounds", "-d", "cuts", "--masks", "alpha", "-o", "found")
    assert invariscope(*words)[0] == 0
    code, _, err = invariscope(*words)
    assert code == 0
    assert "resuming: 8 of 8" in err
    code, _, err = invariscope(*words, "--no-resume")
    assert code == 2
    assert "found holds a run already: give another --output, or leave out --no-resume" in err
    code, _, err = invariscope(*words, "--threshold", "0.2")
    assert code == 2
    assert "threshold is 0.1 in its manifest.json and 0.2 now; give another --output" in err


def test_a_folder_is_not_made_for_images_without_masks(cut_outs, invariscope):
    (cut_outs / "plain").mkdir()
    Image.new("RGB", (9, 9)).save(cut_outs / "plain" / "0.png")
    code, _, err = invariscope("foregrounds", "-d", "plain", "--masks", "alpha", "-o", "found")
    assert code == 2
    assert "has a mask" in err
    assert not (cut_outs / "found").exists()


def test_help_does_not_wait_for_torch(environment):
    code = (
        "import sys; sys.argv = ['invariscope', 'foregrounds', '--help']\n"
        "from invariscope.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([n for n in ('torch', 'pandas', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip().endswith("[]")
    assert "saliency, alpha, or a folder of masks" in done.stdout
