"""The pictures of channel pairs: which pairs are shown, and that their maps are the right ones."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import invariscope
from invariscope.errors import InputError
from invariscope.results import Result
from invariscope.results.pairs import (
    CHANNEL_PAIRS,
    ChannelPair,
    ChannelPairs,
    read_channel_pairs,
    write_channel_pairs,
)
from invariscope.sweep.pairs import chosen_cells
from invariscope.sweep.plan import make_plan
from invariscope.transformations import Resampling, get_groups, get_transformations

METRICS = "channel_equivariance"


class Stripes(nn.Module):
    """Differences along x (channels 0 and 1) and y (2), their sum (3), and a dead channel (4).

    Under a quarter turn counter-clockwise the derivative along x becomes that along y.
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular", bias=False)
        kernel = torch.zeros(5, 3, 3, 3)
        kernel[0, :, 1, 0], kernel[0, :, 1, 2] = -1.0, 1.0
        kernel[1, 0, 1, 0], kernel[1, 0, 1, 2] = -1.0, 1.0
        kernel[2, :, 0, 1], kernel[2, :, 2, 1] = 1.0, -1.0
        kernel[3, :, 1, 1] = 1.0
        self.conv.weight = nn.Parameter(kernel)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))

    def forward(self, images):
        return self.head(self.conv(images))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)


def run(images, groups="C4", **others):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Stripes()
    return invariscope.measure(
        model, images, groups=groups, metrics=METRICS, layers="conv", **others
    )


@pytest.fixture(scope="module")
def result(images):
    return run(images)


def shown(result: Result) -> ChannelPairs:
    assert result.channel_pairs is not None
    return result.channel_pairs


def at(result, cell):
    return {p.channel: p for p in shown(result).pairs if p.cell == cell}


def test_the_derivative_along_y_becomes_that_along_x(result):
    quarter = at(result, "rotate=90")
    assert quarter[2].match == 0
    assert quarter[2].similarity == pytest.approx(1.0, abs=1e-5)
    assert quarter[3].match == 3
    assert 4 not in quarter, "a dead channel becomes nothing"
    assert {pair.layer for pair in shown(result).pairs} == {"conv"}


def test_the_maps_are_those_of_the_example(result):
    pair = at(result, "rotate=90")[2]
    picture = result.example.astype(np.float64) / 255
    grey = picture.sum(-1)
    still = np.roll(grey, -1, 1) - np.roll(grey, 1, 1)  # f(x)_0: along x, circular
    low, high = pair.ranges[0]
    assert (low, high) == pytest.approx((still.min(), still.max()), abs=1e-4)
    shown = np.round(1 + 254 * (still - low) / (high - low))
    assert np.abs(pair.maps[0].astype(float) - shown).max() <= 1
    np.testing.assert_array_equal(pair.maps[1], np.rot90(pair.maps[0]))
    assert np.abs(pair.maps[2].astype(int) - pair.maps[1].astype(int)).max() <= 1


def test_the_first_two_maps_share_a_range_and_the_third_has_its_own(images):
    pairs = [pair for pair in shown(run(images, "C8")).pairs if pair.similarity < 0.9]
    assert pairs
    for pair in pairs:
        for maps in (pair.maps[:2], pair.maps[2]):
            assert (maps[maps > 0].min(), maps.max()) == (1, 255)


def test_large_maps_are_averaged_over_blocks():
    images = np.random.default_rng(1).integers(0, 256, (2, 130, 130, 3), np.uint8)
    pair = at(run(images, "flip"), "flip_horizontal=1")[3]
    assert pair.maps.shape == (3, 44, 44)  # blocks of 3
    grey = np.zeros((132, 132))
    picture = run(images, "flip").example
    assert picture is not None
    grey[:130, :130] = picture.astype(np.float64).sum(-1) / 255
    means = grey.reshape(44, 3, 44, 3).mean((1, 3))[:43, :43]
    low, high = pair.ranges[0]
    shown = 1 + 254 * (means - low) / (high - low)
    assert np.abs(pair.maps[0][:43, :43].astype(float) - shown).max() <= 1


