"""A run that is killed, resumed, refused or written to a full disk."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import invariscope
from invariscope.errors import InputError, RunError
from invariscope.results import Result
from invariscope.runs import record
from killing import killed_after

SCRIPT = """
import sys, torch, invariscope
torch.set_num_threads(1)
def model(x):
    import time; time.sleep(float(sys.argv[3]))
    return torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(1)
invariscope.measure(model, sys.argv[1], output=sys.argv[2], transformations="rotate,posterize",
                    workers=0)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """130 pictures, so 4 blocks and two over; one of them is broken."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(130):
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(
            root / f"{number:03}.png"
        )
    (root / "007.png").write_bytes(b"\x89PNG not really")
    return root


def model(x):
    return torch.nn.functional.adaptive_avg_pool2d(x, 3).flatten(1)


def run(folder, output, **more):
    return invariscope.measure(
        model, folder, output=output, transformations="rotate,posterize", workers=0, **more
    )


def test_killed_and_resumed_gives_the_same_bytes(folder, tmp_path):
    whole = run(folder, tmp_path / "whole")
    killed = tmp_path / "killed"
    done = killed_after(2, killed, SCRIPT, str(folder), str(killed), "0.01")
    assert 2 <= len(done) < 5
    times = {path.name: path.stat().st_mtime_ns for path in done}
    # what a write leaves that is killed half-way
    (killed / "rows" / ".block-00004.parquet.1.part").write_bytes(b"half")
    resumed = run(folder, killed)
    for path in done:
        assert path.stat().st_mtime_ns == times[path.name], "a finished block was measured again"
    one, other = tmp_path / "whole" / "summary.parquet", killed / "summary.parquet"
    assert one.read_bytes() == other.read_bytes()
    assert resumed.manifest["images"]["skipped"] == whole.manifest["images"]["skipped"]
    assert [entry["image"] for entry in whole.manifest["images"]["skipped"]] == ["007.png"]
    assert whole.manifest["images"]["used"] == 129


def test_a_damaged_block_is_measured_again(folder, tmp_path):
    run(folder, tmp_path / "run")
    before = (tmp_path / "run" / "summary.parquet").read_bytes()
    block = tmp_path / "run" / "rows" / "block-00001.parquet"
    block.write_bytes(block.read_bytes()[:-200])
    (tmp_path / "run" / "summary.parquet").unlink()
    run(folder, tmp_path / "run")
    assert (tmp_path / "run" / "summary.parquet").read_bytes() == before


def test_other_settings_are_refused_and_named(folder, tmp_path):
    run(folder, tmp_path / "run", num_images=4)
    with pytest.raises(
        InputError, match=r"run with other settings: seed is 0 in its manifest.json and 1 now"
    ):
        run(folder, tmp_path / "run", num_images=4, seed=1)
    with pytest.raises(InputError, match=r"num_images is 4 in its manifest.json and 5 now"):
        run(folder, tmp_path / "run", num_images=5)
    with pytest.raises(InputError, match="holds a run already"):
        run(folder, tmp_path / "run", num_images=4, resume=False)


HOLDING = """
import sys, time
from pathlib import Path
from invariscope.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_process_per_folder_and_a_dead_one_is_no_obstacle(folder, tmp_path):
    output = tmp_path / "run"
    output.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(output)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    part = output / ".manifest.json.1.part"
    part.write_bytes(b"under way")
    message = rf"run is in use by process {process.pid} on \S+ since \S+: wait for it or give ano"
    with pytest.raises(InputError, match=message):
        run(folder, output, num_images=4)
    with pytest.raises(InputError, match=message):
        invariscope.find_factors(model, (np.zeros((4, 9, 9, 3), np.uint8), [0] * 4), output=output)
    assert part.exists()
    process.kill()
    process.wait()
    process.stdout.close()
    run(folder, output, num_images=4)
    assert not list(output.glob(".lock*"))


