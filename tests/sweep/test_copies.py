"""Copies of a picture are no new pictures: a run says that its intervals are too narrow."""

import numpy as np
import pytest

import invariscope
from invariscope.results import Result

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 3), dtype=np.uint8)
TWICE = np.concatenate([PICTURES, PICTURES[2:4]])
WORDS = (
    "copies among 8 images, which count as images of their own, so that intervals are narrower "
    "than they should be: '6' of '2', '7' of '3'"
)


def colours(pixels):
    return pixels.mean((2, 3))


@pytest.mark.parametrize(("pictures", "said"), [(PICTURES, []), (TWICE, [WORDS])])
def test_a_run_names_copies(tmp_path, pictures, said):
    run = {"transformations": "rotate=20", "output": tmp_path}
    assert invariscope.measure(colours, pictures, **run).warnings == said
    assert Result.load(tmp_path).warnings == said
    assert invariscope.measure(colours, pictures, **run).warnings == said  # once


@pytest.mark.parametrize("folder", [False, True])
def test_a_search_names_copies(tmp_path, folder):
    found = invariscope.find_factors(
        colours, (TWICE, np.zeros(8, np.int64)), pairs=4, operations="rotate=20",
        output=tmp_path if folder else None,
    )  # fmt: skip
    (said,) = [line for line in found.manifest["warnings"] if line.startswith("copies")]
    assert said.startswith("copies among 8 images, which count")
    assert said.count(" of ") == 3
