"""What must not change a channel measure: batches, workers, memory, parts, layers; resuming."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import invariscope
from invariscope.errors import RunError
from invariscope.sweep import channels as channels_module
from invariscope.sweep import job, watchers
from invariscope.sweep import maps as maps_module
from invariscope.transformations import get_transformation
from killing import killed_after

METRICS = "channel_equivariance,channel_invariance:literal,channel_eed,latent_eed"


class Small(nn.Module):
    """Two layers of different size, on 12 × 12 pixels."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU()
        )
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.body(4 * (x - 0.4)).mean((2, 3)))


class Greedy(Small):
    """Has room for five images."""

    def forward(self, x):
        if len(x) > 5:
            raise torch.OutOfMemoryError("no room")
        return super().forward(x)


def pictures(count=36):
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    smooth = nn.functional.interpolate(coarse, (12, 12), mode="bicubic").clamp(0, 1)
    return (255 * smooth).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def run(model=None, images=None, **more: Any):
    shear = replace(get_transformation("shear_x"), levels=(0, 4))
    settings: dict[str, Any] = {
        "groups": "flip", "transformations": [shear], "metrics": METRICS, "floor": True,
        "layers": "body.1,body.3", "workers": 0, **more,
    }  # fmt: skip
    images = pictures() if images is None else images
    return invariscope.measure(model or Small(), images, **settings)


@pytest.fixture(scope="module")
def whole():
    return run(batch_size=32)


def differences(a, b):
    """Rows of both that are not the same: [(row of a, value of b)]; the rows are the same ones."""
    keys = ["image", "cell", "layer", "metric", "control"]
    both = a.rows.merge(b.rows, on=keys, suffixes=("", "_other"))
    assert len(both) == len(a.rows) == len(b.rows)
    apart = ~np.isclose(both.value, both.value_other, rtol=1e-5, atol=2e-5, equal_nan=True)
    return both[apart]


def assert_same(a, b):
    assert not len(differences(a, b)), differences(a, b)
    keys = ["control", "metric", "transformation", "level", "layer", "class"]
    both = a.summary.merge(b.summary, on=keys, suffixes=("", "_other"))
    assert len(both) == len(a.summary)
    for column in ("value", "ci_low", "ci_high"):
        assert np.allclose(both[column], both[f"{column}_other"], atol=1e-5, equal_nan=True), column
    assert a.channels.columns.tolist() == b.channels.columns.tolist()
    for column in a.channels.columns:
        one, other = a.channels[column], b.channels[column]
        if one.dtype.kind == "f":
            assert np.allclose(one, other, rtol=0, atol=1e-5, equal_nan=True), column
        else:
            assert one.equals(other), column


@pytest.mark.parametrize("size", [1, 3, 40, 64, 256])
def test_the_forward_batch_size(whole, size):
    """Batches of 3 end within a cell; 40 and 64 hold some cells of a part, 256 all of them."""
    assert_same(whole, run(batch_size=size))


class Spoilt(Small):
    """Answers some moved images with NaN in one channel."""

    def forward(self, x):
        dark = (x[:, :, 0].mean((1, 2)) < 0.2)[:, None, None, None]
        maps = self.body[0](4 * (x - 0.4))
        maps = torch.cat([torch.where(dark, torch.nan, maps[:, :1]), maps[:, 1:]], 1)
        return self.fc(self.body[1:](maps).mean((2, 3)))


def test_cells_that_are_compared_at_once_may_miss_different_images():
    found = run(Spoilt(), batch_size=16), run(Spoilt(), batch_size=256)
    assert_same(*found)
    rows = found[0].rows
    moved = rows[(rows.metric == "channel_equivariance:pooled") & (rows.layer == "body.1")]
    counts = moved.groupby("cell").value.count()
    assert counts.nunique() > 1  # some cells have lost images, others have not


def test_cells_are_compared_at_once(monkeypatch):
    together = []
    compared = maps_module.MapMeasures.compared

    def watched(self, layer, cells, control):
        together.append(len(cells))
        return compared(self, layer, cells, control)

    monkeypatch.setattr(maps_module.MapMeasures, "compared", watched)
    run(batch_size=256)
    assert max(together) > 1


def test_running_out_of_memory_within_a_block(whole):
    other = run(Greedy(), batch_size=32)
    assert other.manifest["execution"]["batch_size"] == 4
    assert_same(whole, other)


