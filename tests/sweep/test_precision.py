"""Adaptive precision: a run stops as soon as its intervals are short enough, and says so."""

import numpy as np
import pytest
import torch

import invariscope
from invariscope.errors import InputError


def model(x):
    return torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(1)


def run(output=None, **more):
    images = np.random.default_rng(0).integers(0, 256, (200, 9, 9, 3), dtype=np.uint8)
    return invariscope.measure(
        model, images, transformations="rotate", metrics="mean_relative_invariance",
        output=output, workers=0, **more,
    )  # fmt: skip


def half_widths(result):
    at = result.frame[(result.frame.layer == "embedding") & result.frame["class"].isna()]
    return ((at.ci_high - at.ci_low) / 2).max()


def test_it_stops_when_the_intervals_are_short_enough():
    everything = run()
    assert everything.manifest["images"]["used"] == 200
    wide, narrow = run(precision=0.2), run(precision=1.05 * half_widths(everything))
    assert wide.manifest["images"]["used"] in (32, 64, 128)
    assert half_widths(wide) <= 0.2
    assert wide.manifest["images"]["used"] < narrow.manifest["images"]["used"] <= 200
    (event,) = wide.manifest["execution"]["events"]
    assert event.startswith(f"stopped after {wide.manifest['images']['used']} images")
    assert float(event.split("±")[1]) == pytest.approx(half_widths(wide), rel=0.01)
    assert run(precision=1e-4).manifest["images"]["used"] == 200


def test_a_stopped_run_can_be_made_more_precise(tmp_path):
    first = run(tmp_path / "run", precision=0.2)
    again = run(tmp_path / "run", precision=0.2)
    assert again.frame.equals(first.frame)
    more = run(tmp_path / "run")
    assert more.manifest["images"]["used"] == 200
    assert more.frame.equals(run().frame)


def test_a_damaged_block_does_not_stand_in_the_way(tmp_path):
    whole = run(tmp_path / "run")
    for number in (1, 4):
        path = tmp_path / "run" / "rows" / f"block-{number:05}.parquet"
        path.write_bytes(path.read_bytes()[:100])
    again = run(tmp_path / "run", precision=1e-4)
    assert again.frame.equals(run(precision=1e-4).frame)
    # The same values; their intervals hold at whatever number of images it might have stopped.
    assert again.frame.value.equals(whole.frame.value)
    assert half_widths(again) > 1.3 * half_widths(whole)


def test_a_precision_that_is_none():
    with pytest.raises(InputError, match="precision must be above 0, not 0"):
        run(precision=0)
