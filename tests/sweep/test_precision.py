"""Adaptive precision: a run stops as soon as its intervals are short enough, and says so."""

import numpy as np
import pytest
import torch

import invariscope
from invariscope.errors import InputError
from invariscope.runs.progress import Silent


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
    assert wide.manifest["images"]["used"] in (64, 96, 128)
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
    with pytest.raises(InputError, match="precision must be above 0 and at most 1, not 0"):
        run(precision=0)


def cells_n(result, metric="mean_relative_invariance"):
    at = result.frame.query("metric == @metric and layer == 'embedding'")
    at = at[at["class"].isna()]
    keys = zip(at["transformation"], at["level"], strict=True)
    return dict(zip(keys, map(int, at["n"]), strict=True))


def several(output=None, precision=None, metrics="mean_relative_invariance", **more):
    """Mild levels vary little between images, severe ones much."""
    pictures = np.random.default_rng(1).integers(0, 256, (640, 9, 9, 3), dtype=np.uint8)
    return invariscope.measure(
        model, pictures, transformations="posterize,rotate", metrics=metrics, output=output,
        precision=precision, workers=0, floor=True, **more,
    )  # fmt: skip


def test_each_cell_stops_by_itself_and_its_passes_are_saved():
    result = several(precision=0.05)
    n, execution = cells_n(result), result.manifest["execution"]
    assert n["posterize", 1] == 64
    assert n["rotate", 9] > n["rotate", 4] > 64
    assert half_widths(result) <= 0.05
    assert set(n.values()) <= {32 * count for count in execution["stopped"].values()}
    rows = result.rows
    plain = rows[rows["control"].isin(["", "floor"]) & (rows["layer"] == "embedding")]
    assert execution["forward_passes"] == len(plain)  # a row for every image and cell
    whole = several()
    assert execution["forward_passes"] < 0.4 * whole.manifest["execution"]["forward_passes"]
    (event,) = execution["events"]
    assert f"stopped after {result.manifest['images']['used']} images, " in event
    assert "of 16 cells earlier: intervals are within ±0." in event


def test_the_untouched_images_are_measured_to_the_end():
    result = several(precision=0.05)
    rows = result.rows
    rows = rows[(rows["layer"] == "embedding") & (rows["control"] == "")]
    identity = rows[rows["cell"] == "identity"]
    assert len(identity) == result.manifest["images"]["used"]


def test_an_interrupted_run_stops_the_same_cells(tmp_path):
    whole = several(tmp_path / "whole", precision=0.05)
    cut = several(tmp_path / "cut", precision=0.05)
    for number in (1, 3, 4):  # the looks after 2 to 5 blocks need them
        (tmp_path / "cut" / "rows" / f"block-{number:05}.parquet").unlink()
    again = several(tmp_path / "cut", precision=0.05)
    assert cut.frame.equals(whole.frame)
    assert again.frame.equals(whole.frame)
    for path in sorted((tmp_path / "whole" / "rows").iterdir()):
        assert path.read_bytes() == (tmp_path / "cut" / "rows" / path.name).read_bytes()
    assert again.manifest["execution"]["stopped"] == whole.manifest["execution"]["stopped"]


@pytest.mark.parametrize("precision", [0.04, None])
def test_more_precision_measures_what_had_stopped(tmp_path, precision):
    several(tmp_path / "run", precision=0.1)
    more = several(tmp_path / "run", precision=precision)
    assert more.frame.equals(several(precision=precision).frame)
    if precision is None:
        assert set(cells_n(more).values()) == {640}
    else:
        assert half_widths(more) <= 0.04


def test_less_precision_measures_nothing(tmp_path):
    first = several(tmp_path / "run", precision=0.05)
    seconds = first.manifest["execution"]["seconds"]
    again = several(tmp_path / "run", precision=0.2)
    assert again.manifest["execution"]["seconds"] == seconds
    assert again.frame.equals(first.frame)


def test_what_shares_a_number_stops_together():
    orbits = several(precision=0.08, metrics="mean_relative_invariance,normalized_variance")
    n = cells_n(orbits)
    for transformation in ("posterize", "rotate"):
        own = {count for (name, level), count in n.items() if name == transformation and level}
        assert len(own) == 1
        assert own == {
            count for (name, _), count in cells_n(orbits, "normalized_variance").items()
            if name == transformation
        }  # fmt: skip
    assert n["posterize", 5] < n["rotate", 5]


class _Interrupted(Silent):
    """Ctrl-C once so many images went through the network."""

    def __init__(self, passes):
        self.left = passes

    def advance(self, passes):
        self.left -= passes
        if self.left < 0:
            raise KeyboardInterrupt


def test_more_precision_may_be_interrupted(tmp_path):
    several(tmp_path / "run", precision=0.06)
    with pytest.raises(KeyboardInterrupt):
        several(tmp_path / "run", precision=0.04, progress=_Interrupted(700))
    more = several(tmp_path / "run", precision=0.04)
    assert more.frame.equals(several(precision=0.04).frame)


def test_the_untouched_images_have_to_be_precise_as_well():
    rng = np.random.default_rng(0)
    light = rng.choice([60, 200], 2000).astype(np.uint8)
    pictures = np.ones((2000, 4, 4, 3), np.uint8) * light[:, None, None, None]
    labels = (rng.random(2000) < 0.02).astype(int).tolist()
    result = invariscope.measure(
        lambda x: torch.stack([0.5 - x.mean((1, 2, 3)), x.mean((1, 2, 3)) - 0.5], 1),
        (pictures, labels), transformations="brightness_down=0.1", metrics="accuracy",
        precision=0.05, workers=0, model_classes="order",
    )  # fmt: skip
    at = result.frame[result.frame["class"].isna()].set_index("level")
    assert at.value[0] == pytest.approx(0.5, abs=0.05)  # the other half is said to be bright
    assert at.n[1] < 200 < at.n[0] < 2000
    assert ((at.ci_high - at.ci_low) / 2).max() <= 0.05