def test_where_the_comparison_runs_out_of_memory(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(maps_module.MapMeasures, "take", full)
    with pytest.raises(RunError, match="out of memory where its feature maps are compared: use a"):
        run()


def test_loader_workers(whole):
    assert not len(differences(whole, run(workers=2, batch_size=32)))


def test_how_many_images_are_held_changes_the_null_and_the_spread_alone(whole, monkeypatch):
    """A part's last image has its first one as the next one, so other strangers; the rest stays.

    Influences are judged by the sums so far, so that rows of data-set values spread differently;
    their mean does not.
    """
    monkeypatch.setattr(maps_module, "MAP_BYTES", 4000)
    other = run(batch_size=32)
    changed = differences(whole, other)
    by_image = changed[~changed.metric.str.endswith(":pooled")]
    assert set(by_image.control) == {"shuffled"}
    assert set(changed.metric[changed.control != "shuffled"]) <= {
        "channel_invariance:pooled", "channel_equivariance:pooled",
    }  # fmt: skip
    both = whole.frame.merge(
        other.frame, on=["metric", "transformation", "level", "layer", "class"]
    )
    assert np.allclose(both.value_x, both.value_y, rtol=0, atol=1e-5, equal_nan=True)


def test_how_many_images_are_compared_at_a_time(whole, monkeypatch):
    monkeypatch.setattr(watchers, "STEP_BYTES", 4000)
    assert not len(differences(whole, run(batch_size=32)))


def test_which_other_layers_are_watched(whole):
    other = run(layers="body.*")
    first = whole.rows[whole.rows.layer.isin(["body.1", "body.3"])]
    more = other.rows[other.rows.layer.isin(["body.1", "body.3"])]
    keys = ["image", "cell", "layer", "metric", "control"]
    both = first.merge(more, on=keys)
    assert len(both) == len(first) == len(more)
    assert np.allclose(both.value_x, both.value_y, rtol=1e-5, atol=2e-5, equal_nan=True)


def test_layers_whose_sums_are_too_large_go_without(whole, monkeypatch):
    pairs = whole.channels[["cell", "control"]].drop_duplicates()
    # room for logits (3) and body.1 (4), not for body.3 and the embedding (6 each)
    monkeypatch.setattr(channels_module, "SUMS_BYTES", 4 * (9 + 16) * len(pairs) + 100)
    other = run(batch_size=32)
    (note,) = [text for text in other.manifest["warnings"] if "over the data set" in text]
    assert "left out at body.3, embedding: their sums for all" in note
    assert other.channels is not None
    assert set(other.channels.layer) == {"body.1", "logits"}
    lost = whole.rows.metric.str.endswith(":pooled") & whole.rows.layer.isin(
        ["body.3", "embedding"]
    )
    assert lost.any()
    left = whole.rows[~lost].reset_index(drop=True)
    keys = ["image", "cell", "layer", "metric", "control"]
    both = left.merge(other.rows, on=keys)
    assert len(both) == len(left) == len(other.rows)
    assert np.array_equal(both.value_x, both.value_y, equal_nan=True)


def test_many_layers_without_sums_are_counted(monkeypatch):
    monkeypatch.setattr(channels_module, "SUMS_BYTES", 0)
    monkeypatch.setattr(job, "_NAMED", 2)
    (note,) = [text for text in run().manifest["warnings"] if "over the data set" in text]
    assert "left out at logits, body.1 and 2 more: their sums" in note


class LateStart(nn.Module):
    """Dead at layer 0 on dark images."""

    def __init__(self):
        super().__init__()
        self.rectify = nn.Threshold(0.5, 0.0)

    def forward(self, x):
        return self.rectify(x).flatten(1)[:, :40]


def test_a_layer_that_is_dead_over_the_first_block():
    """The mean of the rows is the value over the data set even then; dead images have none."""
    images = pictures(70)
    found = invariscope.data.select(invariscope.data.open_source(images), None, 0)
    images[found[:32]] = 9
    result = invariscope.measure(
        LateStart(), images, groups="flip", metrics="channel_invariance:pooled",
        layers="rectify", workers=0,
    )  # fmt: skip
    rows = result.rows[(result.rows.layer == "rectify") & (result.rows.control == "")]
    assert rows.value[:32].isna().all()
    assert rows.value[32:].notna().all()
    assert result.channels is not None
    table = result.channels[(result.channels.layer == "rectify") & (result.channels.control == "")]
    assert (table.images == 70).all()
    assert rows.value.mean() == pytest.approx(table.invariance.mean(), abs=1e-6)


SCRIPT = """
import sys, time, torch
sys.path[:0] = [sys.argv[1], sys.argv[2]]
torch.set_num_threads(1)
from invariscope.runs import record
from sweep_under_test import run, Small, pictures
real = record.write_block_file
def slow(*arguments):
    real(*arguments)
    time.sleep(0.4)
record.write_block_file = slow
run(images=pictures(70), output=sys.argv[3])
"""
FILES = ("summary.parquet", "channels.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run of three blocks (70 images)."""
    path = tmp_path_factory.mktemp("finished") / "run"
    run(images=pictures(70), output=path)
    return path


def assert_same_bytes(one, other):
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_killed_between_blocks(folder, tmp_path):
    """Killed after the rows of a block are there, and before its sums are: those come again."""
    (tmp_path / "sweep_under_test.py").write_bytes(Path(__file__).read_bytes())
    killed = tmp_path / "killed"
    package = str(Path(invariscope.__file__).parents[1])
    done = killed_after(1, killed, SCRIPT, str(tmp_path), package, str(killed))
    assert 1 <= len(done) < 3
    (killed / ".channels.state.1.part").write_bytes(b"half")
    run(images=pictures(70), output=killed)
    assert_same_bytes(folder, killed)
    assert not list(killed.glob(".*part"))


def stop_after(monkeypatch, blocks):
    """Makes the next run fail once so many blocks are written; the state is there each time."""
    real = channels_module.ChannelState.save

    def save(self, place, *, at_once=False):
        real(self, place, at_once=True)
        if self.blocks == blocks:
            raise KeyboardInterrupt

    monkeypatch.setattr(channels_module.ChannelState, "save", save)


def interrupted(monkeypatch, path, blocks=2):
    stop_after(monkeypatch, blocks)
    with pytest.raises(KeyboardInterrupt):
        run(images=pictures(70), output=path)
    monkeypatch.undo()


def truncated(state):
    state.write_bytes(state.read_bytes()[:-100])


def flipped(state):
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)


@pytest.mark.parametrize("spoil", [truncated, flipped, os.unlink])
def test_a_damaged_or_missing_state(folder, tmp_path, monkeypatch, spoil):
    interrupted(monkeypatch, tmp_path / "run")
    spoil(tmp_path / "run" / channels_module.STATE)
    run(images=pictures(70), output=tmp_path / "run")
    assert_same_bytes(folder, tmp_path / "run")


def test_a_damaged_row_file(folder, tmp_path, monkeypatch):
    interrupted(monkeypatch, tmp_path / "run")
    rows = tmp_path / "run" / "rows" / "block-00000.parquet"
    rows.write_bytes(rows.read_bytes()[:-50])
    run(images=pictures(70), output=tmp_path / "run")
    assert_same_bytes(folder, tmp_path / "run")


def test_a_finished_run_is_not_measured_again(folder, monkeypatch):
    before = {name: (folder / name).read_bytes() for name in FILES}

    def never(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(job, "measure_block", never)
    again = run(images=pictures(70), output=folder)
    assert {name: (folder / name).read_bytes() for name in FILES} == before
    assert again.channels is not None
    loaded = invariscope.Result.load(folder).channels
    assert loaded is not None
    assert again.channels.equals(loaded)


def test_precision_that_stops_and_goes_on(folder, tmp_path, monkeypatch):
    path = tmp_path / "run"
    asked = {"images": pictures(70), "output": path}
    assert run(**asked, precision=1.0).manifest["images"]["used"] == 64
    few = (path / "channels.parquet").read_bytes()
    assert few != (folder / "channels.parquet").read_bytes()
    run(**asked, precision=1.0)
    assert (path / "channels.parquet").read_bytes() == few
    # killed after the last block, before the table is written: the old table is of two blocks
    stop_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        run(**asked, precision=1e-9)
    monkeypatch.undo()
    run(**asked)
    assert_same_bytes(folder, path)


def test_a_full_disk_while_the_state_is_written(folder, tmp_path, monkeypatch):
    real = os.replace

    def full(source, target):
        if str(target).endswith(channels_module.STATE):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match=r"channels\.state in .*: No space left.*rows.*kept.*resume"):
        run(images=pictures(70), output=tmp_path / "run")
    monkeypatch.undo()
    assert len(list((tmp_path / "run" / "rows").glob("block-*.parquet"))) == 1
    assert not list((tmp_path / "run").glob(".*part"))
    run(images=pictures(70), output=tmp_path / "run")
    assert_same_bytes(folder, tmp_path / "run")


def test_the_note_of_layers_without_sums_outlives_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(channels_module, "SUMS_BYTES", 1000)
    asked = {"images": pictures(), "output": tmp_path / "run"}
    real = channels_module.write_channels
    monkeypatch.setattr(channels_module, "write_channels", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(**asked)
    monkeypatch.setattr(channels_module, "write_channels", real)
    warnings = run(**asked).manifest["warnings"]
    assert sum("over the data set are left out at" in text for text in warnings) == 1