def test_a_run_that_fails_gives_the_folder_free(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "write_block_file", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(folder, tmp_path / "run", num_images=4)
    monkeypatch.undo()
    run(folder, tmp_path / "run", num_images=4)


def test_folders_that_cannot_be_used(folder, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="is a file: give a folder"):
        run(folder, file, num_images=4)
    with pytest.raises(InputError, match="is not empty and holds no run"):
        run(folder, folder, num_images=4)
    with pytest.raises((InputError, RunError), match="cannot write"):
        run(folder, "/proc/invariscope", num_images=4)


def test_a_full_disk_keeps_what_was_written(folder, tmp_path, third_block_fills_the_disk):
    with pytest.raises(RunError, match=r"No space left on device.*kept.*resume"):
        run(folder, tmp_path / "run")
    third_block_fills_the_disk()
    assert len(list((tmp_path / "run" / "rows").glob("block-*.parquet"))) == 2
    run(folder, tmp_path / "whole")
    run(folder, tmp_path / "run")
    one, other = (tmp_path / name / "summary.parquet" for name in ("whole", "run"))
    assert one.read_bytes() == other.read_bytes()


def test_saved_and_in_memory_runs_agree(folder, tmp_path):
    saved = run(folder, tmp_path / "run")
    memory = run(folder, None)
    loaded = Result.load(tmp_path / "run")
    assert saved.frame.equals(memory.frame)
    assert loaded.frame.equals(memory.frame)
    assert len(loaded.rows) == len(memory.rows)
    assert memory.example is not None
    assert loaded.example is not None
    assert (loaded.example == memory.example).all()


def test_blocks_in_which_nothing_can_be_read(tmp_path):
    source = tmp_path / "pictures"
    source.mkdir()
    for number in range(40):
        (source / f"{number:02}.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"none of the 40 images of .* can be read; the first: "):
        run(source, None)
    for number in (3, 5):
        Image.new("RGB", (9, 9), (40 * number, 9, 1)).save(source / f"{number:02}.png")
    result = run(source, tmp_path / "run")
    assert result.manifest["images"]["used"] in (0, 2)  # the same block, or one block each
    assert len(result.manifest["images"]["skipped"]) + result.manifest["images"]["used"] == 40


def test_rows_of_another_run_are_refused_by_name(folder, tmp_path):
    """Copied in, they would be averaged in: other numbers, and no word."""
    one, other = tmp_path / "one", tmp_path / "other"
    before = run(folder, one, num_images=40).frame
    run(folder, other, num_images=40, seed=1)
    block = "rows/block-00001.parquet"
    shutil.copy(other / block, one / block)
    for again in (lambda: run(folder, one, num_images=40), lambda: Result.load(one)):
        with pytest.raises(InputError, match=r"block-00001.parquet holds rows of another run than"):
            again()
    (one / block).unlink()
    assert run(folder, one, num_images=40).frame.equals(before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "0.0.1"}, r"of invariscope 0.0.1, by its manifest.json, this is .*`output`"),
        ({"torch": "1.0"}, r"a run of torch 1.0, by its manifest.json, this is torch .*version$"),
        ({"torch": None}, "a run of torch None, by its"),
        ({"identity": "0" * 16}, r"manifest.json was changed after its run began"),
        ({"numpy": "1.0"}, r"manifest.json is not as it was written"),
    ],
)
def test_a_run_of_another_version_is_not_gone_on_with(folder, tmp_path, change, message):
    run(folder, tmp_path / "run", num_images=4)
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    for name, value in change.items():
        (manifest if name in manifest else manifest["environment"])[name] = value
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=message):
        run(folder, tmp_path / "run", num_images=4)
    with pytest.raises(InputError, match=r"manifest.json is not as it was written"):
        invariscope.results.Result.load(tmp_path / "run")