def test_what_left_the_frame_is_not_shown(images):
    result = run(images, "shift_x(4)", resampling=Resampling(border="valid"))
    assert shown(result).pairs
    for pair in shown(result).pairs:
        assert pair.cell.startswith("shift=+4,+0")
        assert (pair.maps[1:, :, :4] == 0).all()
        assert (pair.maps[1:, :, 5:] > 0).all()
        assert (pair.maps[0] > 0).all()


def test_exact_motions_go_first_and_every_transformation_has_a_turn():
    plan = make_plan([*get_groups("C8,D4"), *get_transformations("rotate")], twin=False, floor=True)
    rows = [
        {"cell": cell.key, "exact": cell.key in ("rotate=90", "rotate=180", "rotate=270")
         or "flip" in cell.key}
        for cell in plan.cells[1:] if not cell.there_and_back
    ]  # fmt: skip
    keys = [cell.key for cell in chosen_cells(plan, pd.DataFrame(rows))]
    assert keys[0] == "rotate=90"
    assert len(keys) == len(set(keys)) <= 4
    exact = [key for key in keys if key in {row["cell"] for row in rows if row["exact"]}]
    assert any("flip" in key for key in exact)
    others = [key for key in keys if key not in exact]
    assert len(others) <= 1, "rotate has no exact level of its own, so it shows another"
    assert all(key.startswith("rotate") for key in others)


def test_in_a_folder_and_back(images, tmp_path, result):
    folder = tmp_path / "run"
    written = run(images, output=folder)
    for again in (Result.load(folder), Result.load(result.save(tmp_path / "saved"))):
        assert shown(again).image == shown(written).image
        assert len(shown(again).pairs) == len(shown(written).pairs) > 3
        for one, other in zip(shown(again).pairs, shown(written).pairs, strict=True):
            assert (one.layer, one.cell, one.channel, one.match) == (
                other.layer, other.cell, other.channel, other.match,
            )  # fmt: skip
            np.testing.assert_array_equal(one.maps, other.maps)
            np.testing.assert_array_equal(one.ranges, other.ranges)


def test_a_damaged_file_is_told_in_one_line_and_done_without(images, tmp_path):
    folder = tmp_path / "run"
    run(images, output=folder)
    whole = (folder / CHANNEL_PAIRS).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (b"", whole[: len(whole) // 2], b"\x00" * 100, bytes(flipped)):
        (folder / CHANNEL_PAIRS).write_bytes(content)
        with pytest.raises(InputError, match=r"cannot read .*channel_pairs.npz .*: give the run"):
            read_channel_pairs(folder)
        result = Result.load(folder)
        assert result.channel_pairs is None
        assert len(result.warnings) == 1 + len(result.manifest["warnings"])
        assert "\n" not in result.warnings[-1]
    run(images, output=folder)  # the same command makes the pictures anew
    assert Result.load(folder).channel_pairs is not None
    (folder / CHANNEL_PAIRS).unlink()
    result = Result.load(folder)
    assert result.warnings == result.manifest["warnings"]


def test_no_pairs_is_a_file_too(tmp_path):
    write_channel_pairs(tmp_path, ChannelPairs("an/image", ()))
    assert read_channel_pairs(tmp_path) == ChannelPairs("an/image", ())
    odd = ChannelPair("a", "b", 0, 1, 0.5, np.zeros((2, 2), np.float32), np.zeros((2, 4), np.uint8))
    write_channel_pairs(tmp_path, ChannelPairs("an/image", (odd,)))
    with pytest.raises(InputError, match="cannot read"):
        read_channel_pairs(tmp_path)


def test_a_run_without_channels_has_none(images):
    result = invariscope.measure(
        Stripes(), images, groups="C4", metrics="relative_invariance", layers="conv"
    )
    assert result.channel_pairs is None