def test_a_run_of_version_0_1_opens_for_a_report_and_is_not_gone_on_with(
    folder, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr("invariscope.runs.manifest.VERSION", "0.1.0")
        old = run(folder, tmp_path / "old", num_images=4)
    assert old.manifest["version"] == "0.1.0"
    read = Result.load(tmp_path / "old")
    assert read.frame.equals(old.frame)
    assert "0.1.0" in read.to_html(tmp_path / "report.html").read_text()
    new = run(folder, tmp_path / "new", num_images=4)
    assert (new.compare(read).frame["difference"] == 0).all()
    with pytest.raises(InputError, match=r"of invariscope 0.1.0, by its manifest.json, this"):
        run(folder, tmp_path / "old", num_images=4)


class Widening(torch.nn.Module):
    """Has five channels for bright pictures and six for dark ones."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Identity()

    def forward(self, x):
        count = 5 if x.mean() > 0.45 else 6
        return self.body(x.repeat(1, 2, 1, 1)[:, :count]).mean((2, 3))


@pytest.mark.parametrize("metrics", ["relative_invariance", "channel_invariance", "lie_derivative"])
def test_an_output_whose_width_changes_ends_the_run_in_one_line(metrics):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(8, 3, 12, 12, generator=generator)
    asked = {"transformations": "rotate=90,brightness_down", "workers": 0, "metrics": metrics}
    if metrics == "lie_derivative":  # level 0 alone: the batches themselves must differ
        pictures[:4] *= 0.1
        asked["batch_size"] = 4
    with pytest.raises(
        RunError, match=r"gave \S+ numbers for .* at first and \S+ for .*kept.*resume$"
    ):
        invariscope.measure(Widening(), pictures, **asked)


def channels_of(folder, output, **more):
    return run(folder, output, num_images=70, metrics="channel_invariance", **more)


@pytest.fixture
def stopped(folder, tmp_path, monkeypatch):
    """A run with sums of channels that has two of its three blocks."""
    real = record.write_block_file

    def failing(rows, number, *more):
        if number == 2:
            raise RunError("stopped")
        return real(rows, number, *more)

    monkeypatch.setattr(record, "write_block_file", failing)
    with pytest.raises(RunError, match="stopped"):
        channels_of(folder, tmp_path / "stopped")
    monkeypatch.undo()
    assert (tmp_path / "stopped" / "channels.state").exists()
    return tmp_path / "stopped"


def test_a_state_that_holds_other_arrays_starts_the_sums_over(folder, tmp_path, stopped):
    whole = channels_of(folder, tmp_path / "whole").frame
    content = (stopped / "channels.state").read_bytes()[:-32]
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    layers = arrays["sums"].copy()
    layers[:, 1] = "of another plan"
    for change in (
        {"sums0.products": None}, {"run": None}, {"channels": np.array([["embedding", "many"]])},
        {"sums": layers}, {"sums": arrays["sums"][:, :2]}, {"sums0.products": np.zeros((2, 2))},
        {"blocks": np.array("two")},
    ):  # fmt: skip
        buffer = io.BytesIO()
        kept: dict[str, Any] = {
            name: value for name, value in (arrays | change).items() if value is not None
        }
        np.savez(buffer, **kept)
        buffer.write(hashlib.sha256(buffer.getvalue()).digest())
        copy = shutil.copytree(stopped, tmp_path / "copy")
        (copy / "channels.state").write_bytes(buffer.getvalue())
        assert channels_of(folder, copy).frame.equals(whole), change.keys()
        shutil.rmtree(copy)


def test_sums_and_channels_of_another_run_are_refused_by_name(folder, tmp_path, stopped):
    whole = channels_of(folder, tmp_path / "whole")
    (tmp_path / "whole" / "channels.state").write_bytes(b"of a run killed when it was done")
    assert channels_of(folder, tmp_path / "whole").frame.equals(whole.frame)
    assert not (tmp_path / "whole" / "channels.state").exists()
    content = (stopped / "channels.state").read_bytes()[:-32]
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    assert str(arrays["run"]) == whole.manifest["identity"]
    buffer = io.BytesIO()
    arrays["run"] = np.array("0" * 16)
    np.savez(buffer, **arrays)
    buffer.write(hashlib.sha256(buffer.getvalue()).digest())
    (stopped / "channels.state").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"channels.state holds sums of another run than"):
        channels_of(folder, stopped)
    (stopped / "channels.state").unlink()
    assert channels_of(folder, stopped).frame.equals(whole.frame)
    channels_of(folder, tmp_path / "other", seed=1)
    shutil.copy(tmp_path / "other" / "channels.parquet", stopped)
    with pytest.raises(InputError, match=r"channels.parquet holds channels of another run than"):
        channels_of(folder, stopped)
    (stopped / "channels.parquet").unlink()
    assert channels_of(folder, stopped).frame.equals(whole.frame)
